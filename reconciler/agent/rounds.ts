/**
 * One piece of work that many ask for: each caller gets a round that began after it asked, and callers who wait for the same round share it.
 * At most one round runs at a time, so a hundred callers cost two rounds, not a hundred. `pause` comes before each round and lets more join.
 */
export function createRounds<Result>(work: () => Promise<Result>, pause?: () => Promise<void>): () => Promise<Result> {
  let running: Promise<unknown> = Promise.resolve();
  let waiting: Promise<Result> | null = null;
  return () => {
    if (waiting !== null) return waiting;
    const begin = (): Promise<Result> => {
      waiting = null;
      const round = work();
      running = round.catch(() => undefined);
      return round;
    };
    waiting = running.then(pause).then(begin);
    return waiting;
  };
}
