import type { Clock } from "../run/ports.ts";
import { createTimerHeap } from "./timer-heap.ts";

/**
 * A clock that moves only when told: time is a queue of timers. Between two timers everything that was made
 * ready runs to its end, so a run over it is deterministic and takes no real time.
 */
export interface VirtualClock extends Clock {
  /** Fires the next timer and lets all its consequences run. False when no timer is left. */
  step(): Promise<boolean>;
  /** Fires every timer of the next `ms` in order, then stands `ms` later. */
  advance(ms: number): Promise<void>;
  /** Moves the wall clock alone, as NTP or an operator would; timers and monotonic() do not notice. */
  jump(byMs: number): void;
}

/** @param startMs wall clock at the start, milliseconds since 1970 */
export function createVirtualClock(startMs: number): VirtualClock {
  const timers = createTimerHeap();
  let monotonic = 0;
  let offset = startMs;

  function sleep(ms: number, signal?: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      if (signal?.aborted === true) return reject(signal.reason);
      const timer = timers.add(monotonic + Math.max(0, ms), resolve);
      if (signal === undefined) return;
      const abort = (): void => {
        timer.fire = null;
        reject(signal.reason);
      };
      signal.addEventListener("abort", abort, { once: true });
      timer.fire = () => {
        signal.removeEventListener("abort", abort);
        resolve();
      };
    });
  }

  /** Fires the first timer due by `until`; false when there is none. */
  async function fireNext(until: number): Promise<boolean> {
    const next = timers.peek();
    if (next === null || next.at > until) return false;
    timers.pop();
    monotonic = Math.max(monotonic, next.at);
    next.fire?.();
    await settle();
    return true;
  }

  return {
    now: () => Math.round(offset + monotonic),
    monotonic: () => monotonic,
    sleep,
    step: () => fireNext(Infinity),
    async advance(ms) {
      const until = monotonic + ms;
      await settle();
      while (await fireNext(until));
      monotonic = until;
    },
    jump(byMs) {
      offset += byMs;
    },
  };
}

/** Resolves when nothing is ready any more: setImmediate runs only after the queue of promises is empty. */
function settle(): Promise<void> {
  return new Promise((resolve) => {
    setImmediate(resolve);
  });
}
