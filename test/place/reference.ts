import type { DesiredHost, DesiredSet } from "../../reconciler/core/desired.ts";
import { RESOURCE_NAMES, type ResourceName } from "../../reconciler/core/resources.ts";

/**
 * Placement as plain loops over plain objects: for every slot, every host is filtered and scored. Slow, and
 * written from the rules alone, to compare the real one with.
 */
export interface PlainHost {
  readonly host: DesiredHost;
  usable: boolean;
  capacity: Record<ResourceName, number>;
  capabilities: readonly string[];
  images: readonly string[];
  /** Of the disk. */
  trashBytes: number;
  instances: { readonly set: DesiredSet }[];
}

export interface PlainFleet {
  /** Sorted by name. */
  readonly hosts: PlainHost[];
  readonly addresses: (pool: string) => number;
}

export function plainFleet(hosts: readonly DesiredHost[], addresses: (pool: string) => number): PlainFleet {
  return {
    hosts: [...hosts]
      .sort((a, b) => (a.name < b.name ? -1 : 1))
      .map((host) => ({
        host,
        usable: host.state === "active",
        capacity: { ...host.capacity },
        capabilities: ["docker", "lvm", "ovs", "tc", "cgroup"],
        images: [],
        trashBytes: 0,
        instances: [],
      })),
    addresses,
  };
}

/** The host of each slot, or null; placed slots are added to the fleet. */
export function plainPlace(fleet: PlainFleet, set: DesiredSet, slots: readonly { readonly avoid: readonly string[] }[]): (string | null)[] {
  const spent = new Map<string, number>();
  const addressesAtStart = new Map(fleet.hosts.map(({ host }) => [host.pool, fleet.addresses(host.pool)]));
  return slots.map(({ avoid }) => {
    const left = (pool: string): number => addressesAtStart.get(pool)! - (spent.get(pool) ?? 0);
    let best: PlainHost | null = null;
    let highest = -Infinity;
    const view = viewOf(fleet, set);
    for (const candidate of fleet.hosts) {
      if (avoid.includes(candidate.host.name) || left(candidate.host.pool) <= 0 || !plainPasses(view, candidate)) continue;
      const score = plainScore(view, candidate);
      if (score > highest) {
        best = candidate;
        highest = score;
      }
    }
    if (best === null) return null;
    best.instances.push({ set });
    spent.set(best.host.pool, (spent.get(best.host.pool) ?? 0) + 1);
    return best.host.name;
  });
}

/** What of the fleet matters to a Set, gathered once per slot. */
export interface PlainView {
  readonly set: DesiredSet;
  readonly inZone: Map<string, number>;
  readonly inRack: Map<string, number>;
  readonly total: number;
  readonly zones: number;
  readonly apartHosts: ReadonlySet<string>;
  readonly apartRacks: ReadonlySet<string>;
  readonly apartZones: ReadonlySet<string>;
  readonly nearZones: ReadonlySet<string>;
  /** Images that more than 20 hosts and more than one in 20 hold. */
  readonly common: ReadonlySet<string>;
}

export function viewOf(fleet: PlainFleet, set: DesiredSet): PlainView {
  const inZone = new Map<string, number>();
  const inRack = new Map<string, number>();
  const zones = new Set<string>();
  const apart = { host: new Set<string>(), rack: new Set<string>(), zone: new Set<string>() };
  const nearZones = new Set<string>();
  let total = 0;
  for (const { host, usable, instances } of fleet.hosts) {
    const rack = `${host.zone}/${host.rack}`;
    if (usable && set.pools.includes(host.pool) && zoneAllowed(set, host.zone)) zones.add(host.zone);
    for (const { set: other } of instances) {
      if (other.name === set.name) {
        total++;
        inZone.set(host.zone, (inZone.get(host.zone) ?? 0) + 1);
        inRack.set(rack, (inRack.get(rack) ?? 0) + 1);
      }
      for (const rule of set.placement.apart) {
        if (rule.set !== other.name) continue;
        apart[rule.within].add({ host: host.name, rack, zone: host.zone }[rule.within]);
      }
      if (isNear(set, other.name)) nearZones.add(host.zone);
    }
  }
  const most = Math.max(20, fleet.hosts.length / 20);
  const common = new Set(set.images.filter((image) => fleet.hosts.filter((host) => host.images.includes(image)).length > most));
  return {
    set,
    inZone,
    inRack,
    total,
    zones: zones.size,
    apartHosts: apart.host,
    apartRacks: apart.rack,
    apartZones: apart.zone,
    nearZones,
    common,
  };
}

