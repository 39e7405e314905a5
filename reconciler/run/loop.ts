import { createAlarm } from "./alarm.ts";
import type { Clock } from "./ports.ts";

/**
 * Decides when passes run, one at a time. A request carries no facts: it only makes the next pass come sooner, and a
 * lost one costs no more than the time to the next full pass.
 */
export interface Loop {
  /** A pass within `delayMs`, as far as the pause after the last pass allows. */
  request(delayMs: number): void;
  /** A pass at once, without a pause. */
  requestNow(): void;
  /** A requested pass did not run yet. */
  requested(): boolean;
  /** Runs until the lifetime ends. */
  run(): Promise<void>;
}

export interface LoopOptions {
  /** Requests that come within this time share a pass. */
  readonly debounceMs: number;
  /** Pause after a pass: this many times its duration, at most `pauseMaxMs`. */
  readonly pauseFactor: number;
  readonly pauseMaxMs: number;
  /** A full pass at least this often. */
  readonly fullEveryMs: number;
}

/**
 * @param pass runs one pass; `full` asks to forget what was kept from earlier ones. Returns the wall-clock time at
 *   which a later pass may decide otherwise, or null
 */
export function createLoop(clock: Clock, lifetime: AbortSignal, options: LoopOptions, pass: (full: boolean) => number | null): Loop {
  const alarm = createAlarm(clock);
  // Monotonic times; Infinity: never.
  let requestedAt = Infinity;
  let urgent = false;
  let wakeAt = Infinity;
  let fullAt = clock.monotonic();
  let pauseUntil = clock.monotonic();

  const dueAt = (): number => {
    const due = Math.min(requestedAt, wakeAt, fullAt);
    return urgent ? due : Math.max(due, pauseUntil);
  };
  const request = (delayMs: number): void => {
    requestedAt = Math.min(requestedAt, clock.monotonic() + delayMs);
    alarm.wakeBy(dueAt());
  };
  const runPass = (): void => {
    const startedAt = clock.monotonic();
    const full = fullAt <= startedAt;
    requestedAt = Infinity;
    urgent = false;
    const wakeAtMs = pass(full);
    const endedAt = clock.monotonic();
    pauseUntil = endedAt + Math.min(options.pauseMaxMs, Math.max(options.debounceMs, options.pauseFactor * (endedAt - startedAt)));
    // The wall clock may jump while we wait: the next full pass sets that right.
    wakeAt = wakeAtMs === null ? Infinity : endedAt + Math.max(0, wakeAtMs - clock.now());
    if (full) fullAt = endedAt + options.fullEveryMs;
  };

  return {
    request,
    requestNow() {
      urgent = true;
      request(0);
    },
    requested: () => requestedAt < Infinity,
    async run() {
      lifetime.addEventListener("abort", () => alarm.wakeBy(-Infinity), { once: true });
      while (!lifetime.aborted) {
        if (dueAt() <= clock.monotonic()) runPass();
        if (!lifetime.aborted) await alarm.sleepUntil(dueAt());
      }
    },
  };
}
