import { trashRows } from "../../reconciler/api/trash.ts";
import type { DesiredSet } from "../../reconciler/core/desired.ts";
import { slotKey } from "../../reconciler/core/ids.ts";
import type { Change, Plan } from "../../reconciler/core/plan.ts";
import { isLive } from "../../reconciler/sim/host-state.ts";
import type { Random } from "../../reconciler/sim/random.ts";
import { repaired } from "./generate.ts";
import type { Simulation } from "./simulation.ts";
import { confirm, mendSource, pictureOf, sayDead } from "./troubles.ts";
import { Violation } from "./world-rules.ts";

/** Virtual time within which the fleet must reach what is wanted after the last fault. */
const CONVERGE_WITHIN_MS = 40 * 60_000;
const QUIET_FOR_MS = 620_000;

/**
 * After the last fault: everything mended, holds released, destroys confirmed. The fleet must become what the repository
 * asks for, then stay untouched. What can't be reached must say why.
 */
export async function mustConverge(sim: Simulation, random: Random): Promise<void> {
  mendEverything(sim, random);
  let mismatch: string | null = "nothing yet";
  for (let waitedMs = 0; waitedMs < CONVERGE_WITHIN_MS; waitedMs += 10_000) {
    if (!(await sim.pass(10_000))) return;
    releaseAndConfirm(sim);
    mismatch = mismatchOf(sim);
    if (mismatch !== null) continue;
    // Failures are forgotten a minute after the last: let that pass too.
    if (!(await sim.pass(90_000))) return;
    mismatch = mismatchOf(sim);
    if (mismatch === null) return mustStayQuiet(sim);
  }
  sim.broken(new Violation("the fleet did not converge", mismatch));
}

function mendEverything(sim: Simulation, random: Random): void {
  sim.note("the last fault is over");
  sim.over = true;
  sim.life?.journal.dieAt(Infinity, false);
  const desired = new Set(sim.repository.desired!.hosts.map((host) => host.name));
  for (const name of sim.world.names()) {
    const stays = desired.has(name) && (sim.world.state(name).powered || random.chance(0.8));
    sim.world.inject(name, { kind: stays ? "boot" : "crash" });
  }
  sim.world.calm(false);
  mendSource(sim);
  if (!sim.commit(repaired(sim.repository.tree), "repaired")) throw new Error("the repaired tree is not valid");
}

/** What operators do in the end: nothing is held, machines that are off for good are said to be. */
function releaseAndConfirm(sim: Simulation): void {
  const view = sim.life?.reconciler.view();
  if (view === undefined) return;
  for (const { scope, name } of view.memory.holds.values()) sim.tell({ type: "hold.released", scope, name, who: "op" });
  for (const name of sim.world.names()) {
    const off = !sim.world.state(name).powered;
    if (off && (view.memory.hosts.get(name)?.confirmedDeadAtMs ?? null) === null) sayDead(sim, name);
  }
  confirm(sim);
}

/** The first thing in which the true fleet differs from the wanted one without a stated reason; null: none. */
function mismatchOf(sim: Simulation): string | null {
  const view = sim.life?.reconciler.view();
  if (view === undefined) return "no reconciler runs";
  const { desired } = sim.repository;
  if (view.desired?.revision.commit !== desired!.revision.commit)
    return `it runs ${view.desired?.revision.commit}, not ${desired!.revision.commit}`;
  const plan = view.pass?.plan ?? null;
  if (plan === null) return "no plan yet";
  if (!view.settled) return `not settled: ${plan.actions.length} actions, ${view.inFlight.length} in flight, ${describeChanges(plan)}`;
  const blocked = Map.groupBy(
    plan.changes.filter((change) => change.kind === "blocked" && change.decision.text !== ""),
    (change) => change.set,
  );
  for (const [name, set] of desired!.sets) {
    const problem = setMismatch(sim, name, set, blocked.get(name) ?? []);
    if (problem !== null) return `${problem}; ${describeChanges(plan)}`;
  }
  const picture = pictureOf(sim);
  const open = picture === null ? undefined : trashRows(picture).find(({ restore }) => restore?.state === "under way");
  if (open !== undefined) return `${open.id} was not restored into ${open.restore!.slot}; ${describeChanges(plan)}`;
  const leftover = sharedAddress(sim) ?? leftoverOf(sim, blocked);
  return leftover === null ? null : `${leftover}; ${describeChanges(plan)}`;
}

