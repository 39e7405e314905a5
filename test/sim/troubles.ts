import { cancelEvent, purgeEvent, restoreEvent, trashRows } from "../../reconciler/api/trash.ts";
import type { Picture } from "../../reconciler/api/rows.ts";
import type { CountRule } from "../../reconciler/core/desired.ts";
import { UserError } from "../../reconciler/core/errors/user-error.ts";
import type { OperatorEvent } from "../../reconciler/run/reconciler.ts";
import type { Random } from "../../reconciler/sim/random.ts";
import type { Fault } from "../../reconciler/sim/faults.ts";
import { edit } from "./generate.ts";
import type { Simulation } from "./simulation.ts";

type Trouble = (sim: Simulation, random: Random) => void;

/** What may happen, with its weight: commits, operators, faults of hosts and network, deaths of the reconciler. */
const TROUBLES: readonly (readonly [number, Trouble])[] = [
  [14, commit],
  [2, breakSource],
  [4, hold],
  [4, release],
  [4, setHostState],
  [6, declareDead],
  [5, confirm],
  [3, revert],
  [8, restore],
  [2, cancelRestore],
  [1, purge],
  [12, faultOnHost],
  [3, cutSeveral],
  [4, crashInstance],
  [5, killReconciler],
  [4, killBetweenWrites],
  [1, loseJournal],
  [2, jumpClock],
  [4, crashHost],
];

/** In every third seed or so people are busy with volumes. */
const ABOUT_DATA: ReadonlySet<Trouble> = new Set([revert, restore, cancelRestore, purge]);

/** The troubles of one seed: most kinds, the loss of the journal seldom, so that each seed has its own climate. */
export function someTroubles(random: Random): (sim: Simulation) => void {
  const times = random.chance(0.35) ? 6 : 1;
  const chosen = TROUBLES.filter(([, trouble]) => random.chance(trouble === loseJournal ? 0.25 : trouble === commit ? 1 : 0.75)).map(
    ([weight, trouble]) => [ABOUT_DATA.has(trouble) ? weight * times : weight, trouble] as const,
  );
  const total = chosen.reduce((sum, [weight]) => sum + weight, 0);
  return (sim) => {
    let draw = random.next() * total;
    for (const [weight, trouble] of chosen) {
      draw -= weight;
      if (draw < 0) return trouble(sim, random);
    }
  };
}

export function commit(sim: Simulation, random: Random): void {
  let { tree } = sim.repository;
  const whats: string[] = [];
  for (let edits = random.integer(1, 3); edits > 0; edits--) {
    const next = edit(tree, random, (host) => isEmpty(sim, host));
    tree = next.tree;
    whats.push(next.what);
  }
  sim.commit(tree, whats.join(", "));
}

/** The Sets of an earlier commit again: what was removed comes back, what was added goes. */
function revert(sim: Simulation, random: Random): void {
  const { sets } = random.pick(sim.trees.slice(-6));
  sim.commit({ ...sim.repository.tree, sets }, "the Sets of an earlier commit");
}

/** Operators take machines out of a pool that are drained, or declared dead. */
function isEmpty(sim: Simulation, host: string): boolean {
  if (!sim.world.names().includes(host)) return true;
  return sim.world.state(host).slots.size === 0 || (sim.declaredDead.has(host) && !sim.world.state(host).powered);
}

/** An invalid commit or a failing fetch, mended later. */
function breakSource(sim: Simulation, random: Random): void {
  if (random.chance(0.4)) {
    sim.note("an invalid commit");
    sim.repository.commitInvalid();
  } else {
    const how = random.pick(["fails", "hangs"] as const);
    sim.note(`the source ${how}`);
    sim.repository.trouble(how);
  }
  sim.clock.after(random.between(10_000, 300_000), () => mendSource(sim));
}

export function mendSource(sim: Simulation): void {
  sim.repository.trouble(null);
  if (!sim.repository.good) sim.commit(sim.repository.tree, "the last good tree again");
}

