import type { Clock } from "../run/ports.ts";
import { createTimerHeap } from "./timer-heap.ts";

/**
 * A clock that moves only when told: time is a queue of timers. Between two timers everything that was made
 * ready runs to its end, so a run over it is deterministic and takes no real time.
 */
export interface VirtualClock extends Clock {
  /** Calls back after `ms`; cheaper than a sleep. */
  after(ms: number, callback: () => void): void;
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
  const settle = createSettle();
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

  /** Fires the timers due by `until` in order, at most `most` of them; returns how many. */
  async function fire(until: number, most: number): Promise<number> {
    let fired = 0;
    for (let next = timers.peek(); next !== null && next.at <= until && fired < most; next = timers.peek()) {
      timers.pop();
      monotonic = Math.max(monotonic, next.at);
      next.fire?.();
      await settle();
      fired++;
    }
    return fired;
  }

  return {
    now: () => Math.round(offset + monotonic),
    monotonic: () => monotonic,
    sleep,
    after: (ms, callback) => void timers.add(monotonic + Math.max(0, ms), callback),
    step: async () => (await fire(Infinity, 1)) > 0,
    async advance(ms) {
      const until = monotonic + ms;
      await settle();
      await fire(until, Infinity);
      monotonic = until;
    },
    jump(byMs) {
      offset += byMs;
    },
  };
}

/**
 * A function that resolves when nothing is ready any more: a tick asked for from within a promise's reaction comes after all of them.
 * Now and then the event loop gets its turn.
 */
function createSettle(): () => Promise<void> {
  let settled = 0;
  return () =>
    new Promise((resolve) => {
      if (++settled % 1000 === 0) setImmediate(resolve);
      else process.nextTick(resolve);
    });
}
