import type { Clock } from "../run/ports.ts";
import { createTimerHeap } from "./timer-heap.ts";
import type { VirtualClock } from "./virtual-clock.ts";

/** Timed callbacks of a simulated world, carried by one outstanding sleep of its clock. */
export interface Timers {
  /** Runs `fire` after `ms` of world time. */
  after(ms: number, fire: () => void): void;
  /** Nothing fires any more. */
  close(): void;
}

/** @param speed world milliseconds per millisecond of the clock; Infinity: everything at once */
export function createTimers(clock: Clock | VirtualClock, speed: number): Timers {
  return "after" in clock ? virtualTimers(clock, speed) : sleepingTimers(clock, speed);
}

function virtualTimers(clock: VirtualClock, speed: number): Timers {
  let closed = false;
  return {
    after(ms, fire) {
      clock.after(Math.max(0, ms) / speed, () => {
        if (!closed) fire();
      });
    },
    close() {
      closed = true;
    },
  };
}

function sleepingTimers(clock: Clock, speed: number): Timers {
  const heap = createTimerHeap();
  const closing = new AbortController();
  let sleeper = 0;
  let wakesAt = Infinity;

  /** Sleeps until the earliest timer, unless an outstanding sleep ends by then. */
  function arm(): void {
    const next = heap.peek();
    if (next === null || next.at >= wakesAt) return;
    wakesAt = next.at;
    const mine = ++sleeper;
    void clock.sleep(next.at - clock.monotonic(), closing.signal).then(
      () => {
        if (mine === sleeper) wake();
      },
      () => undefined,
    );
  }

  function wake(): void {
    wakesAt = Infinity;
    const now = clock.monotonic();
    for (let next = heap.peek(); next !== null && next.at <= now; next = heap.peek()) {
      heap.pop();
      next.fire?.();
      if (closing.signal.aborted) return;
    }
    arm();
  }

  return {
    after(ms, fire) {
      heap.add(clock.monotonic() + Math.max(0, ms) / speed, fire);
      arm();
    },
    close: () => closing.abort(new Error("the simulated world was closed")),
  };
}
