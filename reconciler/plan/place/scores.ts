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

/** Takes care of the last digit in which a bound and a score, both rounded down, may be computed differently. */
const ROUNDING = 1e-6;

/**
 * Least requested (twice) and balance (once) of cpu and memory as they would be after the placement, as one
 * number: 100 · (2·(1 − larger) + (1 − |cpu − memory|)) / 3, which is 100 · (3 − max(3·cpu − memory, 3·memory − cpu)) / 3.
 * For `pack` most requested instead of least: 100 · (1 + cpu + memory) / 3.
 */
export const loadScorer: Scorer = {
  name: "load",
  weight: 3,
  score: loadScore,
};

/** Few (or, to pack, any) Instances of the Set on the host. */
export const hostScorer: Scorer = {
  name: "host",
  weight: 3,
  score: (query, position) => amongScore(query.pack, query.inHost[position]!),
};

/** Few (or, to pack, any) Instances of the Set in the rack. */
export const rackScorer: Scorer = {
  name: "rack",
  weight: 1,
  score: (query, position) => amongScore(query.pack, query.inRack[query.index.rack[position]!]!),
};

/** A host with an Instance of a Set to be near to; half for one in its zone. */
export const nearScorer: Scorer = {
  name: "near",
  weight: 2,
  score: (query, position) => (query.near?.hosts.has(position) === true ? 100 : nearZoneScore(query, query.index.zone[position]!)),
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

/** The part that all hosts of a zone share. */
export function zoneScore(query: Query, zone: number): number {
  const even = query.even ? -EVEN_WEIGHT * query.inZone[zone]! : 0;
  return even + zoneScorer.weight * inZoneScore(query, zone) + nearScorer.weight * nearZoneScore(query, zone);
}

/** The part of load, host and rack. Without the scorer objects, as it is asked most often. */
export function hostScore(query: Query, position: number): number {
  const { pack } = query;
  const load = loadScorer.weight * loadScore(query, position);
  if (query.count === 0) return load + (hostScorer.weight + rackScorer.weight) * amongScore(pack, 0);
  const host = amongScore(pack, query.inHost[position]!);
  const rack = amongScore(pack, query.inRack[query.index.rack[position]!]!);
  return load + hostScorer.weight * host + rackScorer.weight * rack;
}

/** What a host has beyond the hosts of its zone that hold neither an image of the Set nor an Instance to be near to. */
export function extraScore(query: Query, position: number): number {
  const near = nearScorer.score(query, position) - nearZoneScore(query, query.index.zone[position]!);
  return imageScorer.weight * imageScorer.score(query, position) + nearScorer.weight * near;
}

/** At least the extraScore of any host. */
export function mostExtra({ images, near, set }: Query): number {
  return imageScorer.weight * heldScore(set, images.length) + (near === null ? 0 : 100 * nearScorer.weight);
}

/**
 * A host that takes more than this off its load score has a hostScore below `score`; what it takes off is in thirds:
 * 2 − cpu − memory to pack, else the larger of 3·cpu − memory and 3·memory − cpu, which is cpu + memory + 2·|cpu − memory|.
 */
export function mostLoadFor({ count, pack }: Query, score: number): number {
  const among = (hostScorer.weight + rackScorer.weight) * (count === 0 ? amongScore(pack, 0) : 100);
  return score <= among ? Infinity : 3 - (3 * (score - among)) / (100 * loadScorer.weight) + ROUNDING;
}

/** When spreading: at least the score, without extras and the part of the zone, of every usable host of the block. */
export function spreadBound(query: Query, block: number): number {
  return loadScorer.weight * toScore(3 - leastLoaded(query, block) + ROUNDING) + (hostScorer.weight + rackScorer.weight) * 100;
}

/** When packing: at least that, of every usable host of a block in whose racks there is no Instance of the Set. */
export function packBound({ index, set }: Query, block: number): number {
  const { mostLoad, perCpu, perMemory } = index.blocks;
  const added = set.resources.cpuMillis * perCpu.most[block]! + set.resources.memoryBytes * perMemory.most[block]!;
  return loadScorer.weight * toScore(1 + mostLoad[block]! + added + ROUNDING);
}

/** What the choice maximises: the weighted sum of all scorers, less what evenness takes off. */
export function totalScore(query: Query, position: number): number {
  let total = query.even ? -EVEN_WEIGHT * query.inZone[query.index.zone[position]!]! : 0;
  for (const scorer of SCORERS) total += scorer.weight * scorer.score(query, position);
  return total;
}

function loadScore({ index, set, pack }: Query, position: number): number {
  const cpu = 1 - (index.free.cpuMillis[position]! - set.resources.cpuMillis) * index.perCpu[position]!;
  const memory = 1 - (index.free.memoryBytes[position]! - set.resources.memoryBytes) * index.perMemory[position]!;
  return toScore(pack ? 1 + cpu + memory : 3 - Math.max(3 * cpu - memory, 3 * memory - cpu));
}

/** Thirds of 0..1 to whole 0..100. */
function toScore(thirds: number): number {
  return Math.max(0, Math.min(100, Math.floor((thirds * 100) / 3)));
}

/** 0..100 by the number of the Set's Instances that are there. */
export function amongScore(pack: boolean, count: number): number {
  if (pack) return count > 0 ? 100 : 0;
  return count === 0 ? 100 : Math.floor(100 / (1 + count));
}

function heldScore(set: DesiredSet, held: number): number {
  return held === 0 ? 0 : Math.floor((100 * held) / set.images.length);
}

function nearZoneScore({ near }: Query, zone: number): number {
  return near?.zones.has(zone) === true ? 50 : 0;
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
    const cpuLoad = leastCpu[balance]! + addedCpu;
    const memoryLoad = leastMemory[balance]! + addedMemory;
    const load = cpuLoad > memoryLoad ? cpuLoad : memoryLoad;
    if (load < least) least = load;
  }
  return least;
}
