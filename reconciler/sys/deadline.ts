/** What a deadline needs of a clock. */
export interface Sleeper {
  /** Resolves after `ms`; rejects with the signal's reason when aborted first. */
  sleep(ms: number, signal?: AbortSignal): Promise<void>;
}

/** How long work may take. */
export interface Deadline {
  readonly ms: number;
  /** Ends the work as well, with its own reason. */
  readonly lifetime: AbortSignal;
  /** What is thrown when the time is over. */
  readonly late: () => Error;
}

/**
 * The result of `work`; rejects with `late()` when it is not over in time, also when the work ignores its signal: it is left behind
 * then and delays nobody, but what it still does is unknown. Rejects with the reason of `lifetime` when that ends first. The signal of the work is
 * aborted only in these two cases, so that what it opened may go on when it has ended.
 */
export async function withDeadline<Result>(
  clock: Sleeper,
  { ms, lifetime, late }: Deadline,
  work: (signal: AbortSignal) => Promise<Result>,
): Promise<Result> {
  lifetime.throwIfAborted();
  const control = new AbortController();
  const timer = new AbortController();
  const stop = (): void => {
    control.abort(lifetime.reason);
    timer.abort(lifetime.reason);
  };
  const expiry = async (): Promise<never> => {
    await clock.sleep(ms, timer.signal);
    const error = late();
    control.abort(error);
    throw error;
  };
  lifetime.addEventListener("abort", stop, { once: true });
  try {
    return await Promise.race([work(control.signal), expiry()]);
  } catch (error) {
    throw control.signal.aborted ? control.signal.reason : error;
  } finally {
    lifetime.removeEventListener("abort", stop);
    timer.abort(OVER);
  }
}

/** Reason of an abort that only tidies up; made once, as an AbortError with its stack costs more than the rest. */
const OVER = new Error("over");