export function reserved(candidate: PlainHost, resource: ResourceName): number {
  return candidate.instances.reduce((sum, { set }) => sum + set.resources[resource], resource === "diskBytes" ? candidate.trashBytes : 0);
}

export function plainPasses(view: PlainView, candidate: PlainHost): boolean {
  const { set } = view;
  const { host, instances } = candidate;
  const core = instances.filter((instance) => instance.set.priority === "core").length;
  return (
    candidate.usable &&
    set.pools.includes(host.pool) &&
    set.needs.every((need) => candidate.capabilities.includes(need)) &&
    Object.entries(set.placement.hostLabels).every(([key, value]) => host.labels[key] === value) &&
    zoneAllowed(set, host.zone) &&
    RESOURCE_NAMES.every(
      (name) => set.resources[name] === 0 || reserved(candidate, name) + set.resources[name] <= candidate.capacity[name],
    ) &&
    (set.priority !== "core" || set.placement.maxCorePerHost === null || core < set.placement.maxCorePerHost) &&
    (set.placement.maxPerHost === null || countOf(candidate, set.name) < set.placement.maxPerHost) &&
    !view.apartHosts.has(host.name) &&
    !view.apartRacks.has(`${host.zone}/${host.rack}`) &&
    !view.apartZones.has(host.zone) &&
    set.hostPorts.every((port) => instances.every((instance) => !instance.set.hostPorts.includes(port)))
  );
}

export function plainScore(view: PlainView, candidate: PlainHost): number {
  const { set, inZone, inRack } = view;
  const { host } = candidate;
  const pack = set.placement.strategy === "pack";
  const share = (name: "cpuMillis" | "memoryBytes"): number => {
    const perUnit = candidate.capacity[name] > 0 ? 1 / candidate.capacity[name] : 0;
    return 1 - (candidate.capacity[name] - reserved(candidate, name) - set.resources[name]) * perUnit;
  };
  const cpu = share("cpuMillis");
  const memory = share("memoryBytes");
  const thirds = pack ? 1 + cpu + memory : 3 - Math.max(3 * cpu - memory, 3 * memory - cpu);
  const load = Math.max(0, Math.min(100, Math.floor((thirds * 100) / 3)));
  const among = (count: number): number => (pack ? (count > 0 ? 100 : 0) : Math.floor(100 / (1 + count)));
  const held = set.images.filter((image) => candidate.images.includes(image) && !view.common.has(image)).length;
  const images = held === 0 ? 0 : Math.floor((100 * held) / set.images.length);
  const isNearHost = candidate.instances.some((instance) => isNear(set, instance.set.name));
  const near = isNearHost ? 100 : view.nearZones.has(host.zone) ? 50 : 0;
  const here = inZone.get(host.zone) ?? 0;
  const zone = pack ? (here > 0 ? 100 : 0) : Math.max(0, 100 - Math.floor((50 * here * view.zones) / (view.total + 1)));
  const even = set.placement.zonesMin > 1 || set.placement.zonesSurvive > 0 ? -10_000 * here : 0;
  const rack = among(inRack.get(`${host.zone}/${host.rack}`) ?? 0);
  return even + 3 * load + 3 * among(countOf(candidate, set.name)) + rack + images + 2 * near + 2 * zone;
}

function countOf(candidate: PlainHost, set: string): number {
  return candidate.instances.filter((instance) => instance.set.name === set).length;
}

function zoneAllowed(set: DesiredSet, zone: string): boolean {
  return set.placement.zones.length === 0 || set.placement.zones.includes(zone);
}

function isNear(set: DesiredSet, other: string): boolean {
  return other !== set.name && set.placement.near.includes(other);
}
