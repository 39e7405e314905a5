import { formatBytesRounded, formatCpu, formatRate } from "../../core/units.ts";
import type { ResourceName } from "../../core/resources.ts";
import { hasBit } from "./columns.ts";
import { capabilityNames, UNUSABLE_REASONS } from "./host-index.ts";
import { portKey } from "./reservations.ts";
import type { Query } from "./query.ts";

/** One reason why a host can't take an Instance: how to find out, and how to say it. */
export interface Filter {
  readonly name: string;
  /** True when the host passes. */
  check(query: Query, position: number): boolean;
  /** False only when no usable host of the block passes. */
  checkBlock(query: Query, block: number): boolean;
  /** What is said of the hosts that fail (at least one), e.g. `3 lack memory (need 4Gi, most free 2Gi on a-1)`. */
  explain(query: Query, positions: readonly number[]): string;
}

export const poolFilter: Filter = {
  name: "pool",
  check: (query, position) => query.poolAllowed[query.index.pool[position]!] === 1,
  checkBlock: (query, block) => query.poolAllowed[query.index.blocks.pool[block]!] === 1,
  explain: (query, { length }) => `${length} in other pools than ${query.set.pools.join(", ")}`,
};

export const stateFilter: Filter = {
  name: "state",
  check: (query, position) => query.index.unusable[position] === 0,
  checkBlock: (query, block) => query.index.blocks.usable[block]! > 0,
  explain: (query, positions) =>
    UNUSABLE_REASONS.map((reason, code) => ({ reason, count: positions.filter((p) => query.index.unusable[p] === code).length }))
      .filter(({ count }) => count > 0)
      .map(({ reason, count }) => `${count} ${reason}`)
      .join(", "),
};

export const capabilityFilter: Filter = {
  name: "capability",
  check: (query, position) => (query.index.capabilities[position]! & query.capabilities) === query.capabilities,
  checkBlock: (query, block) => (query.index.blocks.capabilities[block]! & query.capabilities) === query.capabilities,
  explain: (query, positions) => {
    const missing = positions.reduce((mask, position) => mask | (query.capabilities & ~query.index.capabilities[position]!), 0);
    return `${positions.length} without ${capabilityNames(missing).join(" or ")}`;
  },
};

export const labelsFilter: Filter = {
  name: "labels",
  check: (query, position) => query.labelled === null || hasBit(query.labelled, position),
  checkBlock: ({ labelled }, block) => labelled === null || (labelled[2 * block]! | labelled[2 * block + 1]!) !== 0,
  explain: (query, { length }) => {
    const labels = Object.entries(query.set.placement.hostLabels).map(([key, value]) => `${key}=${value}`);
    return `${length} without ${labels.length === 1 ? "label" : "labels"} ${labels.join(", ")}`;
  },
};

export const zoneFilter: Filter = {
  name: "zone",
  check: (query, position) => query.zoneAllowed[query.index.zone[position]!] === 1,
  checkBlock: (query, block) => query.zoneAllowed[query.index.blocks.zone[block]!] === 1,
  explain: (_query, { length }) => `${length} in ${length === 1 ? "another zone" : "other zones"}`,
};

export const cpuFilter = resourceFilter("cpu", "cpuMillis", formatCpu);
export const memoryFilter = resourceFilter("memory", "memoryBytes", formatBytesRounded);
export const diskFilter = resourceFilter("disk", "diskBytes", formatBytesRounded);
export const ingressFilter = resourceFilter("ingress bandwidth", "ingressBps", formatRate);
export const egressFilter = resourceFilter("egress bandwidth", "egressBps", formatRate);

export const addressFilter: Filter = {
  name: "address",
  check: (query, position) => query.poolAddresses[query.index.pool[position]!]! > 0,
  checkBlock: (query, block) => query.poolAddresses[query.index.blocks.pool[block]!]! > 0,
  explain: (_query, { length }) => `${length} in a pool without a free address`,
};

