import type { Wheel } from "./wheel.ts";

/** A signal that is aborted with its parents, or when `leftMs` says that no time is left; looked at no more often than that. */
export interface Deadline {
  readonly signal: AbortSignal;
  /** The work is over. */
  end(): void;
}

/** `leftMs` may grow again: silence is measured so. The first reason counts. */
export function createDeadline(wheel: Wheel, parents: readonly AbortSignal[], leftMs: () => number, why: string): Deadline {
  const own = new AbortController();
  const abort = (event: Event): void => own.abort((event.target as AbortSignal).reason);
  let cancel = wheel.after(leftMs(), look);
  function look(): void {
    const left = leftMs();
    if (left > 0) cancel = wheel.after(left, look);
    else own.abort(new Error(why));
  }
  for (const parent of parents) {
    if (parent.aborted) own.abort(parent.reason);
    parent.addEventListener("abort", abort, { once: true });
  }
  return {
    signal: own.signal,
    end() {
      cancel();
      for (const parent of parents) parent.removeEventListener("abort", abort);
    },
  };
}
