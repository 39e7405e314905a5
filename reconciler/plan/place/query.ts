import type { ApartRule, DesiredSet } from "../../core/desired.ts";
import { sortedUnique } from "../../core/order.ts";
import { RESOURCE_NAMES, type ResourceName } from "../../core/resources.ts";
import { NO_RANK, refreshBlocks } from "./blocks.ts";
import type { HostIndex } from "./host-index.ts";

/** What one Set asks for, made ready to be compared with hosts. Open from openQuery to closeQuery. */
export interface Query {
  readonly index: HostIndex;
  readonly set: DesiredSet;
  /** What an Instance reserves; -Infinity for a resource it does not ask for. */
  readonly needs: Readonly<Record<ResourceName, number>>;
  /** 1 by pool or zone id. */
  readonly poolAllowed: Uint8Array;
  readonly zoneAllowed: Uint8Array;
  /** Addresses left by pool id; falls as slots are placed. */
  readonly poolAddresses: number[];
  readonly maxCorePerHost: number;
  readonly maxPerHost: number;
  /** Where other Sets' Instances forbid a place; null: nowhere. */
  readonly apart: Apart | null;
  /** Positions one slot must not go to; changes from slot to slot. */
  excluded: ReadonlySet<number>;

  /** Instances of this Set by position, by rack and zone id, and in all. */
  readonly inHost: Int32Array;
  readonly inRack: Int32Array;
  readonly inZone: Int32Array;
  count: number;
  /** Blocks in the Set's pools and zones with a usable host, and the zones of these, whatever room there is. */
  readonly blocks: readonly number[];
  readonly zones: readonly number[];
  /** Zones come before all else: the Set must be even over them. */
  readonly even: boolean;
  readonly pack: boolean;
  /** Where those of the Set's images are that are not common. */
  readonly images: readonly Uint32Array[];
  /** Where Instances of the Sets to be near to are; null: nowhere. */
  readonly near: Near | null;
}

export interface Apart {
  readonly sets: readonly string[];
  readonly hosts: Set<number>;
  readonly racks: Set<number>;
  readonly zones: Set<number>;
  /** How far the Set keeps apart from itself: each placement forbids more. Mostly empty. */
  readonly itself: readonly ApartRule["within"][];
}

export interface Near {
  readonly hosts: ReadonlySet<number>;
  readonly zones: ReadonlySet<number>;
}

/** More holders than this, and than one host in this many, and an image is common. */
const COMMON = 20;

const NO_POSITIONS: ReadonlySet<number> = new Set();

/** Takes the index's scratch buffers: only one query may be open at a time. */
export function openQuery(index: HostIndex, set: DesiredSet): Query {
  refreshBlocks(index.blocks, index);
  const { placement } = set;
  const poolAllowed = allowed(index.pools, set.pools);
  const zoneAllowed = placement.zones.length === 0 ? index.everyZone : allowed(index.zones, placement.zones);
  const query: Query = {
    index,
    set,
    needs: needsOf(set),
    poolAllowed,
    zoneAllowed,
    poolAddresses: index.pools.map((pool) => index.freeAddresses(pool)),
    maxCorePerHost: set.priority === "core" ? (placement.maxCorePerHost ?? Infinity) : Infinity,
    maxPerHost: placement.maxPerHost ?? Infinity,
    apart: apartOf(index, set),
    excluded: NO_POSITIONS,
    inHost: index.scratch.inHost,
    inRack: index.scratch.inRack,
    inZone: index.scratch.inZone,
    count: 0,
    ...openBlocks(index, poolAllowed, zoneAllowed),
    even: placement.zonesMin > 1 || placement.zonesSurvive > 0,
    pack: placement.strategy === "pack",
    images: set.images.flatMap((image) => rareHolders(index, image)),
    near: nearOf(index, set),
  };
  for (const position of index.placed.get(set.name) ?? []) countIn(query, position, 1);
  return query;
}

/** Gives the buffers back, zeroed. */
export function closeQuery(query: Query): void {
  for (const position of query.index.placed.get(query.set.name) ?? []) countIn(query, position, -1);
}

/** The Set has one Instance more (or less) at the position. */
export function countIn(query: Query, position: number, sign: 1 | -1): void {
  const { rack, zone } = query.index;
  query.inHost[position]! += sign;
  query.inRack[rack[position]!]! += sign;
  query.inZone[zone[position]!]! += sign;
  query.count += sign;
}

function needsOf(set: DesiredSet): Record<ResourceName, number> {
  const needs = { ...set.resources };
  for (const resource of RESOURCE_NAMES) if (needs[resource] === 0) needs[resource] = -Infinity;
  return needs;
}

/**
 * An image that many hosts hold says little for a host: it is pulled once and serves all that come. If it counted,
 * a new host would stay empty for want of what every host gets anyway.
 */
function rareHolders(index: HostIndex, image: string): readonly Uint32Array[] {
  const holders = index.images.get(image);
  return holders === undefined || holders.count > Math.max(COMMON, index.hostCount / COMMON) ? [] : [holders.positions];
}

/** 1 by id for the names that are wanted. */
function allowed(names: readonly string[], wanted: readonly string[]): Uint8Array {
  const flags = new Uint8Array(names.length);
  for (const name of wanted) {
    const id = names.indexOf(name);
    if (id >= 0) flags[id] = 1;
  }
  return flags;
}

function openBlocks(index: HostIndex, poolAllowed: Uint8Array, zoneAllowed: Uint8Array): Pick<Query, "blocks" | "zones"> {
  const { pool, zone, lowestRank, count } = index.blocks;
  const blocks: number[] = [];
  const zones: number[] = [];
  for (let block = 0; block < count; block++) {
    const itsZone = zone[block]!;
    if (lowestRank[block] === NO_RANK || poolAllowed[pool[block]!] === 0 || zoneAllowed[itsZone] === 0) continue;
    blocks.push(block);
    if (!zones.includes(itsZone)) zones.push(itsZone);
  }
  return { blocks, zones };
}

/** What the Set's rules come to now; Desired has each rule on both sides. */
function apartOf(index: HostIndex, set: DesiredSet): Apart | null {
  const rules = set.placement.apart;
  if (rules.length === 0) return null;
  const apart: Apart = {
    sets: sortedUnique(rules.map((rule) => rule.set)),
    hosts: new Set(),
    racks: new Set(),
    zones: new Set(),
    itself: rules.filter((rule) => rule.set === set.name).map((rule) => rule.within),
  };
  for (const { set: other, within } of rules) {
    for (const position of index.placed.get(other) ?? []) forbidAround(index, apart, position, within);
  }
  return apart;
}

/** No place in the host, rack or zone of the position. */
export function forbidAround(index: HostIndex, apart: Apart, position: number, within: ApartRule["within"]): void {
  if (within === "host") apart.hosts.add(position);
  if (within === "rack") apart.racks.add(index.rack[position]!);
  if (within === "zone") apart.zones.add(index.zone[position]!);
}

function nearOf(index: HostIndex, set: DesiredSet): Near | null {
  const positions = set.placement.near.filter((name) => name !== set.name).flatMap((name) => index.placed.get(name) ?? []);
  if (positions.length === 0) return null;
  return {
    hosts: new Set(positions),
    zones: new Set(positions.map((position) => index.zone[position]!)),
  };
}
