import { findTask, taskRows, taskTrace } from "../../api/tasks.ts";
import type { TaskRow, TaskTrace } from "../../api/types.ts";
import { shortCommit } from "../../plan/render.ts";
import { roughDuration, taskColumns } from "../columns.ts";
import { printNote } from "../fail.ts";
import { readFleet } from "../read.ts";
import { stateFolder } from "../state-folder.ts";
import { printRows, printValue } from "../table.ts";
import { paint, type Terminal } from "../terminal.ts";
import { waterfall } from "../waterfall.ts";

interface TraceOptions {
  readonly output: "text" | "json";
  readonly state?: string;
}

/** `setpoint trace [TASK]`. */
export async function trace(terminal: Terminal, task: string | undefined, options: TraceOptions): Promise<number> {
  return task === undefined ? await listTasks(terminal, options) : await showTask(terminal, task, options);
}

async function listTasks(terminal: Terminal, options: TraceOptions): Promise<number> {
  const state = stateFolder(terminal, options.state);
  const rows = await readFleet<readonly TaskRow[]>(terminal, state, "/v1/trace", (fleet) => taskRows(fleet.recentTasks));
  if (rows.length === 0 && options.output === "text") printNote(terminal.err, "there are no Tasks yet");
  else await printRows(terminal.out, rows, taskColumns(Date.now()), options.output);
  return 0;
}

async function showTask(terminal: Terminal, digits: string, options: TraceOptions): Promise<number> {
  const state = stateFolder(terminal, options.state);
  const found = await readFleet<TaskTrace>(terminal, state, `/v1/trace/${encodeURIComponent(digits)}`, (fleet) =>
    taskTrace(fleet.eventsOfTask(findTask(digits, fleet.recentTasks))),
  );
  if (options.output === "json") {
    await printValue(terminal.out, found, "json");
    return 0;
  }
  const { task } = found;
  terminal.out.write(`${paint(terminal.out, "bold", `task ${task.taskId}`)}\n`);
  terminal.out.write(`${task.trigger} of ${task.set}, revision ${shortCommit(task.commit)}: ${ending(task)}\n`);
  for (const line of waterfall(found, Date.now(), terminal.out.columns())) terminal.out.write(`${line}\n`);
  return 0;
}

function ending(task: TaskRow): string {
  if (task.closedAtMs === null) return `under way for ${roughDuration(Date.now() - task.openedAtMs)}`;
  const why = task.why === "" ? "" : ` (${task.why})`;
  return `${task.verdict ?? "ended"} after ${roughDuration(task.closedAtMs - task.openedAtMs)}${why}`;
}
