import type { DesiredSet } from "../../core/desired.ts";

/**
 * Turns of a rollout: as many lanes as slots may be not ready at once, each a chain in which a slot is touched only after
 * the one before it is healthy again. A step that fails ends its lane, so a bad version stops by itself.
 */
export interface Lanes {
  /** Steps the next slot has to wait for; null when no slot may be taken down now. */
  next(): readonly number[] | null;
  /** The last step of the slot that was just given a turn. */
  took(step: number): void;
  readonly width: number;
}

/** Lanes for a Set of which `unavailable` slots are not serving already. */
export function createLanes(set: DesiredSet | null, total: number, unavailable: number): Lanes {
  const width = set === null ? 0 : Math.max(0, allowanceOf(set, total) - unavailable);
  const lanes: number[][] = Array.from({ length: width }, () => []);
  let turn = 0;
  return {
    width,
    next: () => (width === 0 ? null : lanes[turn]!),
    took: (step) => {
      lanes[turn] = [step];
      turn = (turn + 1) % width;
    },
  };
}

/** maxUnavailable as a number of slots; a share rounds down, at least one. */
export function allowanceOf(set: DesiredSet, total: number): number {
  const limit = set.maxUnavailable;
  return "count" in limit ? limit.count : Math.max(1, Math.floor((total * limit.percent) / 100));
}
