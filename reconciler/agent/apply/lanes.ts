/** Work in lanes: what is in one lane runs one after another, lanes run side by side. */
export class Lanes {
  readonly #tails = new Map<string, Promise<unknown>>();

  /** Runs `work` when all that the lane was given before is over. */
  run<Result>(lane: string, work: () => Promise<Result>): Promise<Result> {
    const result = this.passed(lane).then(work);
    const tail = result.catch(() => undefined);
    this.#tails.set(lane, tail);
    void tail.then(() => {
      if (this.#tails.get(lane) === tail) this.#tails.delete(lane);
    });
    return result;
  }

  /** Resolves when all that the lane holds now is over; later work does not matter. */
  async passed(lane: string): Promise<void> {
    await this.#tails.get(lane);
  }

  busy(lane: string): boolean {
    return this.#tails.has(lane);
  }
}

/** A number of places, given out in the order of asking. */
export class Permits {
  #free: number;
  readonly #waiting: (() => void)[] = [];

  constructor(count: number) {
    this.#free = count;
  }

  /** Runs `work` when a place is free; one whose signal has ended meanwhile is not begun. */
  async run<Result>(signal: AbortSignal, work: () => Promise<Result>): Promise<Result> {
    if (this.#free > 0) this.#free--;
    else await new Promise<void>((resolve) => this.#waiting.push(resolve));
    try {
      signal.throwIfAborted();
      return await work();
    } finally {
      const next = this.#waiting.shift();
      if (next === undefined) this.#free++;
      else next();
    }
  }
}
