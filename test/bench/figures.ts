import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";

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

/** Milliseconds of each of `runs` calls, without what is done before each. */
export function timed(runs: number, call: (run: number) => void, before: () => void = () => undefined): number[] {
  return Array.from({ length: runs }, (_, run) => {
    before();
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
  let fastest = 0;
  // The best of short spells: what the loop does compiled and undisturbed.
  while (performance.now() - started < 1000) {
    const spell = performance.now();
    for (let round = 0; round < 200; round++) load[leastOf(load)]! += 1;
    fastest = Math.max(fastest, 200 / (performance.now() - spell));
  }
  return Math.round(1000 * fastest);
}

function leastOf(load: Float64Array): number {
  let at = 0;
  let least = load[0]!;
  for (let host = 1; host < load.length; host++) {
    if (load[host]! < least) {
      least = load[host]!;
      at = host;
    }
  }
  return at;
}

/** Drops what is no longer used, so that the highest resident set is that of one pass and not of several in a row. */
export function collectGarbage(): void {
  setFlagsFromString("--expose-gc");
  (runInNewContext("gc") as () => void)();
}

/** Resident set at its highest so far, MiB. */
export function peakRssMiB(): number {
  return process.resourceUsage().maxRSS / 1024;
}
