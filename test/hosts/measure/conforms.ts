import type { Measurement } from "./measurement.ts";

/** How far off a limit may be. */
export const MOST_ERROR_PERCENT = 10;
const MOST_LOOKS = 8;

/** One look at a limit. `fair`: the machine had the time to use up what is allowed. */
export interface Look {
  readonly figure: Measurement;
  readonly fair: boolean;
}

/**
 * Looks until the machine had time for it, and the figure is right; resolves to that. More than is allowed is wrong, however busy the machine
 * is; a limit that is too low is so in each look, and one that is too high shows in those that are fair. `orBusy`: where not one look was
 * fair, resolves to the one that came nearest. A look that is far below another one was held back by the machine, whatever was moved without
 * limits right before and after it: load comes and goes.
 */
export async function conforms(name: string, look: () => Promise<Look>, { orBusy = false } = {}): Promise<Look> {
  const seen: Look[] = [];
  while (seen.length < MOST_LOOKS) {
    const { figure, fair } = await look();
    seen.push({ figure, fair });
    if (figure.errorPercent > MOST_ERROR_PERCENT) break;
    if (fair && figure.errorPercent >= -MOST_ERROR_PERCENT) return { figure, fair };
  }
  const nearest = seen.reduce((one, other) => (other.figure.measured > one.figure.measured ? other : one));
  const least = nearest.figure.measured * (1 - MOST_ERROR_PERCENT / 100);
  const isBusy = seen.every(({ figure, fair }) => !fair || figure.measured < least);
  if (orBusy && isBusy && nearest.figure.errorPercent <= MOST_ERROR_PERCENT) return nearest;
  const told = seen.map(({ figure, fair }) => `${figure.errorPercent.toFixed(1)} %${fair ? "" : " on a busy machine"}`);
  throw new Error(`${name}: off by ${told.join(", ")}`);
}
