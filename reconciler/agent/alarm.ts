import type { Clock } from "./ports.ts";

/** One timer for many deadlines: it rings at the earliest that was set, once, and is then set anew by whoever heard it. */
export class Alarm {
  readonly #clock: Clock;
  readonly #ring: () => void;
  #at = Infinity;
  #stop: AbortController | null = null;
  #closed = false;

  constructor(clock: Clock, ring: () => void) {
    this.#clock = clock;
    this.#ring = ring;
  }

  /** Rings at this monotonic time, or earlier when it was set to earlier. */
  setAt(atMs: number): void {
    if (this.#closed || atMs >= this.#at) return;
    this.#stop?.abort();
    this.#at = atMs;
    const stop = new AbortController();
    this.#stop = stop;
    this.#clock.sleep(Math.max(0, atMs - this.#clock.monotonic()), stop.signal).then(
      () => {
        if (stop.signal.aborted) return;
        this.#at = Infinity;
        this.#ring();
      },
      // Aborted: an earlier time was set, or the alarm is closed.
      () => undefined,
    );
  }

  close(): void {
    this.#closed = true;
    this.#stop?.abort();
  }
}
