import type { Capability, DesiredHost, DesiredPool } from "../../core/desired.ts";
import type { Claim } from "../../core/memory.ts";
import { compareText } from "../../core/order.ts";
import { type Blocks, createBlocks, measureSizes } from "./blocks.ts";
import { BLOCK_SIZE, type HostColumns, newBitmap, resourceColumns, setBit } from "./columns.ts";

/** Why a host takes no new slots. */
export type Unusable = "cordoned" | "draining" | "held" | "unheard" | "unreachable" | "dead";

/** Codes of `HostIndex.unusable`; 0 is a usable host, the last an empty position. */
export const UNUSABLE_REASONS: readonly (Unusable | "usable" | "vacant")[] = [
  "usable",
  "cordoned",
  "draining",
  "held",
  "unheard",
  "unreachable",
  "dead",
  "vacant",
];
const VACANT = UNUSABLE_REASONS.indexOf("vacant");

export const CAPABILITIES: readonly Capability[] = ["docker", "lvm", "ovs", "tc", "cgroup"];

/** What one Instance takes on a host; core's Claim is one. */
export type Reservation = Pick<Claim, "resources" | "hostPorts" | "core">;

/**
 * The fleet as placement sees it: typed arrays by *position*, with hosts that differ little next to each other, so
 * that a block of 64 positions is described well by its extremes. All numbers are whole and add exactly; the
 * index is therefore the same after the same reservations in any order. Positions without a host are `vacant`.
 */
export interface HostIndex extends HostColumns {
  /** By position. */
  readonly hosts: readonly (DesiredHost | null)[];
  readonly hostCount: number;
  readonly positions: ReadonlyMap<string, number>;
  readonly poolsByName: ReadonlyMap<string, DesiredPool>;
  /** Addresses that can still be leased in a pool. */
  readonly freeAddresses: (pool: string) => number;

  /** Names by id, sorted. A zone of one name is one zone, also when two pools have hosts in it; a rack lies in its zone. */
  readonly pools: readonly string[];
  readonly zones: readonly string[];
  readonly racks: readonly string[];

  /** Positions (one bit each) that have a capability, in the order of CAPABILITIES. A host that reported nothing yet is taken to have all. */
  readonly capabilities: readonly Uint32Array[];
  /** Positions that carry a label `key=value`. */
  readonly labels: ReadonlyMap<string, Uint32Array>;
  /** A bitmap without any position. */
  readonly none: Uint32Array;
  /** 1 by zone id. */
  readonly everyZone: Uint8Array;
  readonly images: Map<string, ImageHolders>;
  readonly imagesOf: (readonly string[])[];
  /** How many Instances hold a port, by portKey; absent for none. */
  readonly hostPorts: Map<number, number>;
  /** Positions of a Set's Instances, one entry each, in no order. */
  readonly placed: Map<string, number[]>;

  readonly blocks: Blocks;
  readonly undo: UndoLog;
  /** Buffers of one placeSlots call; all zero between calls. */
  readonly scratch: Scratch;
}

export interface ImageHolders {
  readonly positions: Uint32Array;
  count: number;
}

/** Reservations and releases since the first open mark. */
export interface UndoLog {
  open: number;
  readonly entries: { readonly position: number; readonly set: string; readonly claim: Reservation; readonly sign: 1 | -1 }[];
}

/** Buffers of a Query and a Search, kept so that each call need not make its own. */
export interface Scratch {
  /** Zero between calls. */
  readonly inHost: Int32Array;
  readonly inRack: Int32Array;
  readonly inZone: Int32Array;
  /** Left as they are. */
  readonly candidates: Uint32Array;
  readonly extras: Uint32Array;
  readonly zoneScores: Float64Array;
  readonly found: Int32Array;
  readonly score: Float64Array;
  readonly bestOf: Int32Array;
}

/** `freeAddresses` tells how many Instances a pool has addresses for; without it there is no limit. */
export function createHostIndex(
  hosts: readonly DesiredHost[],
  pools: ReadonlyMap<string, DesiredPool>,
  freeAddresses: (pool: string) => number = () => Infinity,
): HostIndex {
  const sorted = layOut(hosts);
  const names = { pools: idsOf(sorted, (host) => host.pool), zones: idsOf(sorted, (host) => host.zone), racks: idsOf(sorted, rackKey) };
  const column = (value: (host: DesiredHost) => number): Int32Array =>
    fill(new Int32Array(sorted.length), (position) => (sorted[position] == null ? -1 : value(sorted[position])));
  const capacity = resourceColumns((resource) =>
    fill(new Float64Array(sorted.length), (position) => sorted[position]?.capacity[resource] ?? 0),
  );
  const byName = hosts.map((host) => host.name).sort(compareText);
  const ranks = numbered(byName);
  const rack = column((host) => names.racks.get(rackKey(host))!);
  const base = {
    hosts: sorted,
    hostCount: hosts.length,
    positions: positionsOf(sorted),
    poolsByName: pools,
    freeAddresses,
    pools: [...names.pools.keys()],
    zones: [...names.zones.keys()],
    racks: [...names.racks.keys()],
    pool: column((host) => names.pools.get(host.pool)!),
    zone: column((host) => names.zones.get(host.zone)!),
    rack,
    rank: column((host) => ranks.get(host.name)!),
    unusable: fill(new Uint8Array(sorted.length), (position) => unusableAtFirst(sorted[position]!)),
    usable: bitmapOf(sorted, (host) => unusableAtFirst(host) === 0),
    capacity,
    free: resourceColumns((resource) => capacity[resource].slice()),
    perCpu: capacity.cpuMillis.map(inverse),
    perMemory: capacity.memoryBytes.map(inverse),
    trash: new Float64Array(sorted.length),
    instanceCount: new Int32Array(sorted.length),
    coreCount: new Int32Array(sorted.length),
    capabilities: CAPABILITIES.map(() => bitmapOf(sorted, () => true)),
    labels: labelBitmaps(sorted),
  };
  const blocks = createBlocks(base.pool, base.zone, rack, names.zones.size, names.racks.size);
  for (let block = 0; block < blocks.count; block++) measureSizes(blocks, base, block);
  return {
    ...base,
    none: newBitmap(sorted.length),
    everyZone: new Uint8Array(names.zones.size).fill(1),
    images: new Map(),
    imagesOf: sorted.map(() => []),
    hostPorts: new Map(),
    placed: new Map(),
    blocks,
    undo: { open: 0, entries: [] },
    scratch: createScratch(sorted.length, names.racks.size, names.zones.size, blocks.count),
  };
}

