import type { Clock } from "../run/ports.ts";

/** What stands between the reconciler and one host; times are monotonic milliseconds. */
export class SimNetwork {
  readonly #clock: Clock;
  #toHostCutUntilMs = 0;
  #fromHostCutUntilMs = 0;
  #delayMs = 0;
  #counts = { lose: 0, delay: 0, twice: 0 };
  /** Requests on their way when the line was cut; some arrive when it is whole again. */
  #parked: (() => void)[] = [];

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  get toHostCut(): boolean {
    return this.#clock.monotonic() < this.#toHostCutUntilMs;
  }

  get fromHostCut(): boolean {
    return this.#clock.monotonic() < this.#fromHostCutUntilMs;
  }

  cut(direction: "both" | "toHost" | "fromHost", forMs: number): void {
    const untilMs = this.#clock.monotonic() + forMs;
    if (direction !== "fromHost") this.#toHostCutUntilMs = untilMs;
    if (direction !== "toHost") this.#fromHostCutUntilMs = untilMs;
  }

  mend(): void {
    this.#toHostCutUntilMs = 0;
    this.#fromHostCutUntilMs = 0;
    this.#counts = { lose: 0, delay: 0, twice: 0 };
  }

  loseReplies(count: number): void {
    this.#counts.lose = count;
  }

  delayReplies(count: number, byMs: number): void {
    this.#counts.delay = count;
    this.#delayMs = byMs;
  }

  deliverTwice(count: number): void {
    this.#counts.twice = count;
  }

  /** What happens to the next request; uses up one of each fault. */
  treatRequest(): { readonly lose: boolean; readonly delayMs: number; readonly twice: boolean } {
    const { lose, delay, twice } = this.#counts;
    this.#counts = { lose: Math.max(0, lose - 1), delay: Math.max(0, delay - 1), twice: Math.max(0, twice - 1) };
    return { lose: lose > 0, delayMs: delay > 0 ? this.#delayMs : 0, twice: twice > 0 };
  }

  park(deliver: () => void): void {
    this.#parked.push(deliver);
  }

  /** The requests that were held by a cut, once it is over. */
  takeParked(): (() => void)[] {
    if (this.#parked.length === 0 || this.toHostCut) return [];
    const parked = this.#parked;
    this.#parked = [];
    return parked;
  }
}
