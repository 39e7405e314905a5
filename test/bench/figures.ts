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

/**
 * How often a second this machine goes through as many numbers as there are hosts, picks the least and changes it: the bare
 * loop below any placement, which tells how fast the machine is whatever Setpoint does.
 */
export function argminPerSecond(hosts: number): number {
  const load = Float64Array.from({ length: hosts }, (_, host) => host % 97);
  const started = performance.now();
  let rounds = 0;
  let elapsedMs = 0;
  for (; elapsedMs < 500; elapsedMs = performance.now() - started) {
    let least = 0;
    for (let host = 1; host < load.length; host++) if (load[host]! < load[least]!) least = host;
    load[least]! += 1;
    rounds++;
  }
  return Math.round((1000 * rounds) / elapsedMs);
}

/** Resident set at its highest so far, MiB. */
export function peakRssMiB(): number {
  return process.resourceUsage().maxRSS / 1024;
}
