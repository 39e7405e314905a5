import { formatBytesRounded, formatCpu, formatRate } from "../../core/units.ts";
import type { ResourceName } from "../../core/resources.ts";
import { hasBit } from "./columns.ts";
import { CAPABILITIES, type HostIndex, UNUSABLE_REASONS } from "./host-index.ts";
import { portKey } from "./reservations.ts";
import type { Query } from "./query.ts";

/** One reason why a host can't take an Instance: how to find out, and how to say it. */
export interface Filter {
  readonly name: string;
  /** True when the host passes. */
  check(query: Query, position: number): boolean;
  /** What is said of the hosts that fail (at least one), e.g. `3 lack memory (need 4Gi, most free 2Gi on a-1)`. */
  explain(query: Query, positions: readonly number[]): string;
}

/** Passes hosts whose bit is set in all of some bitmaps, so that 32 hosts are asked at once. */
export interface BitmapFilter extends Filter {
  bitmaps(query: Query): readonly Uint32Array[];
}

/** Asks about other Instances. */
export interface HostFilter extends Filter {
  /** False when every host passes for this Set. */
  concerns(query: Query): boolean;
}

export const poolFilter: Filter = {
  name: "pool",
  check: (query, position) => query.poolAllowed[query.index.pool[position]!] === 1,
  explain: (query, { length }) => `${length} in other pools than ${query.set.pools.join(", ")}`,
};

const stateFilter = bitmapFilter(
  "state",
  (query) => [query.index.usable],
  (query, positions) =>
    UNUSABLE_REASONS.map((reason, code) => ({ reason, count: positions.filter((p) => query.index.unusable[p] === code).length }))
      .filter(({ count }) => count > 0)
      .map(({ reason, count }) => `${count} ${reason}`)
      .join(", "),
);

const capabilityFilter = bitmapFilter(
  "capability",
  ({ index, set }) => set.needs.map((need) => index.capabilities[CAPABILITIES.indexOf(need)]!),
  ({ index, set }, positions) => {
    const missing = set.needs.filter((need) =>
      positions.some((position) => !hasBit(index.capabilities[CAPABILITIES.indexOf(need)]!, position)),
    );
    return `${positions.length} without ${missing.join(" or ")}`;
  },
);

const labelsFilter = bitmapFilter(
  "labels",
  (query) => labelsOf(query).map((label) => query.index.labels.get(label) ?? query.index.none),
  (query, { length }) => {
    const labels = labelsOf(query);
    return `${length} without ${labels.length === 1 ? "label" : "labels"} ${labels.join(", ")}`;
  },
);

const zoneFilter: Filter = {
  name: "zone",
  check: (query, position) => query.zoneAllowed[query.index.zone[position]!] === 1,
  explain: (_query, { length }) => `${length} in ${length === 1 ? "another zone" : "other zones"}`,
};

/** Falls to nothing while slots are placed. */
const addressFilter: Filter = {
  name: "address",
  check: (query, position) => query.poolAddresses[query.index.pool[position]!]! > 0,
  explain: (_query, { length }) => `${length} in a pool without a free address`,
};

const corePerHostFilter: HostFilter = {
  name: "core per host",
  concerns: (query) => query.maxCorePerHost < Infinity,
  check: (query, position) => query.index.coreCount[position]! < query.maxCorePerHost,
  explain: (query, { length }) => `${length} with ${query.maxCorePerHost} core Instances already (the most allowed)`,
};

const maxPerHostFilter: HostFilter = {
  name: "max per host",
  concerns: (query) => query.maxPerHost < Infinity,
  check: (query, position) => query.inHost[position]! < query.maxPerHost,
  explain: (query, { length }) => `${length} with ${query.maxPerHost} of this Set already (maxPerHost)`,
};

const apartFilter: HostFilter = {
  name: "apart",
  concerns: (query) => query.apart !== null,
  check: ({ apart, index }, position) =>
    apart === null || !(apart.hosts.has(position) || apart.racks.has(index.rack[position]!) || apart.zones.has(index.zone[position]!)),
  explain: (query, { length }) => `${length} too near to ${query.apart?.sets.join(", ")}`,
};

