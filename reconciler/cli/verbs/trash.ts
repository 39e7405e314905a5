import { findTrash, trashRows } from "../../api/trash.ts";
import type { TrashRow } from "../../api/types.ts";
import { UserError } from "../../core/errors/user-error.ts";
import { formatBytesRounded } from "../../core/units.ts";
import { tellDaemon } from "../client.ts";
import { roughDuration, trashColumns } from "../columns.ts";
import { printNote } from "../fail.ts";
import { readFleet } from "../read.ts";
import { stateFolder } from "../state-folder.ts";
import { printRows, type TableFormat } from "../table.ts";
import type { Terminal } from "../terminal.ts";

interface StateOptions {
  readonly state?: string;
}

/** `setpoint trash list [--set S] [--host H]`. */
export async function listTrash(
  terminal: Terminal,
  options: StateOptions & { readonly set?: string; readonly host?: string; readonly output: TableFormat },
): Promise<number> {
  const { set, host, output } = options;
  const all = await readTrash(terminal, options);
  const rows = all.filter((row) => (set === undefined || concerns(row, set)) && (host === undefined || row.host === host));
  if (rows.length === 0 && (output === "text" || output === "wide")) {
    const only = [...(set === undefined ? [] : [` of Set ${set}`]), ...(host === undefined ? [] : [` on host ${host}`])].join("");
    printNote(terminal.err, `there is nothing in the trash${only}`);
    return 0;
  }
  await printRows(terminal.out, rows, trashColumns(Date.now()), output);
  return 0;
}

/** What a Set left, and what it is to get. */
function concerns(row: TrashRow, set: string): boolean {
  return row.set === set || row.restore?.slot.startsWith(`${set}/`) === true;
}

function readTrash(terminal: Terminal, options: StateOptions): Promise<readonly TrashRow[]> {
  return readFleet(terminal, stateFolder(terminal, options.state), "/v1/get/trash", (fleet) => trashRows(fleet.picture));
}

interface RestoreOptions extends StateOptions {
  readonly to?: string;
  readonly replace?: true;
  readonly cancel?: true;
  readonly why: string;
}

/** `setpoint trash restore ID [--to SET/INDEX[/VOLUME]] [--replace]`, `setpoint trash restore --cancel ID`. */
export async function restoreTrash(terminal: Terminal, id: string, options: RestoreOptions): Promise<number> {
  const { why } = options;
  const state = stateFolder(terminal, options.state);
  const said = { id, who: terminal.user, why };
  if (options.cancel === true) {
    if (options.to !== undefined || options.replace === true)
      throw new UserError(
        "usage",
        "--cancel ends a restore; it goes with neither --to nor --replace",
        "Write: setpoint trash restore --cancel ID",
      );
    const cancelled = await tellDaemon<{ id: string }>(state, "/v1/trash/cancel", said);
    terminal.out.write(`${cancelled.id} is not restored; a slot that has no such volume by now begins with an empty one\n`);
    return 0;
  }
  const row = await tellDaemon<TrashRow>(state, "/v1/trash/restore", {
    ...said,
    to: options.to ?? null,
    replace: options.replace === true,
  });
  const { slot, volume, state: how } = row.restore!;
  const waits = how === "under way" ? "" : `; it ${how}`;
  terminal.out.write(
    `${row.id} comes back as volume ${volume} of ${slot}${waits}\nsee how it goes: setpoint trash list, setpoint explain ${slot}\n`,
  );
  return 0;
}

/** `setpoint trash purge ID [--yes]`. */
export async function purgeTrash(
  terminal: Terminal,
  id: string,
  options: StateOptions & { readonly yes?: true; readonly why: string },
): Promise<number> {
  const row = findTrash(await readTrash(terminal, options), id);
  if (options.yes !== true && !(await isAgreed(terminal, row))) {
    terminal.out.write(`${row.id} is kept\n`);
    return 1;
  }
  const state = stateFolder(terminal, options.state);
  await tellDaemon(state, "/v1/trash/purge", { id: row.id, who: terminal.user, why: options.why });
  terminal.out.write(`${row.id} is being destroyed\n`);
  return 0;
}

/** Asks a person. Where nobody is there, it throws: data is not destroyed by a script that did not say so. */
async function isAgreed(terminal: Terminal, row: TrashRow): Promise<boolean> {
  const used = row.usedBytes === null ? "" : `, ${formatBytesRounded(row.usedBytes)} used`;
  const size = row.sizeBytes === null ? "" : `, ${formatBytesRounded(row.sizeBytes)}${used}`;
  const since = roughDuration(Date.now() - row.trashedAtMs);
  const what = `${row.id}: volume ${row.volume} of ${row.set}/${row.index}${size}, in the trash for ${since}`;
  const answer = await terminal.ask(`${what}\nIts data is destroyed for good. Go on? Type yes: `);
  if (answer !== null) return answer.toLowerCase() === "yes";
  throw new UserError("purge-unconfirmed", `${what}: its data would be destroyed for good`, "If you mean it, add --yes.");
}
