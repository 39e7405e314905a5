/** What one side of the benchmark measured; medians, milliseconds unless the name says otherwise. */
export interface Figures {
  /** A plan of a fleet on which nothing runs yet. */
  readonly coldPlanMs: number;
  /** A whole pass, plan and check, over a converged fleet, by a planner that knows nothing yet. */
  readonly noopPassMs: number;
  /** Plan and check after a commit that changed one Set of a converged fleet. */
  readonly oneSetPassMs: number;
  readonly placementsPerSecond: number;
  /** Highest resident set of the process that measured all this. */
  readonly peakRssMiB: number;
  /** On disk after the cold rollout of the whole fleet. */
  readonly journalBytes: number;
}

/** What a side is asked to do. */
export interface Job {
  readonly side: "setpoint" | "baseline";
  readonly hosts: number;
  readonly runs: number;
}

/** Milliseconds of each of `runs` calls. */
export function timed(runs: number, call: (run: number) => void): number[] {
  return Array.from({ length: runs }, (_, run) => {
    const started = performance.now();
    call(run);
    return performance.now() - started;
  });
}

/** Resident set at its highest so far, MiB. */
export function peakRssMiB(): number {
  return process.resourceUsage().maxRSS / 1024;
}