function hold(sim: Simulation, random: Random): void {
  const { desired } = sim.repository;
  const scope = random.pick(["set", "set", "host", "pool"] as const);
  const names = { set: [...desired!.sets.keys()], host: desired!.hosts.map((host) => host.name), pool: [...desired!.pools.keys()] }[scope];
  if (names.length === 0) return;
  const untilMs = random.chance(0.5) ? sim.clock.now() + random.integer(10_000, 600_000) : null;
  const hold = { scope, name: random.pick(names), who: "op", why: "looking", sinceMs: sim.clock.now(), untilMs };
  sim.tell({ type: "hold.placed", hold });
}

function release(sim: Simulation, random: Random): void {
  const holds = [...(sim.life?.reconciler.view().memory.holds.values() ?? [])];
  if (holds.length === 0) return;
  const { scope, name } = random.pick(holds);
  sim.tell({ type: "hold.released", scope, name, who: "op" });
}

function setHostState(sim: Simulation, random: Random): void {
  const host = random.pick(sim.repository.desired!.hosts).name;
  const state = random.pick(["active", "cordoned", "draining", null, null] as const);
  sim.tell({ type: "host.state", host, state, who: "op", why: "work" });
}

/** Only what really is off may be declared dead. */
function declareDead(sim: Simulation, random: Random): void {
  const off = sim.world.names().filter((name) => !sim.world.state(name).powered);
  if (off.length > 0) sayDead(sim, random.pick(off));
}

/**
 * Not of a host that nobody saw since the journal was lost: the addresses it uses are known to nobody, so that for such
 * a host the word must be true for good, and here all hosts come back.
 */
export function sayDead(sim: Simulation, host: string): void {
  if (sim.life?.reconciler.view().memory.uninventoried?.has(host) === true) return;
  if (sim.tell({ type: "host.dead", host, who: "op", why: "it burnt" })) sim.declaredDead.add(host);
}

export function confirm(sim: Simulation): void {
  const held = sim.life?.reconciler.view().pass?.plan?.held ?? [];
  for (const hash of new Set(held.map((entry) => entry.hash))) sim.tell({ type: "destroys.confirmed", hash, who: "op" });
}

/** What a person sees of the fleet, as the verbs do; null while no reconciler runs. */
export function pictureOf(sim: Simulation): Picture | null {
  const view = sim.life?.reconciler.view();
  const { input, plan = null } = view?.pass ?? {};
  if (view === undefined || input === undefined || plan === null) return null;
  const { memory, fleet, desired } = view;
  const now = { nowMs: sim.clock.now(), monotonicMs: sim.clock.monotonic(), memory, fleet, desired: desired ?? input.desired };
  return { input: { ...input, ...now }, plan, headProblems: [] };
}

/** Says what `say` makes of the picture; a refusal is what a person would read. */
function sayOf(sim: Simulation, say: (picture: Picture) => OperatorEvent | null): void {
  const picture = pictureOf(sim);
  if (picture === null) return;
  try {
    const event = say(picture);
    if (event !== null) sim.tell(event);
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    sim.note(`operator is told: ${error.message} [${error.code}]`);
  }
}

/** Mostly into a slot that is wanted, be it another Set's; else to where it was. */
function restore(sim: Simulation, random: Random): void {
  sayOf(sim, (picture) => {
    const rows = trashRows(picture).filter((row) => row.restore === null || random.chance(0.05));
    if (rows.length === 0) return null;
    const { id } = random.pick(rows);
    const sets = [...sim.repository.desired!.sets.values()].filter(({ needs, count }) => needs.includes("lvm") && greatest(count) > 0);
    const set = sets.length === 0 || random.chance(0.25) ? null : random.pick(sets);
    const to = set === null ? null : `${set.name}/${random.integer(0, greatest(set.count) - 1)}`;
    return restoreEvent(picture, { id, to, replace: random.chance(0.7), who: "op", why: "" });
  });
}

