import type { Clock } from "../../run/ports.ts";

/**
 * The result of `work`, or `late()` thrown after `deadlineMs`, counted from the start whatever the work prints. The
 * signal passed to `work` is aborted then, and when `lifetime` is; work that ignores it is left behind.
 */
export async function withDeadline<Result>(
  clock: Clock,
  deadlineMs: number,
  lifetime: AbortSignal,
  late: () => Error,
  work: (signal: AbortSignal) => Promise<Result>,
): Promise<Result> {
  lifetime.throwIfAborted();
  const control = new AbortController();
  const stop = (): void => control.abort(lifetime.reason);
  lifetime.addEventListener("abort", stop, { once: true });
  const expiry = async (): Promise<never> => {
    await clock.sleep(deadlineMs, control.signal);
    throw late();
  };
  try {
    return await Promise.race([work(control.signal), expiry()]);
  } finally {
    lifetime.removeEventListener("abort", stop);
    control.abort();
  }
}
