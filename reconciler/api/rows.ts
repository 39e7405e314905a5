import type { DesiredHost } from "../core/desired.ts";
import { slotKey } from "../core/ids.ts";
import type { Claim, Hold } from "../core/memory.ts";
import type { HostObservation, ObservedInstance } from "../core/observation.ts";
import type { ManifestProblem } from "../core/manifests.ts";
import { compareNumbers, sortedBy, sortedUnique } from "../core/order.ts";
import type { Change, Plan, PlanInput } from "../core/plan.ts";
import type { Resources } from "../core/resources.ts";
import { hostStatus, holdOf } from "../plan/fleet/host-status.ts";
import { wantedSlots } from "../plan/explain.ts";
import { LINGERING } from "../plan/realise/set-work.ts";
import { isStuck } from "../plan/render.ts";
import { heldBytes } from "../plan/volumes/on-host.ts";
import type { DiskUsage, HoldRow, HostRow, PoolRow, RevisionRow, SetRow, SlotRow, Usage, VolumeFacts } from "./types.ts";

/** What a pass decided from, and what it decided: everything that is shown about a fleet is drawn from the two. */
export interface Picture {
  readonly input: PlanInput;
  /** Without a hash: no pass was made yet, or the planner failed. */
  readonly plan: Plan;
  /** What is wrong in the newest commit's manifests, with positions; or its warnings. */
  readonly headProblems: readonly ManifestProblem[];
}

/** Instances as hosts show them, by slot key and generation. */
export type SeenInstances = ReadonlyMap<string, { readonly instance: ObservedInstance; readonly host: string }>;

/** All Instances on hosts that are heard, by `SLOT#GENERATION`: what a silent host showed last says nothing of now. */
export function seenInstances(input: PlanInput): SeenInstances {
  const seen = new Map<string, { instance: ObservedInstance; host: string }>();
  const hosts = new Map(input.desired.hosts.map((host) => [host.name, host]));
  for (const [host, view] of input.fleet) {
    if (hostStatus(input, host, hosts.get(host) ?? null).reach !== "ok") continue;
    for (const instance of view.observation?.instances ?? [])
      seen.set(instanceKey(instance.set, instance.index, instance.generation), { instance, host });
  }
  return seen;
}

function instanceKey(set: string, index: number, generation: number): string {
  return `${slotKey(set, index)}#${generation}`;
}

/** Sorted by name; Sets that are gone from the manifests but not from the hosts are listed too. */
export function setRows({ input, plan }: Picture, seen: SeenInstances): SetRow[] {
  const stuck = new Set(plan.changes.filter(isStuck).map((change) => change.set));
  const busy = new Set(plan.changes.filter(isWork).map((change) => change.set));
  const leftOver = [...input.memory.sets]
    .filter(([name, set]) => !input.desired.sets.has(name) && set.slots.size > 0)
    .map(([name]) => name);
  return sortedUnique([...input.desired.sets.keys(), ...leftOver]).map((name) => {
    const row = setCounts(input, name, seen);
    const working = busy.has(name) || row.taskId !== null || row.current < row.wanted;
    return { ...row, state: setState(input, name, stuck.has(name), working) };
  });
}

/** What is left on a silent host of a slot that runs elsewhere takes nothing from its Set. */
function isWork({ kind, decision }: Change): boolean {
  return kind !== "keep" && decision.code !== LINGERING;
}

function setState(input: PlanInput, name: string, stuck: boolean, working: boolean): SetRow["state"] {
  if (!input.desired.sets.has(name)) return "removing";
  if (holdOf(input, "set", name) !== null) return "held";
  if (stuck) return "blocked";
  return working ? "working" : "ready";
}

function setCounts(input: PlanInput, name: string, seen: SeenInstances): Omit<SetRow, "state"> {
  const set = input.desired.sets.get(name) ?? null;
  const memory = input.memory.sets.get(name);
  let [placed, ready, current] = [0, 0, 0];
  const images = new Set<string>();
  for (const [index, slot] of memory?.slots ?? []) {
    if (slot.current === null) continue;
    placed += 1;
    const instance = seen.get(instanceKey(name, index, slot.current.generation))?.instance;
    if (instance === undefined || instance.phase !== "running" || !instance.healthy) continue;
    ready += 1;
    if (set !== null && instance.specHash === set.specHash && instance.liveHash === set.liveHash) current += 1;
    for (const image of Object.values(instance.images)) images.add(image);
  }
  return {
    name,
    pools: set?.pools ?? [],
    priority: set?.priority ?? "",
    wanted: set === null ? 0 : wantedSlots(input, set),
    placed,
    ready,
    current,
    images: images.size > 0 ? sortedUnique(images) : (set?.images ?? []),
    taskId: memory?.task?.taskId ?? null,
  };
}