function createScratch(positions: number, racks: number, zones: number, blocks: number): Scratch {
  return {
    inHost: new Int32Array(positions),
    inRack: new Int32Array(racks),
    inZone: new Int32Array(zones),
    candidates: newBitmap(positions),
    extras: newBitmap(positions),
    zoneScores: new Float64Array(zones),
    found: new Int32Array(2 * blocks),
    score: new Float64Array(2 * blocks),
    bestOf: new Int32Array(zones),
  };
}

export function unusableCode(reason: Unusable | null): number {
  return reason === null ? 0 : UNUSABLE_REASONS.indexOf(reason);
}

function unusableAtFirst(host: DesiredHost | null): number {
  if (host === null) return VACANT;
  return unusableCode(host.state === "active" ? null : host.state);
}

/** 1 / capacity; a host without any counts as full, not as empty. */
export function inverse(capacity: number): number {
  return capacity > 0 ? 1 / capacity : 0;
}

/**
 * Hosts sorted so that neighbours are alike (pool, zone, size, rack, name), filled up with null to the end of the block
 * wherever pool or zone change, so that no block spans two. Also where the size changes, as the bounds of hosts
 * of one size are much tighter; unless that would leave the block nearly empty.
 */
function layOut(hosts: readonly DesiredHost[]): (DesiredHost | null)[] {
  const sorted = [...hosts].sort(compareForLocality);
  const layout: (DesiredHost | null)[] = [];
  for (const [number, host] of sorted.entries()) {
    const before = sorted[number - 1];
    const elsewhere = before !== undefined && (before.pool !== host.pool || before.zone !== host.zone);
    const resized = before !== undefined && compareSize(before, host) !== 0 && layout.length % BLOCK_SIZE >= BLOCK_SIZE / 4;
    if (elsewhere || resized) fillBlock(layout);
    layout.push(host);
  }
  fillBlock(layout);
  return layout;
}

function fillBlock(layout: (DesiredHost | null)[]): void {
  while (layout.length % BLOCK_SIZE !== 0) layout.push(null);
}

function compareForLocality(a: DesiredHost, b: DesiredHost): number {
  return (
    compareText(a.pool, b.pool) ||
    compareText(a.zone, b.zone) ||
    compareSize(a, b) ||
    compareText(a.rack, b.rack) ||
    compareText(a.name, b.name)
  );
}

function compareSize(a: DesiredHost, b: DesiredHost): number {
  return a.capacity.cpuMillis - b.capacity.cpuMillis || a.capacity.memoryBytes - b.capacity.memoryBytes;
}

/** By a loop, which takes a tenth of the time of `from`. */
function fill<Column extends Int32Array | Float64Array | Uint8Array>(column: Column, value: (position: number) => number): Column {
  for (let position = 0; position < column.length; position++) column[position] = value(position);
  return column;
}

/** Ids 0.. of the distinct keys, in the keys' order. */
function idsOf(hosts: readonly (DesiredHost | null)[], key: (host: DesiredHost) => string): Map<string, number> {
  const keys = new Set<string>();
  for (const host of hosts) if (host !== null) keys.add(key(host));
  return numbered([...keys].sort(compareText));
}

function numbered(names: readonly string[]): Map<string, number> {
  const numbers = new Map<string, number>();
  for (const name of names) numbers.set(name, numbers.size);
  return numbers;
}

function positionsOf(hosts: readonly (DesiredHost | null)[]): Map<string, number> {
  const positions = new Map<string, number>();
  for (let position = 0; position < hosts.length; position++) {
    const host = hosts[position]!;
    if (host !== null) positions.set(host.name, position);
  }
  return positions;
}

function rackKey(host: DesiredHost): string {
  return `${host.zone}/${host.rack}`;
}

function bitmapOf(hosts: readonly (DesiredHost | null)[], holds: (host: DesiredHost) => boolean): Uint32Array {
  const bitmap = newBitmap(hosts.length);
  for (const [position, host] of hosts.entries()) if (host !== null && holds(host)) setBit(bitmap, position, true);
  return bitmap;
}

function labelBitmaps(hosts: readonly (DesiredHost | null)[]): Map<string, Uint32Array> {
  const bitmaps = new Map<string, Uint32Array>();
  for (const [position, host] of hosts.entries()) {
    for (const [key, value] of Object.entries(host?.labels ?? {})) {
      const label = `${key}=${value}`;
      const bitmap = bitmaps.get(label) ?? newBitmap(hosts.length);
      setBit(bitmap, position, true);
      bitmaps.set(label, bitmap);
    }
  }
  return bitmaps;
}