function greatest(count: CountRule): number {
  return count.kind === "fixed" ? count.replicas : count.max;
}

function cancelRestore(sim: Simulation, random: Random): void {
  sayOf(sim, (picture) => {
    const rows = trashRows(picture).filter((row) => row.restore !== null);
    if (rows.length === 0) return null;
    const { id, restore } = random.pick(rows);
    sim.rules.excuse(restore!.slot);
    return cancelEvent(picture, { id, who: "op", why: "" });
  });
}

function purge(sim: Simulation, random: Random): void {
  sayOf(sim, (picture) => {
    const rows = trashRows(picture);
    return rows.length === 0 ? null : purgeEvent(picture, { id: random.pick(rows).id, who: "op", why: "" });
  });
}

function faultOnHost(sim: Simulation, random: Random): void {
  const forMs = random.chance(0.2) ? random.between(60_000, 600_000) : random.between(1000, 40_000);
  const faults: Fault[] = [
    { kind: "hang", forMs },
    { kind: "partition", direction: random.pick(["both", "toHost", "fromHost"]), forMs },
    { kind: "partition", direction: "both", forMs },
    { kind: "loseReply", count: random.integer(1, 3) },
    { kind: "delayReply", count: random.integer(1, 3), byMs: random.between(1000, 20_000) },
    { kind: "deliverTwice", count: random.integer(1, 5) },
    { kind: "clockJump", byMs: random.between(-1e7, 1e7) },
    { kind: "slow", factor: random.between(2, 30), forMs },
    { kind: "diskFull", forMs },
    { kind: "loseCapability", capability: random.pick(["lvm", "ovs", "tc", "docker"]), forMs },
    { kind: "restartAgent" },
  ];
  inject(sim, random.pick(sim.world.names()), random.pick(faults));
}

/** The reconciler's own network fails: many hosts at once. */
function cutSeveral(sim: Simulation, random: Random): void {
  const forMs = random.between(5000, 300_000);
  const share = random.between(0.2, 1);
  const direction = random.pick(["both", "both", "toHost", "fromHost"] as const);
  for (const name of sim.world.names()) if (random.chance(share)) inject(sim, name, { kind: "partition", direction, forMs });
}

function crashInstance(sim: Simulation, random: Random): void {
  const host = random.pick(sim.world.names());
  const instances = [...sim.world.state(host).slots.values()].flatMap((slot) => [...slot.instances.values()]);
  if (instances.length === 0) return;
  const { set, index } = random.pick(instances).observed;
  inject(sim, host, { kind: "crashInstance", set, index, restarts: random.chance(0.5) });
}

function crashHost(sim: Simulation, random: Random): void {
  const host = random.pick(sim.world.names());
  inject(sim, host, { kind: "crash" });
  const offMs = random.chance(0.5) ? random.between(5000, 60_000) : random.between(60_000, 900_000);
  sim.clock.after(offMs, () => {
    if (!sim.over) sim.world.inject(host, { kind: "boot" });
  });
}

function killReconciler(sim: Simulation): void {
  sim.kill("by a signal");
}

function loseJournal(sim: Simulation): void {
  sim.loseJournal();
}

function killBetweenWrites(sim: Simulation, random: Random): void {
  sim.life?.journal.dieAt(random.integer(1, 12), random.chance(0.5));
}

function jumpClock(sim: Simulation, random: Random): void {
  const byMs = random.pick([-1, 1]) * random.pick([1000, 60_000, 3_600_000]);
  sim.note(`the reconciler's clock jumps by ${byMs / 1000} s`);
  sim.jumpClock(byMs);
}

function inject(sim: Simulation, host: string, fault: Fault): void {
  sim.note(`fault on ${host}: ${JSON.stringify(fault)}`);
  sim.world.inject(host, fault);
}
