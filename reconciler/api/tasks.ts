import { UserError } from "../core/errors/user-error.ts";
import type { JournalEvent } from "../core/events.ts";
import { slotKey } from "../core/ids.ts";
import type { TaskRow, TaskTrace, TraceSpan } from "./types.ts";

/** Tasks that `trace` and `get tasks` look back on. */
export const RECENT_TASKS = 200;

/** Tasks from their events of opening and closing, newest first. */
export function taskRows(events: readonly JournalEvent[]): TaskRow[] {
  const rows = new Map<string, TaskRow>();
  for (const event of [...events].sort((a, b) => a.atMs - b.atMs)) {
    if (event.type === "task.opened") rows.set(event.taskId, openedRow(event));
    const open = event.type === "task.closed" ? rows.get(event.taskId) : undefined;
    if (event.type === "task.closed" && open !== undefined) {
      rows.set(event.taskId, { ...open, closedAtMs: event.atMs, verdict: event.verdict, why: event.why });
    }
  }
  return [...rows.values()].sort((a, b) => b.openedAtMs - a.openedAtMs || (a.taskId < b.taskId ? -1 : 1));
}

function openedRow(event: JournalEvent & { type: "task.opened" }): TaskRow {
  const { taskId, set, trigger, commit, atMs } = event;
  return { taskId, set, trigger, commit, openedAtMs: atMs, closedAtMs: null, verdict: null, why: "" };
}

/** The one Task whose id begins with the digits given. */
export function findTask(digits: string, recentTasks: readonly JournalEvent[]): string {
  const ids = taskRows(recentTasks).map((task) => task.taskId);
  const found = ids.filter((id) => id.startsWith(digits.toLowerCase()));
  if (found.length === 1) return found[0]!;
  if (found.length === 0)
    throw new UserError("no-such-task", `there is no Task whose id begins with '${digits}'`, "List the newest with: setpoint trace");
  throw new UserError("task-ambiguous", `the ids of ${found.length} Tasks begin with '${digits}'`, "Give more of its digits.");
}

/** One Task with its steps, by when they started. Events are those of this Task. */
export function taskTrace(events: readonly JournalEvent[]): TaskTrace {
  const spans = new Map<string, TraceSpan>();
  for (const event of events) {
    if (event.type === "action.started") spans.set(event.id, startedSpan(event));
    const started = event.type === "action.ended" ? spans.get(event.id) : undefined;
    if (event.type === "action.ended" && started !== undefined) {
      spans.set(event.id, { ...started, endedAtMs: event.atMs, outcome: event.outcome, message: event.message });
    }
  }
  const task = taskRows(events)[0];
  if (task === undefined)
    throw new UserError("no-such-task", "the journal no longer holds that Task", "List the newest with: setpoint trace");
  return { task, spans: [...spans.values()] };
}

function startedSpan(event: JournalEvent & { type: "action.started" }): TraceSpan {
  const { id, kind, host, set, index, atMs } = event;
  return { id, kind, slot: slotKey(set, index), host, startedAtMs: atMs, endedAtMs: null, outcome: null, message: "" };
}
