import { OVER } from "./deadline.ts";
import type { Clock } from "./ports.ts";

/** A sleep that can be cut short. One sleeper at a time. */
export interface Alarm {
  /** Returns at the monotonic time `atMs`, or sooner when asked to. */
  sleepUntil(atMs: number): Promise<void>;
  /** Whoever sleeps wakes at `atMs` at the latest. */
  wakeBy(atMs: number): void;
}

/** An alarm on this clock. */
export function createAlarm(clock: Clock): Alarm {
  let sleep: { readonly atMs: number; readonly control: AbortController } | null = null;
  return {
    async sleepUntil(atMs) {
      const control = new AbortController();
      sleep = { atMs, control };
      try {
        await clock.sleep(Math.max(0, atMs - clock.monotonic()), control.signal);
      } catch (error) {
        if (!control.signal.aborted) throw error;
      } finally {
        sleep = null;
      }
    },
    wakeBy(atMs) {
      if (sleep !== null && atMs < sleep.atMs) sleep.control.abort(OVER);
    },
  };
}
