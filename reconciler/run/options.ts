import type { ExecuteLimits } from "./execute.ts";
import type { LoopOptions } from "./loop.ts";
import type { SourceReaderOptions } from "./source-reader.ts";

/** Every limit and time of a reconciler; times in milliseconds. */
export interface ReconcilerOptions extends ExecuteLimits, LoopOptions, SourceReaderOptions {
  /** Owner name on everything the reconciler creates; every agent is told. */
  readonly fleet: string;
  /** A pass waits this long after a change on a host where steps are under way: the change is most likely theirs. */
  readonly busyHostMs: number;
  /** Longest wait for started actions when stopping. */
  readonly drainMs: number;
  /** Events from one snapshot of the Memory to the next. */
  readonly snapshotEvery: number;
  /** After the start, passes wait this long for hosts of which nothing was heard yet. */
  readonly listenMs: number;
  /** A host of which nothing was heard for this long after it was followed does not keep `settled` waiting. */
  readonly hearWithinMs: number;
}

export const DEFAULT_OPTIONS: ReconcilerOptions = {
  fleet: "setpoint",
  // More than an agent starts at once, since a step that waits for health takes a place too.
  perHost: 12,
  total: 256,
  groupMs: 2,
  showWithinMs: 5_000,
  observeMs: 10_000,
  tries: 3,
  retryMs: 1_000,
  retryMaxMs: 10_000,
  debounceMs: 20,
  pauseFactor: 5,
  pauseMaxMs: 1_000,
  fullEveryMs: 30_000,
  pollMs: 30_000,
  rereadMs: 5_000,
  readDeadlineMs: 120_000,
  busyHostMs: 500,
  drainMs: 30_000,
  snapshotEvery: 5_000,
  listenMs: 1_000,
  hearWithinMs: 15_000,
};