/** Every slot that is placed or wanted, by Set and index; earlier generations still there are listed beside. */
export function slotRows({ input, plan }: Picture, seen: SeenInstances): SlotRow[] {
  const blocked = new Map(
    plan.changes.filter((change) => change.kind === "blocked").map((change) => [slotKey(change.set, change.index), change]),
  );
  const hosts = new Map(input.desired.hosts.map((host) => [host.name, host]));
  const volumes = volumesBySlot(input);
  const rows: SlotRow[] = [];
  const rowOf = (key: string, claim: Claim): SlotRow => ({
    ...claimRow(input, key, claim, hosts, seen),
    volumes: volumes.get(`${key} ${claim.host}`) ?? [],
  });
  for (const name of sortedUnique([...input.desired.sets.keys(), ...input.memory.sets.keys()])) {
    const set = input.desired.sets.get(name);
    const slots = input.memory.sets.get(name)?.slots;
    const wanted = set === undefined ? 0 : wantedSlots(input, set);
    const indices = new Set([...(slots?.keys() ?? []), ...Array.from({ length: wanted }, (_, index) => index)]);
    for (const index of [...indices].sort(compareNumbers)) {
      const slot = slots?.get(index);
      const key = slotKey(name, index);
      for (const claim of slot?.former ?? []) rows.push({ ...rowOf(key, claim), why: "being removed" });
      if (slot?.current != null) rows.push(rowOf(key, slot.current));
      else if (index < wanted) rows.push(absentRow(key, set?.images ?? [], blocked.get(key)?.decision.text ?? "not placed yet"));
    }
  }
  return rows;
}

/** By `SLOT HOST`, as each host showed them last. */
function volumesBySlot(input: PlanInput): Map<string, VolumeFacts[]> {
  const bySlot = new Map<string, VolumeFacts[]>();
  for (const [host, { observation }] of input.fleet) {
    for (const { set, index, name, kind, sizeBytes, usedBytes } of observation?.volumes ?? []) {
      const key = `${slotKey(set, index)} ${host}`;
      const facts = { name, kind, sizeBytes, usedBytes };
      const known = bySlot.get(key);
      if (known === undefined) bySlot.set(key, [facts]);
      else known.push(facts);
    }
  }
  return bySlot;
}

function claimRow(
  input: PlanInput,
  slot: string,
  claim: Claim,
  hosts: ReadonlyMap<string, DesiredHost>,
  seen: SeenInstances,
): Omit<SlotRow, "volumes"> {
  const instance = seen.get(`${slot}#${claim.generation}`)?.instance;
  const host = hosts.get(claim.host) ?? null;
  const status = hostStatus(input, claim.host, host);
  const silent = status.reach !== "ok";
  return {
    slot,
    phase: silent ? "unknown" : (instance?.phase ?? "absent"),
    healthy: !silent && instance?.phase === "running" && instance.healthy,
    host: claim.host,
    zone: host?.zone ?? null,
    generation: claim.generation,
    ip: claim.ip,
    images: instance === undefined ? [] : sortedUnique(Object.values(instance.images)),
    why: claim.why,
    message: silent ? `host ${claim.host} is ${status.reach === "dead" ? "confirmed dead" : "silent"}` : (instance?.message ?? ""),
  };
}

function absentRow(slot: string, images: readonly string[], message: string): SlotRow {
  return { slot, phase: "absent", healthy: false, host: null, zone: null, generation: 0, ip: null, images, why: "", message, volumes: [] };
}

/** By name. */
export function hostRows({ input }: Picture): HostRow[] {
  const reserved = reservations(input);
  return sortedBy(input.desired.hosts, (host) => host.name).map((host) => {
    const status = hostStatus(input, host.name, host);
    const { instances, total } = reserved.get(host.name) ?? NOTHING_RESERVED;
    const dead = status.reach === "dead";
    return {
      name: host.name,
      pool: host.pool,
      zone: host.zone,
      rack: host.rack,
      state: dead ? "dead" : status.state,
      reachable: status.reach === "ok",
      instances,
      cpu: { reserved: total.cpuMillis, capacity: host.capacity.cpuMillis },
      memory: { reserved: total.memoryBytes, capacity: host.capacity.memoryBytes },
      disk: diskUsage(total.diskBytes, host, status.observation),
      note: hostNote(input, host, status.reach === "ok"),
    };
  });
}

