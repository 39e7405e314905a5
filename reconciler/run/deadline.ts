import type { Clock } from "./ports.ts";

/** Reason of an abort that only tidies up; made once, because an AbortError with its stack costs more than the rest of the call. */
export const OVER = new Error("over");

/** A call outside did not end in its time. */
export class DeadlineError extends Error {
  override readonly name = "DeadlineError";
}

/**
 * The result of `work`, or a DeadlineError after `deadlineMs`. The signal passed to `work` is aborted then, and
 * when `lifetime` is; a call that ignores its signal is left behind and delays nobody.
 */
export async function withDeadline<Result>(
  clock: Clock,
  deadlineMs: number,
  lifetime: AbortSignal,
  work: (signal: AbortSignal) => Promise<Result>,
): Promise<Result> {
  const control = new AbortController();
  const stop = (): void => control.abort(lifetime.reason);
  lifetime.addEventListener("abort", stop, { once: true });
  try {
    if (lifetime.aborted) stop();
    return await Promise.race([work(control.signal), expiry(clock, deadlineMs, control.signal)]);
  } finally {
    lifetime.removeEventListener("abort", stop);
    control.abort(OVER);
  }
}

/** Rejects after the time, or when the signal is aborted first. */
async function expiry(clock: Clock, deadlineMs: number, signal: AbortSignal): Promise<never> {
  await clock.sleep(deadlineMs, signal);
  throw new DeadlineError(`no answer within ${deadlineMs} ms`);
}
