import { blockOf, hasBit, setBit } from "./columns.ts";
import { bitmapsOf, concerningFilters, hasOtherRoom, type HostFilter, passes } from "./filters.ts";
import type { Reservation } from "./host-index.ts";
import { countIn, forbidAround, type Query } from "./query.ts";
import { reserveAt } from "./reservations.ts";
import { extraScore, hostScore, mostExtra, mostLoadFor, packBound, spreadBound, zoneScore } from "./scores.ts";

/**
 * Best first: the hosts of the part that promises most are all looked at, until a host found is as good as anything
 * that any part still promises. A part is the hosts of a block, those apart that are preferred for an image or a
 * neighbour: a few of these would else make the whole block promise too much. Part 2·block has the others, part 2·block + 1
 * has these.
 */
export interface Search {
  readonly query: Query;
  readonly parts: readonly number[];
  /** Positions that pass the bitmap filters. */
  readonly candidates: Uint32Array;
  concerning: readonly HostFilter[];
  /** Positions that may have an extraScore. */
  readonly extras: Uint32Array;
  /** By zone: the score that all its hosts share. The scores of parts are without it. */
  readonly zoneScores: Float64Array;
  /** By part: the best host; -1 when none passes, and before a look. */
  readonly found: Int32Array;
  /** By part: the score of the best host, -Infinity when none passes. Before a look at least that. */
  readonly score: Float64Array;
  /** By zone: the part that bestPart would choose there; -1 for none, UNKNOWN when something changed there. */
  readonly bestOf: Int32Array;
}

const UNKNOWN = -2;

export function openSearch(query: Query): Search {
  const { candidates, extras, zoneScores, found, score, bestOf } = query.index.scratch;
  intersect(bitmapsOf(query), candidates);
  const parts = query.blocks.map((block) => 2 * block);
  if (markExtras(query, extras)) {
    for (const block of query.blocks) if ((extras[2 * block]! | extras[2 * block + 1]!) !== 0) parts.push(2 * block + 1);
  }
  found.fill(-1);
  score.fill(-Infinity);
  bestOf.fill(UNKNOWN);
  const search = { query, parts, candidates, concerning: concerningFilters(query), extras, zoneScores, found, score, bestOf };
  promise(search);
  if (query.pack) for (const position of query.index.placed.get(query.set.name) ?? []) lookAround(search, position);
  scoreZones(search);
  return search;
}

/** The best position, of equals the first by name; -1 when no host passes. Each round looks into one part more, so there are at most as many. */
export function pick(search: Search): number {
  const { found } = search;
  for (;;) {
    const part = bestPart(search);
    if (part < 0 || found[part]! >= 0) return part < 0 ? -1 : found[part]!;
    lookInto(search, part);
  }
}

/** Reserves the position for the Set and looks again where another host may be the best by it. */
export function occupy(search: Search, position: number, claim: Reservation): void {
  const { query } = search;
  const { index, apart, poolAddresses } = query;
  const pool = index.pool[position]!;
  const zone = index.zone[position]!;
  reserveAt(index, position, query.set.name, claim);
  countIn(query, position, 1);
  poolAddresses[pool]!--;
  for (const within of apart?.itself ?? []) forbidAround(index, apart!, position, within);
  lookAround(search, position);
  if (!query.pack) promiseOwn(search, position);
  if (poolAddresses[pool]! <= 0) for (const block of query.blocks) if (index.blocks.pool[block] === pool) lookAgain(search, block);
  if (apart?.itself.includes("zone") === true)
    for (const block of query.blocks) if (index.blocks.zone[block] === zone) lookAgain(search, block);
  scoreZones(search);
}

/** Leaves out a slot's own hosts, and lets those of the slot before in again. */
export function exclude(search: Search, avoid: readonly string[]): void {
  const { query } = search;
  if (avoid.length === 0 && query.excluded.size === 0) return;
  const before = query.excluded;
  query.excluded = new Set(avoid.flatMap((host) => query.index.positions.get(host) ?? []));
  search.concerning = concerningFilters(query);
  const blocks = new Set([...before, ...query.excluded].map(blockOf));
  for (const part of search.parts) if (blocks.has(part >> 1)) lookInto(search, part);
}

/** A host whose cpu and memory balance better by the Instance may score more than all hosts of its part did. */
function promiseOwn({ query, extras, score, bestOf }: Search, position: number): void {
  const part = 2 * blockOf(position) + (hasBit(extras, position) ? 1 : 0);
  bestOf[query.index.zone[position]!] = UNKNOWN;
  score[part] = Math.max(score[part]!, hostScore(query, position) + extraScore(query, position));
}

/** A place for one of the Set's Instances tells on the scores of its whole rack. */
function lookAround(search: Search, position: number): void {
  const { blocks, rack } = search.query.index;
  for (const block of blocks.ofRack[rack[position]!]!) lookAgain(search, block);
}

/**
 * Of what was found in the block, only the score is kept, as a promise: when spreading, a placement lowers the scores of all
 * hosts it touches save perhaps its own. To pack it raises those of its rack.
 */
