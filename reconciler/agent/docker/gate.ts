import { StepError } from "../ports.ts";

/** Lets so many pieces of work run at once; the others wait in line. */
export interface Gate {
  /** Runs `work` when it is its turn. Rejects with the signal's reason while waiting, with `engine-busy` when the line is full. */
  run<T>(signal: AbortSignal, work: () => Promise<T>): Promise<T>;
}

/** A gate for `limit` at once and `maxWaiting` in line. */
export function createGate(limit: number, maxWaiting: number): Gate {
  let running = 0;
  const line = new Set<() => void>();

  function enter(signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    if (running < limit) {
      running++;
      return Promise.resolve();
    }
    if (line.size >= maxWaiting) {
      throw new StepError("engine-busy", `${maxWaiting} calls wait for the container engine already`, { outcome: "refused" });
    }
    return new Promise((resolve, reject) => {
      const abort = (): void => {
        line.delete(go);
        reject(signal.reason as Error);
      };
      const go = (): void => {
        signal.removeEventListener("abort", abort);
        resolve();
      };
      line.add(go);
      signal.addEventListener("abort", abort, { once: true });
    });
  }

  /** Hands the place to the first in line. */
  function leave(): void {
    for (const next of line) {
      line.delete(next);
      return next();
    }
    running--;
  }

  return {
    async run(signal, work) {
      await enter(signal);
      try {
        return await work();
      } finally {
        leave();
      }
    },
  };
}
