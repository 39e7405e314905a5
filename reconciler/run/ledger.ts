import type { EventBody, JournalEvent } from "../core/events.ts";
import type { Memory } from "../core/memory.ts";
import { emptyMemory, fold } from "./fold.ts";
import type { Clock, Journal } from "./ports.ts";

/** The journal and the Memory it folds to, always in step. */
export interface Ledger {
  /** The object is replaced by each append. */
  memory(): Memory;
  /** Writes events; they are in the Memory and survive a crash when this returns. */
  append(events: readonly EventBody[]): void;
  /** Stores a snapshot when enough events came since the last one. */
  snapshotIfDue(): void;
  /** Stores a snapshot when anything came since the last one. */
  snapshot(): void;
}

/** Loads the journal. An illegal event in it throws a JournalError. */
export function openLedger(journal: Journal, clock: Clock, snapshotEvery: number): Ledger {
  const stored = journal.load();
  let memory = fold(stored.memory ?? emptyMemory(), stored.events);
  let sinceSnapshot = stored.events.length;
  const snapshot = (): void => {
    if (sinceSnapshot === 0) return;
    journal.snapshot(memory);
    sinceSnapshot = 0;
  };
  return {
    memory: () => memory,
    // Folded first: an illegal event throws before it is written, so that the journal can always be loaded.
    append(bodies) {
      const atMs = clock.now();
      const events: JournalEvent[] = bodies.map((body) => ({ atMs, ...body }));
      memory = fold(memory, events);
      journal.append(events);
      sinceSnapshot += events.length;
    },
    snapshot,
    snapshotIfDue() {
      if (sinceSnapshot >= snapshotEvery) snapshot();
    },
  };
}
