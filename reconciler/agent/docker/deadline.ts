import { type Sleeper, withDeadline } from "../../sys/deadline.ts";
import { StepError } from "../ports.ts";

/**
 * Runs a call of the engine with a signal that ends with `signal` or after `ms`. Rejects with `engine-timeout` in the latter case, and
 * when `signal` itself was a deadline; with the signal's reason when it was aborted by someone.
 */
export async function askWithin<Answer>(
  clock: Sleeper,
  { what, ms, signal }: { readonly what: string; readonly ms: number; readonly signal: AbortSignal },
  work: (signal: AbortSignal) => Promise<Answer>,
): Promise<Answer> {
  try {
    return await withDeadline(clock, { ms, lifetime: signal, late: () => timeout(what, ms) }, work);
  } catch (error) {
    throw error instanceof Error && error.name === "TimeoutError" ? timeout(what, null) : error;
  }
}

function timeout(what: string, ms: number | null): StepError {
  const after = ms === null ? "in time" : `within ${ms / 1000} s`;
  return new StepError("engine-timeout", `the container engine did not answer ${after}: ${what}; it may still carry it out`);
}
