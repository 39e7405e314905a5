import { mustConverge } from "./converge.ts";
import { Simulation } from "./simulation.ts";
import { someTroubles } from "./troubles.ts";

export interface SeedResult {
  readonly seed: string;
  readonly virtualHours: number;
  /** Things that happened: steps, faults, commits, plans with work. */
  readonly events: number;
  readonly passes: number;
  readonly lives: number;
  /** Volumes that came back from the trash. */
  readonly restores: number;
  /** null: all rules held. */
  readonly failure: { readonly rule: string; readonly message: string } | null;
  /** The last things that happened. */
  readonly story: readonly string[];
}

/** One fleet through `hours` of trouble, then to rest. The same seed gives the same course. */
export async function runSeed(seed: string, hours: number): Promise<SeedResult> {
  const sim = new Simulation(seed);
  const random = sim.random.fork("troubles");
  sim.start();
  const makeTrouble = someTroubles(random);
  const everyMs = random.pick([15_000, 30_000, 60_000, 120_000, 300_000]);
  for (let leftMs = hours * 3_600_000; leftMs > 0;) {
    const pauseMs = Math.min(leftMs, -Math.log(1 - random.next()) * everyMs);
    leftMs -= Math.max(1, pauseMs);
    if (!(await sim.pass(pauseMs))) break;
    makeTrouble(sim);
  }
  if (sim.violation === null) await mustConverge(sim, random);
  const virtualHours = sim.clock.monotonic() / 3_600_000;
  sim.life?.reconciler.kill();
  sim.world.close();
  const failure = sim.violation === null ? null : { rule: sim.violation.rule, message: sim.violation.message };
  const { events, passes, lives, restores } = sim.counts;
  return { seed, virtualHours, events, passes, lives, restores, failure, story: sim.story.slice(-40) };
}

/** The result as people read it; with the story when it failed. */
export function describeResult(result: SeedResult): string {
  const { seed, virtualHours, events, passes, lives, failure, story } = result;
  const line = `seed ${seed}  ${virtualHours.toFixed(1)} h  ${events} events  ${passes} passes  ${lives} reconcilers  ${failure === null ? "ok" : "FAILED"}`;
  return failure === null ? line : [line, `  rule ${failure.rule}`, `  ${failure.message}`, ...story.map((it) => `    ${it}`)].join("\n");
}
