import type { EventType, JournalEvent } from "../core/events.ts";
import type { Memory } from "../core/memory.ts";
import type { Draft, EventOf } from "./fold/draft.ts";
import { actionEnded, actionStarted, planStarted, slotCrashed, slotSettled } from "./fold/actions.ts";
import {
  destroysConfirmed,
  holdPlaced,
  holdReleased,
  hostDead,
  hostInventoried,
  hostReturned,
  hostState,
  revisionAccepted,
  revisionRejected,
} from "./fold/fleet.ts";
import { purgeAsked, purgeEnded, restoreAsked, restoreCancelled, restoreEnded } from "./fold/trash.ts";
import { setCounted, taskClosed, taskOpened } from "./fold/sets.ts";
import { slotAdopted, slotCleared, slotPlaced, slotResized, slotRetired } from "./fold/slots.ts";

/** What each event does to Memory; an event type without an entry does not compile. */
const TRANSITIONS: { readonly [T in EventType]: (draft: Draft, event: EventOf<T>) => void } = {
  "revision.accepted": revisionAccepted,
  "revision.rejected": revisionRejected,
  "host.inventoried": hostInventoried,
  "plan.started": planStarted,
  "task.opened": taskOpened,
  "task.closed": taskClosed,
  "slot.placed": slotPlaced,
  "slot.adopted": slotAdopted,
  "slot.resized": slotResized,
  "slot.retired": slotRetired,
  "slot.cleared": slotCleared,
  "set.counted": setCounted,
  "action.started": actionStarted,
  "action.ended": actionEnded,
  "slot.crashed": slotCrashed,
  "slot.settled": slotSettled,
  "hold.placed": holdPlaced,
  "hold.released": holdReleased,
  "host.state": hostState,
  "host.dead": hostDead,
  "host.returned": hostReturned,
  "destroys.confirmed": destroysConfirmed,
  "restore.asked": restoreAsked,
  "restore.cancelled": restoreCancelled,
  "restore.ended": restoreEnded,
  "purge.asked": purgeAsked,
  "purge.ended": purgeEnded,
};

/** Memory before the first event. */
export function emptyMemory(): Memory {
  return {
    sequence: 0,
    plans: 0,
    revision: null,
    rejected: null,
    sets: new Map(),
    hosts: new Map(),
    holds: new Map(),
    confirmed: new Map(),
    restores: new Map(),
    purges: new Map(),
    uninventoried: null,
    running: new Map(),
  };
}

/**
 * Memory after the events. Takes the given Memory over: its maps are updated in place, so use only the returned
 * object from here on. Throws a JournalError at an illegal event, of which nothing is folded in; if others came
 * before it in the same call, the Memory is spoilt. Fold before the journal appends, and an illegal event is
 * never written.
 */
export function fold(memory: Memory, events: readonly JournalEvent[]): Memory {
  const draft = { ...memory } as Draft;
  for (const event of events) {
    const transition = TRANSITIONS[event.type] as (draft: Draft, event: JournalEvent) => void;
    transition(draft, event);
    draft.sequence += 1;
  }
  return draft;
}
