import { mkdtempSync, readdirSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Desired } from "../../reconciler/core/desired.ts";
import type { JournalEvent } from "../../reconciler/core/events.ts";
import type { Memory } from "../../reconciler/core/memory.ts";
import type { PlanInput } from "../../reconciler/core/plan.ts";
import { openJournal } from "../../reconciler/io/store/journal.ts";
import { check } from "../../reconciler/plan/check/check.ts";
import { createDesiredBuilder } from "../../reconciler/plan/desired/builder.ts";
import { createPlanner, type Planner } from "../../reconciler/plan/planner.ts";
import { emptyMemory, fold } from "../../reconciler/run/fold.ts";
import { carriedOut, emptyFleet, firstEvents, inputOf } from "./converged.ts";
import { collectGarbage, peakRssMiB, timed, type Figures } from "./figures.ts";
import { makeFleet, withOneChange } from "./fleet.ts";
import { benchPlacement, median } from "./placement.ts";

/** Setpoint's own figures for a fleet of this many hosts. */
export function benchSetpoint(hosts: number, runs: number): Omit<Figures, "placementsPerSecond"> {
  const fleet = makeFleet(hosts);
  const builder = createDesiredBuilder();
  const desired = builder.build(fleet.manifests).desired!;
  const cold = inputOf(desired, fold(emptyMemory(), firstEvents(desired)), emptyFleet(desired));
  const coldPlanMs = median(timed(runs, () => void createPlanner().plan(cold), collectGarbage));
  const { input, journalBytes } = rolledOut(desired, cold);
  const noopPassMs = median(timed(runs * 2, () => pass(createPlanner(), input, 0)));
  const planner = createPlanner();
  pass(planner, input, 0);
  const commits = Array.from({ length: 20 }, (_, round) => ({ ...input, desired: builder.build(withOneChange(fleet, round)).desired! }));
  const oneSetPassMs = median(timed(commits.length, (round) => pass(planner, commits[round]!, 1)));
  return { coldPlanMs, noopPassMs, oneSetPassMs, peakRssMiB: peakRssMiB(), journalBytes };
}

/** The pass after the whole fleet was rolled out. In a function of its own, so that plan and events don't stay in memory, as they don't in a daemon. */
function rolledOut(desired: Desired, cold: PlanInput): { readonly input: PlanInput; readonly journalBytes: number } {
  const plan = createPlanner().plan(cold);
  if (plan.changes.some((change) => change.kind !== "create"))
    throw new Error(`the fleet has no room: ${JSON.stringify(plan.problems[0])}`);
  const { fleet, events, memory } = carriedOut(desired, plan);
  return { input: inputOf(desired, memory, fleet), journalBytes: journalSize(events, memory) };
}

/** Placements per second alone, with every filter and score in use. */
export function benchPlacements(hosts: number, runs: number): { readonly setpoint: number; readonly baseline: number } {
  const figures = benchPlacement(hosts, "mixed", runs);
  return { setpoint: figures.perSecond, baseline: figures.baselinePerSecond };
}

/** Plans and checks; `changes` is the least number of Sets' changes that the plan must hold, or none at all for 0. */
function pass(planner: Planner, input: PlanInput, changes: number): void {
  const plan = planner.plan(input);
  const violations = check(input, plan);
  const work = plan.changes.filter((change) => change.kind !== "keep").length;
  if (violations.length > 0 || (changes === 0 ? work > 0 : work < changes))
    throw new Error(`unexpected plan: ${JSON.stringify({ violations, work })}`);
}

/** Bytes of the journal's files after these events came in writes of 500, with a snapshot at the end. */
function journalSize(events: readonly JournalEvent[], memory: Memory): number {
  const folder = mkdtempSync(join(tmpdir(), "setpoint-bench-"));
  try {
    const journal = openJournal({ path: join(folder, "journal.db") });
    for (let at = 0; at < events.length; at += 500) journal.append(events.slice(at, at + 500));
    journal.snapshot(memory);
    journal.close();
    return readdirSync(folder).reduce((sum, file) => sum + statSync(join(folder, file)).size, 0);
  } finally {
    rmSync(folder, { recursive: true });
  }
}
