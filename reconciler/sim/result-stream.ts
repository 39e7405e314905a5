import type { ActionResult } from "../core/agent-wire.ts";

/** Results of one request as they come: ends after the expected number, throws what it was failed with. */
export class ResultStream implements AsyncIterable<ActionResult> {
  readonly #ready: ActionResult[] = [];
  #missing: number;
  #error: unknown = null;
  #wake: (() => void) | null = null;

  constructor(expected: number) {
    this.#missing = expected;
  }

  get open(): boolean {
    return this.#missing > 0 && this.#error === null;
  }

  push(result: ActionResult): void {
    if (!this.open) return;
    this.#missing--;
    this.#ready.push(result);
    this.#wake?.();
  }

  fail(error: unknown): void {
    if (!this.open) return;
    this.#error = error;
    this.#wake?.();
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<ActionResult> {
    for (;;) {
      const result = this.#ready.shift();
      if (result !== undefined) yield result;
      else if (this.#error !== null) throw this.#error;
      else if (this.#missing === 0) return;
      else {
        await new Promise<void>((resolve) => {
          this.#wake = resolve;
        });
        this.#wake = null;
      }
    }
  }
}
