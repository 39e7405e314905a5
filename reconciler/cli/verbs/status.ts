import { statusReport } from "../../api/report.ts";
import type { StatusReport, WaitRow } from "../../api/types.ts";
import { heldSentence, plural, shortCommit } from "../../plan/render.ts";
import { followDaemon } from "../client.ts";
import { holdColumns, PROBLEM_COLUMNS, RESTORE_COLUMNS, roughDuration, WAIT_COLUMNS } from "../columns.ts";
import { UserError } from "../../core/errors/user-error.ts";
import { createLivePrinter } from "../live.ts";
import { readFleet } from "../read.ts";
import { stateFolder, type StateFolder } from "../state-folder.ts";
import { printRows, printValue, type Column } from "../table.ts";
import { paint, type Channel, type Style, type Terminal } from "../terminal.ts";

interface StatusOptions {
  readonly output: "text" | "json" | "yaml";
  readonly watch?: boolean;
  readonly state?: string;
}

/** `setpoint status [--watch]`. */
export async function status(terminal: Terminal, options: StatusOptions): Promise<number> {
  const state = stateFolder(terminal, options.state);
  const report = await readFleet<StatusReport>(terminal, state, "/v1/status", (fleet) =>
    statusReport(fleet.picture, fleet.name, fleet.recentTasks),
  );
  if (options.output !== "text") await printValue(terminal.out, report, options.output);
  else await printReport(terminal, report);
  return options.watch === true ? await watch(terminal, state, options.output) : 0;
}

const STATE_STYLES: Readonly<Record<StatusReport["state"], Style>> = {
  starting: "yellow",
  working: "cyan",
  converged: "green",
  blocked: "red",
};

async function printReport(terminal: Terminal, report: StatusReport): Promise<void> {
  const { out } = terminal;
  const line = (label: string, text: string): void => out.write(`${label.padEnd(LABEL_WIDTH)}${text}\n`);
  line("fleet", report.fleet);
  line("state", `${paint(out, STATE_STYLES[report.state], report.state)}${workLeft(report)}`);
  line("revision", report.commit === null ? "none yet" : shortCommit(report.commit));
  if (report.rejected !== null)
    line(
      "refused",
      paint(out, "red", `${report.rejected.commit === null ? "source" : shortCommit(report.rejected.commit)}: ${report.rejected.why}`),
    );
  line("Sets", `${report.sets.ready} of ${report.sets.total} ready`);
  line("Instances", `${report.instances.ready} of ${report.instances.wanted} ready`);
  line("hosts", `${report.hosts.reachable} of ${report.hosts.total} reachable`);
  const nowMs = Date.now();
  for (const task of report.tasks.slice(0, MOST_TASKS)) {
    line("task", `${task.taskId.slice(0, 8)}  ${task.trigger} of ${task.set}, for ${roughDuration(nowMs - task.openedAtMs)}`);
  }
  if (report.tasks.length > MOST_TASKS) line("", `and ${plural(report.tasks.length - MOST_TASKS, "more Task")}; see: setpoint trace`);
  for (const held of report.held) line("to confirm", `${heldSentence(held)}; go on with: setpoint confirm ${held.hash}`);
  await printTable(out, report.holds, holdColumns(nowMs));
  await printTable(out, report.restores, RESTORE_COLUMNS);
  await printTable(out, untoldWaits(report).slice(0, MOST_WAITS), WAIT_COLUMNS);
  // Destroys over budget were told above, with the command that lets them go on, and restores with what they wait for.
  const problems = report.problems.filter(({ code }) => code !== "over-budget" && code !== "restore-waits" && code !== "restore-lost");
  await printTable(out, problems, PROBLEM_COLUMNS);
}

async function printTable<Row>(out: Channel, rows: readonly Row[], columns: readonly Column<Row>[]): Promise<void> {
  if (rows.length === 0) return;
  out.write("\n");
  await printRows(out, rows, columns, "text");
}

/** Waits that neither a hold, destroys to confirm nor a problem tells already. */
function untoldWaits({ waits, problems }: StatusReport): WaitRow[] {
  const told = new Set(problems.map(({ subject, code }) => `${subject} ${code}`));
  return waits.filter(({ set, code }) => code !== "wait.hold" && code !== "wait.budget" && !told.has(`set/${set} ${code}`));
}

const LABEL_WIDTH = 11;
const MOST_TASKS = 8;
const MOST_WAITS = 8;

/** `: 3 to create, 2 blocked`. */
function workLeft(report: StatusReport): string {
  const parts = Object.entries(report.changes).filter(([, count]) => count > 0);
  const left = parts
    .map(([kind, count]) => (kind === "blocked" || kind === "waiting" ? `${count} ${kind}` : `${count} to ${kind}`))
    .join(", ");
  return left === "" ? "" : `: ${left}`;
}

/** One line per thing that happens, until Ctrl-C or until the daemon ends. */
async function watch(terminal: Terminal, state: StateFolder, output: StatusOptions["output"]): Promise<number> {
  const events = await followDaemon(state, terminal.interrupted());
  if (events === null)
    throw new UserError(
      "no-daemon",
      `no daemon runs on the state folder ${state.dir}, so there is nothing to watch`,
      "Start one with `setpoint daemon --repo ...`.",
    );
  const printer = createLivePrinter(terminal.out);
  for await (const event of events) {
    if (output === "json") terminal.out.write(`${JSON.stringify(event)}\n`);
    else printer.print(event);
  }
  return 0;
}