const excludedFilter: HostFilter = {
  name: "excluded",
  concerns: (query) => query.excluded.size > 0,
  check: (query, position) => !query.excluded.has(position),
  explain: (_query, { length }) => `${length} where it failed before`,
};

const hostPortFilter: HostFilter = {
  name: "host ports",
  concerns: (query) => query.set.hostPorts.length > 0,
  check: ({ index, set }, position) => set.hostPorts.every((port) => !index.hostPorts.has(portKey(position, port))),
  explain: ({ index, set }, positions) => {
    const taken = set.hostPorts.filter((port) => positions.some((position) => index.hostPorts.has(portKey(position, port))));
    return `${positions.length} with host port ${taken.join(", ")} taken`;
  },
};

const cpuFilter = resourceFilter("cpu", "cpuMillis", formatCpu);
const memoryFilter = resourceFilter("memory", "memoryBytes", formatBytesRounded);
const diskFilter = resourceFilter("disk", "diskBytes", formatBytesRounded, ({ capacity, trash }, position) => {
  const trashBytes = trash[position]!;
  if (trashBytes === 0) return "";
  return `, where ${formatBytesRounded(trashBytes)} of ${formatBytesRounded(capacity.diskBytes[position]!)} are in the trash`;
});
const ingressFilter = resourceFilter("ingress bandwidth", "ingressBps", formatRate);
const egressFilter = resourceFilter("egress bandwidth", "egressBps", formatRate);

export const BITMAP_FILTERS: readonly BitmapFilter[] = [stateFilter, capabilityFilter, labelsFilter];
const HOST_FILTERS: readonly HostFilter[] = [corePerHostFilter, maxPerHostFilter, apartFilter, excludedFilter, hostPortFilter];

/** In the order in which a host is judged; the first that fails is the one that is told. */
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

/** Bitmaps in all of which a host must have its bit. */
export function bitmapsOf(query: Query): Uint32Array[] {
  return BITMAP_FILTERS.flatMap((filter) => filter.bitmaps(query));
}

/** The filters about other Instances that can reject any host for this Set. */
export function concerningFilters(query: Query): HostFilter[] {
  return HOST_FILTERS.filter((filter) => filter.concerns(query));
}

export function passes(query: Query, filters: readonly Filter[], position: number): boolean {
  for (const filter of filters) if (!filter.check(query, position)) return false;
  return true;
}

/** Room beside cpu and memory; written out, as it is asked so often. */
export function hasOtherRoom({ needs, index }: Query, position: number): boolean {
  const { diskBytes, ingressBps, egressBps } = index.free;
  return needs.diskBytes <= diskBytes[position]! && needs.ingressBps <= ingressBps[position]! && needs.egressBps <= egressBps[position]!;
}

function bitmapFilter(name: string, bitmaps: BitmapFilter["bitmaps"], explain: Filter["explain"]): BitmapFilter {
  return { name, bitmaps, explain, check: (query, position) => bitmaps(query).every((bitmap) => hasBit(bitmap, position)) };
}

function labelsOf({ set }: Query): string[] {
  return Object.entries(set.placement.hostLabels).map(([key, value]) => `${key}=${value}`);
}

/** Room for the request, `more` about the host with the most of it; a resource that is not asked for never stands in the way, not even on an overfull host. */
function resourceFilter(
  name: string,
  resource: ResourceName,
  format: (value: number) => string,
  more: (index: HostIndex, position: number) => string = () => "",
): Filter {
  return {
    name,
    check: (query, position) => query.needs[resource] <= query.index.free[resource][position]!,
    explain: (query, positions) => {
      const { free, rank, hosts } = query.index;
      const best = positions.reduce((best, position) => {
        const more = free[resource][position]! - free[resource][best]!;
        return more > 0 || (more === 0 && rank[position]! < rank[best]!) ? position : best;
      });
      const most = format(Math.max(0, free[resource][best]!));
      const lack = positions.length === 1 ? "lacks" : "lack";
      return `${positions.length} ${lack} ${name} (need ${format(query.needs[resource])}, most free ${most} on ${hosts[best]!.name}${more(query.index, best)})`;
    },
  };
}
