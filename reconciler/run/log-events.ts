import type { EventBody, EventType } from "../core/events.ts";
import type { PassResult } from "./pass.ts";
import type { Log } from "./ports.ts";

/** How loud each event is; claims, counts and single steps make no line. */
const LEVELS: Partial<Record<EventType, "info" | "warn">> = {
  "revision.accepted": "info",
  "revision.rejected": "warn",
  "task.opened": "info",
  "task.closed": "info",
  "action.ended": "warn",
  "slot.crashed": "warn",
  "hold.placed": "info",
  "hold.released": "info",
  "host.state": "info",
  "host.dead": "warn",
  "host.returned": "info",
  "destroys.confirmed": "info",
  "restore.asked": "info",
  "restore.cancelled": "info",
  "restore.ended": "info",
  "purge.asked": "info",
  "purge.ended": "info",
};

/** A line for every event an operator may look for later. */
export function logEvents(log: Log, events: readonly EventBody[]): void {
  for (const event of events) {
    const level = LEVELS[event.type];
    if (level === undefined || (event.type === "action.ended" && event.outcome === "done")) continue;
    log[level](event.type === "revision.accepted" ? { type: event.type, commit: event.commit } : event, event.type);
  }
}

/** A line for a pass that had something to do, and a loud one for each violation. */
export function logPass(log: Log, { plan, violations }: PassResult, durationMs: number): void {
  for (const { code, text } of violations) log.error({ code, text, plan: plan?.hash }, "plan refused: nothing of it is carried out");
  if (plan === null || violations.length > 0 || plan.actions.length + plan.intents.length === 0) return;
  log.info({ plan: plan.hash, commit: plan.commit, actions: plan.actions.length, durationMs: Math.round(durationMs) }, "plan started");
}
