/** Lets a bounded number of holders in, and a bounded number wait, first come first served. */
export interface Turns {
  /** Resolves with what gives the turn back (once). Rejects with the signal's reason, or when too many wait already. */
  take(signal: AbortSignal): Promise<() => void>;
}

export function createTurns(atOnce: number, mostWaiting: number): Turns {
  let held = 0;
  const waiting = new Set<() => void>();

  function giver(): () => void {
    let given = false;
    return () => {
      if (given) return;
      given = true;
      const [next] = waiting;
      if (next === undefined) held--;
      else next();
    };
  }

  return {
    take(signal) {
      return new Promise((resolve, reject) => {
        if (signal.aborted) return reject(signal.reason as Error);
        if (held < atOnce) {
          held++;
          return resolve(giver());
        }
        if (waiting.size >= mostWaiting) return reject(new Error(`${waiting.size} requests wait for it already`));
        const leave = (): void => {
          waiting.delete(enter);
          signal.removeEventListener("abort", abort);
        };
        const enter = (): void => {
          leave();
          resolve(giver());
        };
        const abort = (): void => {
          leave();
          reject(signal.reason as Error);
        };
        waiting.add(enter);
        signal.addEventListener("abort", abort, { once: true });
      });
    },
  };
}