/** The host's group may be smaller than the manifest says. */
function diskUsage(reserved: number, { capacity }: DesiredHost, shown: HostObservation | null): DiskUsage {
  const capacityBytes = Math.min(capacity.diskBytes, shown?.capacity.diskBytes ?? Infinity);
  return { reserved, capacity: capacityBytes, trash: heldBytes(shown?.trash ?? []) };
}

function hostNote(input: PlanInput, host: DesiredHost, reachable: boolean): string {
  const memory = input.memory.hosts.get(host.name);
  const view = input.fleet.get(host.name);
  const notes = [holdOf(input, "host", host.name) ?? ""];
  if (memory !== undefined && (memory.state !== null || memory.confirmedDeadAtMs !== null)) notes.push(`${memory.who}: ${memory.why}`);
  if (!reachable) notes.push(view === undefined || view.problem === "" ? "nothing heard from its agent" : view.problem);
  return notes.filter((note) => note !== "").join("; ");
}

interface Reserved {
  instances: number;
  total: { -readonly [name in keyof Resources]: number };
}

const NOTHING_RESERVED: Reserved = { instances: 0, total: { cpuMillis: 0, memoryBytes: 0, diskBytes: 0, ingressBps: 0, egressBps: 0 } };

/** What all claims take, by host; earlier generations count until they are observed gone. */
function reservations(input: PlanInput): Map<string, Reserved> {
  const byHost = new Map<string, Reserved>();
  for (const set of input.memory.sets.values()) {
    for (const slot of set.slots.values()) {
      for (const claim of slot.current === null ? slot.former : [slot.current, ...slot.former]) {
        const sum = byHost.get(claim.host) ?? { instances: 0, total: { ...NOTHING_RESERVED.total } };
        sum.instances += 1;
        for (const name of Object.keys(sum.total) as (keyof Resources)[]) sum.total[name] += claim.resources[name];
        byHost.set(claim.host, sum);
      }
    }
  }
  return byHost;
}

/** By name. */
export function poolRows(picture: Picture): PoolRow[] {
  const hosts = hostRows(picture);
  return sortedBy(picture.input.desired.pools.values(), (pool) => pool.name).map((pool) => {
    const own = hosts.filter((host) => host.pool === pool.name);
    return {
      name: pool.name,
      hosts: own.length,
      reachable: own.filter((host) => host.reachable).length,
      zones: sortedUnique(own.map((host) => host.zone)),
      instances: own.reduce((sum, host) => sum + host.instances, 0),
      cpu: sumUsage(own.map((host) => host.cpu)),
      memory: sumUsage(own.map((host) => host.memory)),
      disk: { ...sumUsage(own.map((host) => host.disk)), trash: own.reduce((sum, { disk }) => sum + disk.trash, 0) },
      watermark: pool.watermark,
    };
  });
}

function sumUsage(all: readonly Usage[]): Usage {
  return {
    reserved: all.reduce((sum, usage) => sum + usage.reserved, 0),
    capacity: all.reduce((sum, usage) => sum + usage.capacity, 0),
  };
}

/** What runs, then what was refused. */
export function revisionRows({ input, headProblems }: Picture): RevisionRow[] {
  const { revision, rejected } = input.memory;
  const rows: RevisionRow[] = [];
  if (revision !== null)
    rows.push({
      commit: revision.commit,
      state: "running",
      atMs: revision.atMs,
      why: "newest valid commit",
      problems: rejected === null ? headProblems : [],
    });
  if (rejected !== null)
    rows.push({ commit: rejected.commit, state: "rejected", atMs: rejected.atMs, why: rejected.why, problems: headProblems });
  return rows;
}

/** Those still in force, by name. */
export function holdRows({ input }: Picture): HoldRow[] {
  const inForce = [...input.memory.holds.values()].filter((hold) => hold.untilMs === null || hold.untilMs > input.nowMs);
  return sortedBy(inForce.map(holdRow), (row) => row.name);
}

function holdRow({ scope, name, who, why, sinceMs, untilMs }: Hold): HoldRow {
  return { name: scope === "set" ? name : `${scope}/${name}`, scope, who, why, sinceMs, untilMs };
}
