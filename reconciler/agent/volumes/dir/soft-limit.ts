/*
 * What the use of a folder means for those who write to it. Pure: times and sizes come in.
 */

/** It may be written to again below this share of its limit, so that one who deletes and writes at the limit does not flip it each time. */
const BACK_BELOW = 0.95;
const LEAST_PAUSE_MS = 2_000;
const LONGEST_PAUSE_MS = 60_000;
/** At most a tenth of the time goes into walking through one volume. */
const PAUSE_PER_COST = 9;
/** Share of the limit by which a use must differ from what was told, to be told. */
const WORTH_TELLING = 0.01;

/** Whether a volume is to be read-only; `was`: it is now. */
export function isOver(usedBytes: number, limitBytes: number, was: boolean): boolean {
  return usedBytes > (was ? limitBytes * BACK_BELOW : limitBytes);
}

/** How long to wait before measuring again, after that took so long. */
export function pauseAfter(costMs: number): number {
  return Math.min(LONGEST_PAUSE_MS, Math.max(LEAST_PAUSE_MS, costMs * PAUSE_PER_COST));
}

/** The use to report: what was told before, until it is another by a hundredth of the limit. */
export function useToTell(usedBytes: number, toldBytes: number | null, limitBytes: number): number {
  if (toldBytes === null || Math.abs(usedBytes - toldBytes) >= limitBytes * WORTH_TELLING) return usedBytes;
  return toldBytes;
}
