import type { EventType, JournalEvent } from "../../core/events.ts";
import type { Failure, Hold, HostMemory, Memory, OpenTask, Purge, Restore, RunningAction, SlotMemory } from "../../core/memory.ts";

/** Memory while events are folded in: the same maps, writable. Entries of the maps are replaced, never changed. */
export interface Draft extends Pick<Writable<Memory>, "sequence" | "plans" | "revision" | "rejected"> {
  readonly sets: Map<string, SetDraft>;
  readonly hosts: Map<string, HostMemory>;
  readonly holds: Map<string, Hold>;
  readonly confirmed: Map<string, number>;
  readonly restores: Map<string, Restore>;
  readonly purges: Map<string, Purge>;
  readonly running: Map<string, RunningAction>;
  uninventoried: Set<string> | null;
}

export interface SetDraft {
  readonly slots: Map<number, SlotMemory>;
  readonly generations: Map<number, number>;
  readonly failures: Map<number, Failure>;
  readonly task: OpenTask | null;
  readonly taskCount: number;
  readonly count: number | null;
}

type Writable<T> = { -readonly [K in keyof T]: T[K] };

export type EventOf<T extends EventType> = Extract<JournalEvent, { type: T }>;

/** An event that may not follow the ones before it: a defect, or a journal that was tampered with. */
export class JournalError extends Error {
  override readonly name = "JournalError";
}

/** Throws the JournalError for the event that is being folded. */
export function refuse(draft: Draft, event: JournalEvent, rule: string): never {
  throw new JournalError(`journal event ${draft.sequence + 1} (${event.type}) is illegal: ${rule}`);
}

/** The Set, made empty when the journal never spoke of it. */
export function setOf(draft: Draft, name: string): SetDraft {
  return draft.sets.get(name) ?? { slots: new Map(), generations: new Map(), failures: new Map(), task: null, taskCount: 0, count: null };
}

/** Puts a new SetMemory object in place: this is how readers see that something about the Set changed. */
export function replaceSet(draft: Draft, name: string, set: SetDraft, change: Partial<SetDraft> = {}): void {
  draft.sets.set(name, { ...set, ...change });
}
