import type { DesiredSet } from "../../core/desired.ts";
import type { EventBody } from "../../core/events.ts";
import type { Claim, SetMemory } from "../../core/memory.ts";
import type { ObservedInstance } from "../../core/observation.ts";
import { compareText } from "../../core/order.ts";
import { NO_RESOURCES } from "../../core/resources.ts";
import type { SetSightings } from "../fleet/sightings.ts";
import { heldBytes, unwantedVolumes, type VolumeHere } from "../volumes/on-host.ts";

/** Everything known of one slot: what the journal claims and what hosts show, adoptions included. */
export interface SlotFacts {
  readonly index: number;
  readonly current: Claim | null;
  readonly former: readonly Claim[];
  /** Hosts that show an Instance, a port or a volume of the slot. */
  readonly seen: readonly SlotOnHost[];
  /** Highest generation used or seen. */
  readonly highest: number;
}

export interface SlotOnHost {
  readonly host: string;
  readonly instances: readonly ObservedInstance[];
  readonly port: { readonly generation: number; readonly ip: string } | null;
  readonly volumes: readonly VolumeHere[];
}

/**
 * Joins journal and sightings, slot by slot, ascending. What runs but is not claimed (the journal was lost) is adopted:
 * the highest generation becomes current, any other former; the events for that are appended to `adoptions`.
 */
export function slotFacts(set: string, memory: SetMemory | null, seen: SetSightings, adoptions: EventBody[]): Map<number, SlotFacts> {
  const bySlot = groupBySlot(seen);
  const indices = new Set([...(memory?.slots.keys() ?? []), ...bySlot.keys()]);
  const facts = new Map<number, SlotFacts>();
  for (const index of [...indices].sort((a, b) => a - b)) {
    const slot = memory?.slots.get(index);
    const here = bySlot.get(index) ?? [];
    const used = memory?.generations.get(index) ?? 0;
    const claims = adoptUnclaimed(set, index, slot ?? { current: null, former: [] }, used, here, adoptions);
    const highest = Math.max(used, claims.highest);
    facts.set(index, { index, current: claims.current, former: claims.former, seen: here, highest });
  }
  return facts;
}

/** True when taking the slot from its host sends a logical volume to the trash; a folder is for what can be made again. */
export function losesData(slot: SlotFacts): boolean {
  return slot.current !== null && hasData(volumesOn(slot, slot.current.host));
}

/** True when its host has a logical volume of the slot that the Set does not want any more. */
export function dropsData(set: DesiredSet, slot: SlotFacts): boolean {
  return slot.current !== null && hasData(unwantedVolumes(set, volumesOn(slot, slot.current.host)));
}

/** What the slot has on a host. */
export function volumesOn(slot: SlotFacts, host: string): readonly VolumeHere[] {
  return slot.seen.find((on) => on.host === host)?.volumes ?? NO_VOLUMES;
}

const NO_VOLUMES: readonly VolumeHere[] = [];

/** True for a slot's volumes with one among them that binds it to its host. */
export function hasData(volumes: readonly VolumeHere[]): boolean {
  return volumes.some(({ kind }) => kind === "lvm");
}

/** A SlotOnHost that is being put together. */
interface Entry {
  readonly host: string;
  readonly instances: ObservedInstance[];
  port: SlotOnHost["port"];
  readonly volumes: VolumeHere[];
}

function groupBySlot(seen: SetSightings): Map<number, Entry[]> {
  const slots = new Map<number, Entry[]>();
  function entryOf(host: string, index: number): Entry {
    let list = slots.get(index);
    if (list === undefined) slots.set(index, (list = []));
    const last = list.at(-1);
    if (last?.host === host) return last;
    const entry = { host, instances: [], port: null, volumes: [] };
    list.push(entry);
    return entry;
  }
  const hosts = [...seen.keys()].sort(compareText);
  for (const host of hosts) {
    const { instances, ports, volumes } = seen.get(host)!;
    for (const instance of instances) entryOf(host, instance.index).instances.push(instance);
    for (const port of ports) entryOf(host, port.index).port ??= port;
    for (const volume of volumes) entryOf(host, volume.index).volumes.push(volume);
  }
  return slots;
}

function adoptUnclaimed(
  set: string,
  index: number,
  slot: { readonly current: Claim | null; readonly former: readonly Claim[] },
  used: number,
  seen: readonly SlotOnHost[],
  adoptions: EventBody[],
): { current: Claim | null; former: readonly Claim[]; highest: number } {
  let { current, former } = slot;
  const unclaimed = seen
    .flatMap((on) => [...on.instances.map((instance) => claimOf(on.host, instance)), ...leftoverClaim(on, slot)])
    .filter((claim) => !isClaimed(claim, slot.current, slot.former))
    .sort((a, b) => a.generation - b.generation || compareText(a.host, b.host));
  for (const claim of unclaimed) {
    adoptions.push({ type: "slot.adopted", set, index, claim });
    const known = current === null ? former : [...former, current];
    if (claim.generation >= used && known.every((other) => other.generation < claim.generation)) {
      former = known;
      current = claim;
    } else {
      former = [...former, claim].sort((a, b) => a.generation - b.generation);
    }
  }
  const highest = Math.max(current?.generation ?? 0, ...former.map((claim) => claim.generation));
  return { current, former, highest };
}

function isClaimed(claim: Claim, current: Claim | null, former: readonly Claim[]): boolean {
  return [current, ...former].some((known) => known !== null && known.host === claim.host && known.generation === claim.generation);
}

/** A port or volumes without an Instance or claim on their host (the journal was lost halfway) are claimed too. */
function leftoverClaim(on: SlotOnHost, slot: { readonly current: Claim | null; readonly former: readonly Claim[] }): Claim[] {
  const claimed = [slot.current, ...slot.former].some((claim) => claim?.host === on.host);
  if (claimed || on.instances.length > 0) return [];
  const diskBytes = heldBytes(on.volumes);
  const exclusive = hasData(on.volumes);
  const resources = { ...NO_RESOURCES, diskBytes };
  const why = "adopted: a port or volume of it is here and the journal did not know it";
  return [
    {
      generation: on.port?.generation ?? 1,
      host: on.host,
      ip: on.port?.ip ?? null,
      resources,
      hostPorts: [],
      exclusive,
      core: false,
      taskId: "",
      why,
    },
  ];
}

function claimOf(host: string, instance: ObservedInstance): Claim {
  return {
    generation: instance.generation,
    host,
    ip: instance.ip,
    resources: instance.resources,
    hostPorts: instance.hostPorts,
    exclusive: instance.exclusive,
    core: instance.priority === "core",
    taskId: instance.taskId,
    why: "adopted: it runs here and the journal did not know it",
  };
}
