import type { Clock } from "../../run/ports.ts";

/** Coarse timers for thousands of hosts on one real one: all that falls due within a tick runs in one turn. */
export interface Wheel {
  /** Runs it once, up to a tick late. Returns what takes it back. */
  after(delayMs: number, run: () => void): () => void;
  /** Resolves then; earlier, without an error, when aborted. */
  sleep(delayMs: number, signal: AbortSignal): Promise<void>;
  close(): void;
}

const TICK_MS = 100;

export function createWheel(clock: Clock): Wheel {
  const buckets = new Map<number, Set<() => void>>();
  const closed = new AbortController();
  let turning = false;

  async function turn(): Promise<void> {
    turning = true;
    let at = tickOf(clock.monotonic());
    while (buckets.size > 0 && !closed.signal.aborted) {
      try {
        await clock.sleep(TICK_MS, closed.signal);
      } catch {
        break;
      }
      for (const now = tickOf(clock.monotonic()); at <= now; at++) {
        const due = buckets.get(at);
        buckets.delete(at);
        for (const run of due ?? []) run();
      }
    }
    turning = false;
  }

  function after(delayMs: number, run: () => void): () => void {
    const due = tickOf(clock.monotonic() + delayMs) + 1;
    const bucket = buckets.get(due) ?? new Set();
    buckets.set(due, bucket.add(run));
    if (!turning) void turn();
    return () => bucket.delete(run);
  }

  return {
    after,
    sleep(delayMs, signal) {
      return new Promise((resolve) => {
        if (signal.aborted) return resolve();
        const end = (): void => {
          cancel();
          signal.removeEventListener("abort", end);
          resolve();
        };
        const cancel = after(delayMs, end);
        signal.addEventListener("abort", end, { once: true });
      });
    },
    close: () => closed.abort(),
  };
}

function tickOf(monotonicMs: number): number {
  return Math.floor(monotonicMs / TICK_MS);
}
