import type { ContainerLimits, DesiredSet, Desired } from "../../reconciler/core/desired.ts";
import type { Fleet, ObservedInstance } from "../../reconciler/core/observation.ts";
import { createPlanner } from "../../reconciler/plan/planner.ts";
import { createDesiredBuilder } from "../../reconciler/plan/desired/builder.ts";
import { createHostIndex } from "../../reconciler/plan/place/host-index.ts";
import { emptyMemory, fold } from "../../reconciler/run/fold.ts";
import { carriedOut, emptyFleet, firstEvents, inputOf } from "./converged.ts";
import { collectGarbage, peakRssMiB, timed, type Figures } from "./figures.ts";
import { makeFleet, withOneChange } from "./fleet.ts";
import { median, scanOf } from "./placement.ts";

/**
 * The plain way to do the same: every slot is offered to every host (the same filters and scores, so the same choice), every
 * pass compares every field of every container, and the journal is one line of JSON per event.
 */
export function benchBaseline(hosts: number, runs: number): Omit<Figures, "placementsPerSecond"> {
  const fleet = makeFleet(hosts);
  const builder = createDesiredBuilder();
  const desired = builder.build(fleet.manifests).desired!;
  const coldPlanMs = median(timed(runs, () => void placeEverything(desired), collectGarbage));
  const cold = inputOf(desired, fold(emptyMemory(), firstEvents(desired)), emptyFleet(desired));
  const { fleet: converged, events } = carriedOut(desired, createPlanner().plan(cold));
  const journalBytes = events.reduce((sum, event) => sum + JSON.stringify(event).length + 1, 0);
  const noopPassMs = median(timed(runs * 2, () => expect(compareEverything(desired, converged), 0)));
  const commits = Array.from({ length: 5 }, (_, round) => builder.build(withOneChange(fleet, round)).desired!);
  const oneSetPassMs = median(timed(commits.length, (round) => expect(compareEverything(commits[round]!, converged), 1)));
  return { coldPlanMs, noopPassMs, oneSetPassMs, peakRssMiB: peakRssMiB(), journalBytes };
}

function expect(changed: number, least: number): void {
  if (least === 0 ? changed !== 0 : changed < least) throw new Error(`the baseline found ${changed} changes`);
}

/** For every slot the best host of all, then what is to be done there. */
function placeEverything(desired: Desired): { readonly slot: string; readonly host: string | null; readonly steps: readonly string[] }[] {
  const index = createHostIndex(desired.hosts, desired.pools);
  return [...desired.sets.values()].flatMap((set) => {
    const count = set.count.kind === "fixed" ? set.count.replicas : set.count.initial;
    return scanOf(index, { set, count }).map((host, slot) => ({
      slot: `${set.name}/${slot}`,
      host,
      steps: ["pull", "attach", "start", "await"],
    }));
  });
}

/** How many slots differ from what is wanted, by a look at every field of every container. */
function compareEverything(desired: Desired, fleet: Fleet): number {
  const instances = new Map<string, ObservedInstance>();
  for (const { observation } of fleet.values()) for (const it of observation?.instances ?? []) instances.set(`${it.set}/${it.index}`, it);
  let changed = 0;
  for (const set of desired.sets.values()) {
    const count = set.count.kind === "fixed" ? set.count.replicas : set.count.initial;
    for (let slot = 0; slot < count; slot++) {
      const instance = instances.get(`${set.name}/${slot}`);
      if (instance === undefined || !sameInstance(set, instance)) changed++;
    }
  }
  return changed;
}

function sameInstance(set: DesiredSet, instance: ObservedInstance): boolean {
  if (instance.phase !== "running" || !instance.healthy || instance.infraHash !== set.infraHash) return false;
  for (const { name, image } of set.template.containers) {
    if (instance.images[name] !== image || instance.containerHashes[name] !== set.containerHashes[name]) return false;
    if (!sameFields(set.live.containers[name]!, instance.live.containers[name])) return false;
  }
  for (const [name, size] of Object.entries(set.live.volumes)) if (instance.live.volumes[name] !== size) return false;
  return instance.live.ingressBps === set.live.ingressBps && instance.live.egressBps === set.live.egressBps;
}

function sameFields(a: ContainerLimits, b: ContainerLimits | undefined): boolean {
  if (b === undefined) return false;
  for (const field of Object.keys(a) as (keyof ContainerLimits)[]) if (a[field] !== b[field]) return false;
  return true;
}