function lookAgain(search: Search, block: number): void {
  const { found, query, score, bestOf } = search;
  bestOf[query.index.blocks.zone[block]!] = UNKNOWN;
  for (let part = 2 * block; part < 2 * block + 2; part++) {
    if (!query.pack) found[part] = -1;
    else if (score[part]! > -Infinity) lookInto(search, part);
  }
}

/** The part with the highest score, and among equals the one that has, or may have, the lowest rank; -1 when none has a host. */
function bestPart(search: Search): number {
  const { query, bestOf, score, zoneScores } = search;
  let best = -1;
  let highest = -Infinity;
  for (const zone of query.zones) {
    if (bestOf[zone] === UNKNOWN) bestOf[zone] = bestInZone(search, zone);
    const part = bestOf[zone]!;
    if (part < 0) continue;
    const total = score[part]! + zoneScores[zone]!;
    if (total < highest || (total === highest && rankOf(search, part) >= rankOf(search, best))) continue;
    best = part;
    highest = total;
  }
  return best;
}

/** bestPart of one zone, in which all share the score of the zone. */
function bestInZone(search: Search, zone: number): number {
  const { score } = search;
  let best = -1;
  let highest = -Infinity;
  for (const block of search.query.index.blocks.ofZone[zone]!) {
    for (let part = 2 * block; part < 2 * block + 2; part++) {
      const its = score[part]!;
      if (its < highest || its === -Infinity || (its === highest && rankOf(search, part) >= rankOf(search, best))) continue;
      best = part;
      highest = its;
    }
  }
  return best;
}

/** The rank of the part's best host; the lowest it can have before a look. */
function rankOf({ query, found }: Search, part: number): number {
  return found[part]! < 0 ? query.index.blocks.lowestRank[part >> 1]! : query.index.rank[found[part]!]!;
}

/**
 * Looks at every host of the part. Most of the time of a placement goes here: what has no room, or is too full to be better
 * than the best so far, is passed over at a glance; only the rest is scored exactly and asked the other filters.
 */
export function lookInto({ query, candidates, concerning, extras, found, score: scores, bestOf }: Search, part: number): void {
  const { index, set, needs, pack } = query;
  const { cpuMillis, memoryBytes } = index.free;
  const { perCpu, perMemory, rank } = index;
  const { cpuMillis: addedCpu, memoryBytes: addedMemory } = set.resources;
  const { cpuMillis: neededCpu, memoryBytes: neededMemory } = needs;
  const block = part >> 1;
  const extra = (part & 1) === 1;
  const end = query.poolAddresses[index.blocks.pool[block]!]! > 0 ? 2 * block + 2 : 0;
  let best = -1;
  let highest = -Infinity;
  let mostLoad = Infinity;
  for (let word = 2 * block; word < end; word++) {
    const positions = candidates[word]! & (extra ? extras[word]! : ~extras[word]!);
    for (let left = positions; left !== 0; left &= left - 1) {
      const position = word * 32 + 31 - Math.clz32(left & -left);
      const freeCpu = cpuMillis[position]!;
      const freeMemory = memoryBytes[position]!;
      if (neededCpu > freeCpu || neededMemory > freeMemory) continue;
      const cpu = 1 - (freeCpu - addedCpu) * perCpu[position]!;
      const memory = 1 - (freeMemory - addedMemory) * perMemory[position]!;
      if ((pack ? 2 - cpu - memory : cpu + memory + 2 * Math.abs(cpu - memory)) > mostLoad) continue;
      const score = hostScore(query, position) + (extra ? extraScore(query, position) : 0);
      if (score < highest || (score === highest && rank[position]! > rank[best]!)) continue;
      if (!hasOtherRoom(query, position) || !passes(query, concerning, position)) continue;
      best = position;
      highest = score;
      if (!extra) mostLoad = mostLoadFor(query, highest);
    }
  }
  found[part] = best;
  scores[part] = highest;
  bestOf[index.blocks.zone[block]!] = UNKNOWN;
}

/** Nothing is known of the parts yet but what their blocks may hold. */
function promise({ query, parts, score }: Search): void {
  const most = mostExtra(query);
  const bound = query.pack ? packBound : spreadBound;
  for (const part of parts) score[part] = (part & 1) === 0 ? bound(query, part >> 1) : score[part - 1]! + most;
}

function scoreZones({ query, zoneScores }: Search): void {
  for (const zone of query.zones) zoneScores[zone] = zoneScore(query, zone);
}

/** Marks the hosts that hold any of the Set's images, or an Instance to be near to. False when there is no such host. */
function markExtras({ images, near }: Query, extras: Uint32Array): boolean {
  extras.fill(0);
  for (const image of images) for (let word = 0; word < extras.length; word++) extras[word]! |= image[word]!;
  for (const position of near?.hosts ?? []) setBit(extras, position, true);
  return images.length > 0 || near !== null;
}

/** Writes the positions that are in all of the bitmaps. */
function intersect([first, ...others]: readonly Uint32Array[], into: Uint32Array): void {
  into.set(first!);
  for (const bitmap of others) {
    for (let word = 0; word < into.length; word++) into[word]! &= bitmap[word]!;
  }
}
