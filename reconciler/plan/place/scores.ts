import type { DesiredSet } from "../../core/desired.ts";
import { BALANCES } from "./blocks.ts";
import { hasBit } from "./columns.ts";
import type { Query } from "./query.ts";

/** One reason to prefer a host: 0..100, whole, times its weight. */
export interface Scorer {
  readonly name: string;
  readonly weight: number;
  score(query: Query, position: number): number;
}

/**
 * At least the score of every usable host of a block, from what the block's bounds say. The tighter, the fewer hosts a
 * placement looks at.
 */
export interface BoundedScorer extends Scorer {
  bound(query: Query, block: number): number;
}

/** Takes care of the last digit in which a bound and a score, both rounded down, may be computed differently. */
const ROUNDING = 1e-6;

/**
 * Least requested (twice) and balance (once) of cpu and memory as they would be after the placement, as one
 * number: 100 · (2·(1 − larger) + (1 − |cpu − memory|)) / 3, which is 100 · (3 − max(3·cpu − memory, 3·memory − cpu)) / 3.
 * For `pack` most requested instead of least: 100 · (1 + cpu + memory) / 3.
 */
export const loadScorer: BoundedScorer = {
  name: "load",
  weight: 3,
  score: ({ index, set, pack }, position) => {
    const cpu = 1 - (index.free.cpuMillis[position]! - set.resources.cpuMillis) * index.perCpu[position]!;
    const memory = 1 - (index.free.memoryBytes[position]! - set.resources.memoryBytes) * index.perMemory[position]!;
    return toScore(pack ? 1 + cpu + memory : 3 - Math.max(3 * cpu - memory, 3 * memory - cpu));
  },
  bound: (query, block) => toScore((query.pack ? mostPacked(query, block) : 3 - leastLoaded(query, block)) + ROUNDING),
};

/** Few (or, to pack, any) Instances of the Set on the host. */
export const hostScorer: BoundedScorer = {
  name: "host",
  weight: 3,
  score: (query, position) => amongScore(query, query.inHost[position]!),
  bound: (query, block) => (query.pack ? rackScorer.bound(query, block) : 100),
};

/** Few (or, to pack, any) Instances of the Set in the rack. */
export const rackScorer: BoundedScorer = {
  name: "rack",
  weight: 1,
  score: (query, position) => amongScore(query, query.inRack[query.index.rack[position]!]!),
  bound: (query, block) => {
    if (query.count === 0) return query.pack ? 0 : 100;
    let best = 0;
    for (const rack of query.index.blocks.racks[block]!) best = Math.max(best, amongScore(query, query.inRack[rack]!));
    return best;
  },
};

/** A host with an Instance of a Set to be near to; half for one in its zone. */
export const nearScorer: BoundedScorer = {
  name: "near",
  weight: 2,
  score: ({ near, index }, position) => {
    if (near === null) return 0;
    if (near.hosts.has(position)) return 100;
    return near.zones.has(index.zone[position]!) ? 50 : 0;
  },
  bound: ({ near, index }, block) => {
    if (near === null) return 0;
    if (near.blocks.has(block)) return 100;
    return near.zones.has(index.blocks.zone[block]!) ? 50 : 0;
  },
};

/** Share of the Set's images that the host holds, the common ones left out. */
export const imageScorer: Scorer = {
  name: "images",
  weight: 1,
  score: ({ images, set }, position) => {
    let held = 0;
    for (const image of images) if (hasBit(image, position)) held++;
    return heldScore(set, held);
  },
};

/**
 * Spread: 50 in a zone with its even share of the Set, 100 in an empty one, 0 from twice the share. Pack: any. The same
 * for all hosts of a zone.
 */
export const zoneScorer: Scorer = {
  name: "zone",
  weight: 2,
  score: (query, position) => inZoneScore(query, query.index.zone[position]!),
};

export const SCORERS: readonly Scorer[] = [loadScorer, hostScorer, rackScorer, nearScorer, imageScorer, zoneScorer];

/** Off for each Instance in the zone, where the Set must be even over zones: more than all scores together can add. */
const EVEN_WEIGHT = 10_000;

/** Weighted sum of what differs between hosts that lie in one zone and hold as many of the Set's images. */
export function hostScore(query: Query, position: number): number {
  const load = loadScorer.weight * loadScorer.score(query, position);
  if (query.count === 0 && query.near === null) return load + (hostScorer.weight + rackScorer.weight) * amongScore(query, 0);
  return (
    load +
    hostScorer.weight * hostScorer.score(query, position) +
    rackScorer.weight * rackScorer.score(query, position) +
    nearScorer.weight * nearScorer.score(query, position)
  );
}

/** At least the hostScore of every usable host of the block. */
export function blockBound(query: Query, block: number): number {
  return (
    loadScorer.weight * loadScorer.bound(query, block) +
    hostScorer.weight * hostScorer.bound(query, block) +
    rackScorer.weight * rackScorer.bound(query, block) +
    nearScorer.weight * nearScorer.bound(query, block)
  );
}

/** The part of hosts that hold this many of the Set's images. */
export function imageScore({ set }: Query, held: number): number {
  return imageScorer.weight * heldScore(set, held);
}

/** The part of all hosts of a zone. */
export function zoneScore(query: Query, zone: number): number {
  const even = query.even ? -EVEN_WEIGHT * query.inZone[zone]! : 0;
  return even + zoneScorer.weight * inZoneScore(query, zone);
}

/** What the choice maximises: the weighted sum of all scorers, less what evenness takes off. */
export function totalScore(query: Query, position: number): number {
  const images = imageScorer.weight * imageScorer.score(query, position);
  return hostScore(query, position) + images + zoneScore(query, query.index.zone[position]!);
}

/** Thirds of 0..1 to whole 0..100. */
function toScore(thirds: number): number {
  return Math.max(0, Math.min(100, Math.floor((thirds * 100) / 3)));
}

function amongScore(query: Query, count: number): number {
  if (query.pack) return count > 0 ? 100 : 0;
  return count === 0 ? 100 : Math.floor(100 / (1 + count));
}

function heldScore(set: DesiredSet, held: number): number {
  return held === 0 ? 0 : Math.floor((100 * held) / set.images.length);
}

function inZoneScore(query: Query, zone: number): number {
  const here = query.inZone[zone]!;
  if (query.pack) return here > 0 ? 100 : 0;
  return Math.max(0, 100 - Math.floor((50 * here * query.zones.length) / (query.count + 1)));
}

/** At most what loadScorer takes off on any host of the block. */
function leastLoaded({ index, set }: Query, block: number): number {
  const { leastCpu, leastMemory, firstBalance, lastBalance, perCpu, perMemory } = index.blocks;
  const { cpuMillis, memoryBytes } = set.resources;
  const addedCpu = 3 * cpuMillis * perCpu.least[block]! - memoryBytes * perMemory.most[block]!;
  const addedMemory = 3 * memoryBytes * perMemory.least[block]! - cpuMillis * perCpu.most[block]!;
  const last = block * BALANCES + lastBalance[block]!;
  let least = Infinity;
  for (let balance = block * BALANCES + firstBalance[block]!; balance <= last; balance++) {
    least = Math.min(least, Math.max(leastCpu[balance]! + addedCpu, leastMemory[balance]! + addedMemory));
  }
  return least;
}

function mostPacked({ index, set }: Query, block: number): number {
  const { mostLoad, perCpu, perMemory } = index.blocks;
  return 1 + mostLoad[block]! + set.resources.cpuMillis * perCpu.most[block]! + set.resources.memoryBytes * perMemory.most[block]!;
}
