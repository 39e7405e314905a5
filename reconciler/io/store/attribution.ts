import type { JournalEvent } from "../../core/events.ts";
import type { Memory } from "../../core/memory.ts";

/** Whom an event is about, for `trace` and `explain`; null: nobody in particular. */
export interface Attribution {
  readonly set: string | null;
  readonly taskId: string | null;
}

/** Tells whom each event is about; to be asked for every event once, in order. */
export interface Attributor {
  attribute(event: JournalEvent): Attribution;
}

const NOBODY: Attribution = { set: null, taskId: null };

/**
 * An action's end names only the action, and a slot's end only the Set: both are attributed by what started
 * before. So the attributor begins with the running actions and open Tasks of a snapshot and the events since.
 */
export function createAttributor(memory: Memory | null, events: readonly JournalEvent[]): Attributor {
  const openTasks = new Map<string, string>();
  const actions = new Map<string, Attribution>();
  for (const [set, { task }] of memory?.sets ?? []) if (task !== null) openTasks.set(set, task.taskId);
  for (const [id, { set, taskId }] of memory?.running ?? []) actions.set(id, { set, taskId });
  const attributor = { attribute: (event: JournalEvent) => attribute(event, openTasks, actions) };
  for (const event of events) attributor.attribute(event);
  return attributor;
}

function attribute(event: JournalEvent, openTasks: Map<string, string>, actions: Map<string, Attribution>): Attribution {
  switch (event.type) {
    case "task.opened":
      openTasks.set(event.set, event.taskId);
      return { set: event.set, taskId: event.taskId };
    case "task.closed":
      openTasks.delete(event.set);
      return { set: event.set, taskId: event.taskId };
    case "slot.placed":
    case "slot.adopted":
    case "slot.resized":
      return { set: event.set, taskId: event.claim.taskId };
    case "slot.retired":
    case "slot.cleared":
    case "slot.crashed":
    case "slot.settled":
    case "set.counted":
      return { set: event.set, taskId: openTasks.get(event.set) ?? null };
    case "action.started":
      actions.set(event.id, { set: event.set, taskId: event.taskId });
      return { set: event.set, taskId: event.taskId };
    case "action.ended":
      return takeAction(actions, event.id);
    case "hold.placed":
      return event.hold.scope === "set" ? { set: event.hold.name, taskId: null } : NOBODY;
    case "hold.released":
      return event.scope === "set" ? { set: event.name, taskId: null } : NOBODY;
    case "restore.asked":
      return { set: event.restore.to.set, taskId: null };
    case "restore.ended":
      return { set: event.set, taskId: openTasks.get(event.set) ?? null };
    case "restore.cancelled":
    case "purge.asked":
    case "purge.ended":
    case "revision.accepted":
    case "revision.rejected":
    case "host.inventoried":
    case "host.state":
    case "host.dead":
    case "host.returned":
    case "plan.started":
    case "destroys.confirmed":
      return NOBODY;
    default:
      return event satisfies never;
  }
}

function takeAction(actions: Map<string, Attribution>, id: string): Attribution {
  const action = actions.get(id);
  actions.delete(id);
  return action ?? NOBODY;
}
