import { StepError, type Clock } from "./ports.ts";

/**
 * Runs work that gets a signal, and rejects with a StepError of code `engine-silent` when it is not over after `ms`, also when
 * the work ignores its signal; what it still does then is unknown. Rejects with the reason of `lifetime` when that ends first.
 */
export async function withDeadline<Result>(
  clock: Clock,
  { ms, what, lifetime }: { readonly ms: number; readonly what: string; readonly lifetime: AbortSignal },
  work: (signal: AbortSignal) => Promise<Result>,
): Promise<Result> {
  lifetime.throwIfAborted();
  const control = new AbortController();
  const stop = (): void => control.abort(lifetime.reason);
  lifetime.addEventListener("abort", stop, { once: true });
  const over = new AbortController();
  const expired = clock.sleep(ms, AbortSignal.any([over.signal, lifetime])).then(() => {
    const error = new StepError("engine-silent", `${what} did not end within ${Math.round(ms / 1000)} s`);
    control.abort(error);
    throw error;
  });
  // Of the two that race one is always left over.
  expired.catch(() => undefined);
  const working = work(control.signal);
  working.catch(() => undefined);
  try {
    return await Promise.race([working, expired]);
  } finally {
    lifetime.removeEventListener("abort", stop);
    over.abort();
  }
}
