import { objectRows } from "../../api/report.ts";
import type { ObjectKind, ObjectRows } from "../../api/types.ts";
import { printProblems } from "../../core/problems.ts";
import { columnsOf } from "../columns.ts";
import { printNote } from "../fail.ts";
import { readFleet } from "../read.ts";
import { stateFolder } from "../state-folder.ts";
import { printRows, type TableFormat } from "../table.ts";
import type { Terminal } from "../terminal.ts";

/** `setpoint get KIND [NAME]`. */
export async function get(
  terminal: Terminal,
  kind: ObjectKind,
  name: string | undefined,
  options: { readonly output: TableFormat; readonly state?: string },
): Promise<number> {
  const state = stateFolder(terminal, options.state);
  const query = name === undefined ? "" : `?name=${encodeURIComponent(name)}`;
  const rows: ObjectRows[ObjectKind] = await readFleet(terminal, state, `/v1/get/${kind}${query}`, (fleet) =>
    objectRows(kind, name ?? null, fleet.picture, fleet.recentTasks),
  );
  if (rows.length === 0 && (options.output === "text" || options.output === "wide")) {
    printNote(terminal.err, `there are no ${kind}${name === undefined ? "" : ` of ${name}`}`);
    return 0;
  }
  const columns = columnsOf(kind, Date.now());
  await printRows(terminal.out, rows, columns, options.output);
  if (options.output === "text" || options.output === "wide") printHeadProblems(terminal, rows);
  return 0;
}

/** Below revisions: what is wrong in the newest commit, file by file. */
function printHeadProblems(terminal: Terminal, rows: ObjectRows[ObjectKind]): void {
  const problems = rows.flatMap((row) => ("problems" in row ? row.problems : []));
  if (problems.length > 0) terminal.out.write(`\n${printProblems(problems)}\n`);
}
