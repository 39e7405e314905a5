import { type Clock, StepError } from "../ports.ts";

/**
 * Runs `work` with a signal that ends with `signal` or after `ms`. Rejects with `engine-timeout` in the latter case, and when `signal`
 * itself was a deadline; with the signal's reason when it was aborted by someone.
 */
export async function withDeadline<T>(
  clock: Clock,
  { what, ms, signal }: { readonly what: string; readonly ms: number; readonly signal: AbortSignal },
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const controller = new AbortController();
  const timer = new AbortController();
  const relay = (): void => controller.abort(abortReason(signal, what));
  if (signal.aborted) throw abortReason(signal, what);
  signal.addEventListener("abort", relay, { once: true });
  clock.sleep(ms, timer.signal).then(
    () => controller.abort(timeout(what, ms)),
    () => {},
  );
  try {
    return await work(controller.signal);
  } catch (error) {
    throw controller.signal.aborted ? controller.signal.reason : error;
  } finally {
    timer.abort();
    signal.removeEventListener("abort", relay);
  }
}

/** A caller's deadline reads as the engine's silence; any other reason is the caller's own. */
function abortReason(signal: AbortSignal, what: string): unknown {
  const reason: unknown = signal.reason;
  return reason instanceof Error && reason.name === "TimeoutError" ? timeout(what, null) : reason;
}

function timeout(what: string, ms: number | null): StepError {
  const after = ms === null ? "in time" : `within ${ms / 1000} s`;
  return new StepError("engine-timeout", `the container engine did not answer ${after}: ${what}; it may still carry it out`);
}
