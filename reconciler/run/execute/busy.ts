/** Slots with a step under way or whose effect was not observed yet, counted per step. */
export interface BusySlots {
  readonly size: number;
  has(slot: string): boolean;
  enter(slot: string): void;
  /** Undoes one `enter`; true when the slot is free now. */
  leave(slot: string): boolean;
  /** A copy that later steps do not change. */
  snapshot(): ReadonlySet<string>;
}

/** No slot is busy. */
export function createBusySlots(): BusySlots {
  const counts = new Map<string, number>();
  return {
    get size() {
      return counts.size;
    },
    has: (slot) => counts.has(slot),
    enter(slot) {
      counts.set(slot, (counts.get(slot) ?? 0) + 1);
    },
    leave(slot) {
      const left = (counts.get(slot) ?? 0) - 1;
      if (left > 0) counts.set(slot, left);
      else counts.delete(slot);
      return left <= 0;
    },
    snapshot: () => new Set(counts.keys()),
  };
}
