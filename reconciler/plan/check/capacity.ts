import type { DesiredHost } from "../../core/desired.ts";
import type { Claim } from "../../core/memory.ts";
import { slotKey, trashKey } from "../../core/ids.ts";
import type { ObservedVolume, TrashedVolume } from "../../core/observation.ts";
import type { Plan, PlanInput } from "../../core/plan.ts";
import { addResources, maxResources, NO_RESOURCES, RESOURCE_NAMES, type Resources } from "../../core/resources.ts";
import type { FleetReading } from "./facts.ts";
import type { Violation } from "./violation.ts";

/**
 * docs/SAFETY.md 9: on every host that the plan gives something to, all that is claimed or seen there, plus what the plan adds,
 * stays within the capacity, even if nothing the plan takes away is gone yet.
 */
export function checkCapacity(input: PlanInput, plan: Plan, facts: FleetReading): Violation[] {
  const added = new Map<string, Claim>();
  for (const event of plan.intents) {
    if (event.type === "slot.placed" || event.type === "slot.resized") added.set(slotKey(event.set, event.index), event.claim);
  }
  const touched = new Set([...added.values()].map((claim) => claim.host));
  if (touched.size === 0) return [];
  const needs = new Map<string, Resources>();
  function need(host: string, key: string, resources: Resources): void {
    if (!touched.has(host)) return;
    const place = `${host} ${key}`;
    const known = needs.get(place);
    needs.set(place, known === undefined ? resources : maxResources(known, resources));
  }
  for (const [set, memory] of input.memory.sets) {
    for (const [index, slot] of memory.slots) {
      if (slot.current !== null) need(slot.current.host, slotKey(set, index), slot.current.resources);
      for (const former of slot.former) need(former.host, slotKey(set, index), former.resources);
    }
  }
  for (const host of touched) {
    const shown = input.fleet.get(host)?.observation;
    for (const instance of shown?.instances ?? []) need(host, slotKey(instance.set, instance.index), instance.resources);
    for (const [key, diskBytes] of diskBySlot(shown?.volumes ?? [])) need(host, key, { ...NO_RESOURCES, diskBytes });
    // Where trash gives way, it is no reservation; that it does so in order is for checkDestroys to see.
    const pool = input.desired.pools.get(facts.hosts.get(host)?.pool ?? "");
    if (pool?.storage.trashReclaim !== "when-full")
      need(host, "trash", { ...NO_RESOURCES, diskBytes: sizeOfVolumes(stays(input, facts, host)) });
  }
  const before = sumByHost(needs);
  for (const [key, claim] of added) need(claim.host, key, claim.resources);
  return overCapacity(input, touched, before, sumByHost(needs));
}

/** The host's trash, less what comes back into slots that are claimed there and have no such volume yet: that is in their claims. */
function stays(input: PlanInput, facts: FleetReading, host: string): readonly TrashedVolume[] {
  const shown = input.fleet.get(host)?.observation;
  return (shown?.trash ?? []).filter(({ id, trashedAtMs }) => {
    const wish = input.memory.restores.get(trashKey(host, id));
    if (wish?.lostAtMs !== null || wish.trashedAtMs !== trashedAtMs || facts.claims.after(wish.to.set, wish.to.index)?.host !== host)
      return true;
    const { to, kind } = wish;
    return shown!.volumes.some((it) => it.set === to.set && it.index === to.index && it.name === to.volume && it.kind === kind);
  });
}

/** Bytes of the volume group that each slot's volumes take. */
export function diskBySlot(volumes: readonly ObservedVolume[]): Map<string, number> {
  const slots = Map.groupBy(volumes, ({ set, index }) => slotKey(set, index));
  return new Map([...slots].map(([key, ofSlot]) => [key, sizeOfVolumes(ofSlot)]));
}

/** Folders take nothing of the group. */
export function sizeOfVolumes(volumes: readonly ObservedVolume[]): number {
  return volumes.filter(({ kind }) => kind === "lvm").reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
}

function sumByHost(needs: ReadonlyMap<string, Resources>): Map<string, Resources> {
  const sums = new Map<string, Resources>();
  for (const [place, resources] of needs) {
    const host = place.slice(0, place.indexOf(" "));
    sums.set(host, addResources(sums.get(host) ?? NO_RESOURCES, resources));
  }
  return sums;
}

/** A host that was over before (its capacity was lowered) is only wrong where the plan adds to what is over. */
function overCapacity(
  input: PlanInput,
  touched: ReadonlySet<string>,
  before: ReadonlyMap<string, Resources>,
  after: ReadonlyMap<string, Resources>,
): Violation[] {
  const violations: Violation[] = [];
  for (const host of input.desired.hosts) {
    if (!touched.has(host.name)) continue;
    const sum = after.get(host.name) ?? NO_RESOURCES;
    const capacity = capacityOf(input, host);
    const was = before.get(host.name) ?? NO_RESOURCES;
    for (const name of RESOURCE_NAMES) {
      if (sum[name] <= capacity[name] || sum[name] <= was[name]) continue;
      violations.push({ code: "capacity", text: `${name} of ${host.name}: ${sum[name]} reserved of ${capacity[name]}` });
    }
  }
  return violations;
}

/** The manifest's, or less where the host itself has less to offer. */
function capacityOf(input: PlanInput, host: DesiredHost): Resources {
  const pool = input.desired.pools.get(host.pool);
  const found = input.fleet.get(host.name)?.observation?.capacity;
  if (found === undefined || pool === undefined) return host.capacity;
  const { cpuMillis, memoryBytes, diskBytes, ingressBps, egressBps } = host.capacity;
  return {
    cpuMillis: Math.min(cpuMillis, Math.floor(found.cpuMillis * pool.cpuOvercommit)),
    memoryBytes: Math.min(memoryBytes, found.memoryBytes - pool.memoryReserveBytes),
    diskBytes: Math.min(diskBytes, found.diskBytes),
    ingressBps: Math.min(ingressBps, found.ingressBps),
    egressBps: Math.min(egressBps, found.egressBps),
  };
}