export const corePerHostFilter: Filter = {
  name: "core per host",
  check: (query, position) => query.index.coreCount[position]! < query.maxCorePerHost,
  checkBlock: () => true,
  explain: (query, { length }) => `${length} with ${query.maxCorePerHost} core Instances already (the most allowed)`,
};

export const maxPerHostFilter: Filter = {
  name: "max per host",
  check: (query, position) => query.inHost[position]! < query.maxPerHost,
  checkBlock: () => true,
  explain: (query, { length }) => `${length} with ${query.maxPerHost} of this Set already (maxPerHost)`,
};

export const apartFilter: Filter = {
  name: "apart",
  check: ({ apart, index }, position) =>
    apart === null || !(apart.hosts.has(position) || apart.racks.has(index.rack[position]!) || apart.zones.has(index.zone[position]!)),
  checkBlock: ({ apart, index }, block) => apart === null || !apart.zones.has(index.blocks.zone[block]!),
  explain: (query, { length }) => `${length} too near to ${query.apart?.sets.join(", ")}`,
};

export const excludedFilter: Filter = {
  name: "excluded",
  check: (query, position) => !query.excluded.has(position),
  checkBlock: () => true,
  explain: (_query, { length }) => `${length} where it failed before`,
};

export const hostPortFilter: Filter = {
  name: "host ports",
  check: ({ index, set }, position) => set.hostPorts.every((port) => !index.hostPorts.has(portKey(position, port))),
  checkBlock: () => true,
  explain: ({ index, set }, positions) => {
    const taken = set.hostPorts.filter((port) => positions.some((position) => index.hostPorts.has(portKey(position, port))));
    return `${positions.length} with host port ${taken.join(", ")} taken`;
  },
};

/** In the order in which they are asked; the first that fails is the one that is told. */
export const FILTERS: readonly Filter[] = [
  poolFilter,
  stateFilter,
  capabilityFilter,
  labelsFilter,
  zoneFilter,
  cpuFilter,
  memoryFilter,
  diskFilter,
  ingressFilter,
  egressFilter,
  addressFilter,
  corePerHostFilter,
  maxPerHostFilter,
  apartFilter,
  excludedFilter,
  hostPortFilter,
];

/** FILTERS.every(check), written out so that each call has one known target; a test holds the two equal. */
export function passes(query: Query, position: number): boolean {
  return (
    stateFilter.check(query, position) &&
    cpuFilter.check(query, position) &&
    memoryFilter.check(query, position) &&
    diskFilter.check(query, position) &&
    ingressFilter.check(query, position) &&
    egressFilter.check(query, position) &&
    capabilityFilter.check(query, position) &&
    labelsFilter.check(query, position) &&
    poolFilter.check(query, position) &&
    zoneFilter.check(query, position) &&
    addressFilter.check(query, position) &&
    corePerHostFilter.check(query, position) &&
    maxPerHostFilter.check(query, position) &&
    apartFilter.check(query, position) &&
    excludedFilter.check(query, position) &&
    hostPortFilter.check(query, position)
  );
}

/** False only when no host of the block passes all filters. */
export function blockMayPass(query: Query, block: number): boolean {
  for (const filter of FILTERS) if (!filter.checkBlock(query, block)) return false;
  return true;
}

/** Room for the request; a resource that is not asked for never stands in the way, not even on an overfull host. */
function resourceFilter(name: string, resource: ResourceName, format: (value: number) => string): Filter {
  return {
    name,
    check: (query, position) => query.needs[resource] <= query.index.free[resource][position]!,
    checkBlock: (query, block) => query.needs[resource] <= query.index.blocks.mostFree[resource][block]!,
    explain: (query, positions) => {
      const { free, rank, hosts } = query.index;
      const best = positions.reduce((best, position) => {
        const more = free[resource][position]! - free[resource][best]!;
        return more > 0 || (more === 0 && rank[position]! < rank[best]!) ? position : best;
      });
      const most = format(Math.max(0, free[resource][best]!));
      const lack = positions.length === 1 ? "lacks" : "lack";
      return `${positions.length} ${lack} ${name} (need ${format(query.needs[resource])}, most free ${most} on ${hosts[best]!.name})`;
    },
  };
}
