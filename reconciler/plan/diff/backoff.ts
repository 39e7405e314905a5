import { contentHash } from "../../core/hash.ts";
import type { Failure } from "../../core/memory.ts";

/** After this many failures of the object itself with the same input, it is Stalled until the input changes. */
export const STALLED_AFTER = 5;

/** A slot healthy for this long has its failures forgotten; a crash sooner counts as one more in a row. */
export const STABLE_AFTER_MS = 60_000;

const FIRST_DELAY_MS = 1_000;
const LONGEST_DELAY_MS = 120_000;

/**
 * Milliseconds to wait before the next try: 1 s doubled per try, at most 2 min, × 0.75..1.25 by a hash of slot and try, so
 * that a thousand slots that failed together do not come back together. 0: try now.
 */
export function backoffInMs(slot: string, failure: Failure, nowMs: number): number {
  const doubled = Math.min(LONGEST_DELAY_MS, FIRST_DELAY_MS * 2 ** Math.min(failure.tries - 1, 20));
  const jitter = 0.75 + (parseInt(contentHash([slot, failure.tries]).slice(0, 4), 16) / 0xffff) * 0.5;
  // A wall clock that was set back must not freeze the slot: time before the failure counts as none passed, not as debt.
  const sinceMs = Math.max(0, nowMs - failure.lastAtMs);
  const setBack = nowMs < failure.lastAtMs;
  return setBack ? 0 : Math.max(0, doubled * jitter - sinceMs);
}

/** True when trying again is pointless until the manifest changes. */
export function isStalled(failure: Failure): boolean {
  return failure.count >= STALLED_AFTER;
}