function describeChanges(plan: Plan): string {
  const open = plan.changes.filter((change) => change.kind !== "keep");
  const texts = open
    .slice(0, 6)
    .map((it) => `${it.set}/${it.index} ${it.kind} ${it.host ?? "-"} (${it.decision.code}: ${it.decision.text})`);
  return open.length === 0 ? "the plan has no changes" : `${open.length} changes: ${texts.join("; ")}`;
}

function setMismatch(sim: Simulation, name: string, set: DesiredSet, blocked: readonly Change[]): string | null {
  const target = set.count.kind === "fixed" ? set.count.replicas : set.count.initial;
  const excused = new Set(blocked.map((change) => change.index));
  const indexes = new Set(excused);
  for (const host of sim.world.names()) {
    if (!sim.world.state(host).powered) continue;
    for (const slot of sim.world.state(host).slots.values()) {
      for (const { observed } of slot.instances.values()) if (observed.set === name) indexes.add(observed.index);
    }
  }
  let good = 0;
  for (const index of indexes) {
    const problem = slotMismatch(sim, name, index, set);
    if (problem === null) good++;
    else if (!excused.has(index)) return problem;
  }
  const excuses = [...excused].filter((index) => slotMismatch(sim, name, index, set) !== null).length;
  if (good > target) return `${name} wants ${target} and has ${good}`;
  return good + excuses < target ? `${name} wants ${target}, has ${good} and reasons for ${excuses}` : null;
}

/** null: exactly one Instance of the slot lives, healthy and as wanted, where Instances may be. */
function slotMismatch(sim: Simulation, name: string, index: number, set: DesiredSet): string | null {
  const key = slotKey(name, index);
  const live = sim.rules.liveOf(key);
  if (live.length !== 1) return `${key} lives ${live.length} times`;
  const { host, instance } = live[0]!;
  const { healthy, specHash, liveHash } = instance.observed;
  if (!healthy) return `${key} on ${host.name} is not healthy`;
  if (specHash !== set.specHash || liveHash !== set.liveHash) return `${key} on ${host.name} is out of date`;
  const found = sim.repository.desired!.hosts.find((candidate) => candidate.name === host.name);
  return found === undefined || !set.pools.includes(found.pool) ? `${key} is on ${host.name}, where it may not be` : null;
}

/** Two live Instances with one address. */
function sharedAddress(sim: Simulation): string | null {
  const users = new Map<string, string>();
  for (const name of sim.world.names()) {
    const host = sim.world.state(name);
    for (const [key, slot] of host.slots) {
      for (const instance of slot.instances.values()) {
        const { ip } = instance.observed;
        if (ip === null || !isLive(host, instance)) continue;
        const user = `${key} on ${name}`;
        if (users.has(ip)) return `${ip} is used by ${users.get(ip)} and ${user}`;
        users.set(ip, user);
      }
    }
  }
  return null;
}

/** Anything on a host that belongs to no wanted slot there. */
function leftoverOf(sim: Simulation, blocked: ReadonlyMap<string, readonly Change[]>): string | null {
  for (const name of sim.world.names()) {
    const host = sim.world.state(name);
    if (!host.powered) continue;
    for (const [key, slot] of host.slots) {
      const set = key.slice(0, key.indexOf("/"));
      if ((blocked.get(set)?.length ?? 0) > 0) continue;
      const live = [...slot.instances.values()].filter((instance) => instance.observed.phase === "running");
      const things = slot.instances.size + (slot.port === null ? 0 : 1) + slot.volumes.size;
      const wanted = live.length === 1 && slot.instances.size === 1 && slot.port !== null;
      if (wanted && sim.repository.desired!.sets.has(set)) continue;
      if (things > 0)
        return `${key} left ${slot.instances.size} Instances, ${slot.port === null ? 0 : 1} ports, ${slot.volumes.size} volumes on ${name}`;
    }
  }
  return null;
}

/** Two more full passes at least, and nothing is written anywhere. */
async function mustStayQuiet(sim: Simulation): Promise<void> {
  const before = { ...sim.counts };
  if (!(await sim.pass(QUIET_FOR_MS))) return;
  const { counts } = sim;
  if (counts.passes - before.passes < 2)
    sim.broken(new Violation("it stopped", `${counts.passes - before.passes} passes in ${QUIET_FOR_MS} ms`));
  const purging = sim.story.slice(-40).some((line) => line.includes("purgeVolume"));
  if (counts.applies === before.applies || purging) return;
  sim.broken(new Violation("a converged fleet was touched", `${counts.applies - before.applies} requests in ${QUIET_FOR_MS} ms`));
}
