import { refreshBlock } from "./blocks.ts";
import { blockOf } from "./columns.ts";
import { bitmapsOf, blockMayPass, concerningFilters, type HostFilter, passesRest } from "./filters.ts";
import type { Reservation } from "./host-index.ts";
import { countIn, forbidAround, type Query } from "./query.ts";
import { reserveAt } from "./reservations.ts";
import { blockBound, hostScore, imageScore, zoneScore } from "./scores.ts";

/**
 * Best first over blocks: look into the block that promises most, until a host found is as good as anything that
 * any block still promises. Within a block the hosts that hold most of the Set's images are looked at first: a few
 * of these would else make the whole block promise too much.
 */
export interface Search {
  readonly query: Query;
  /** Blocks some host of which may pass. */
  readonly blocks: readonly number[];
  /** Positions that pass the bitmap filters. */
  readonly candidates: Uint32Array;
  concerning: readonly HostFilter[];
  /** By zone: the part of the score that all its hosts share. The scores below are without it. */
  readonly zoneScores: Float64Array;

  /** By block: the best host looked at, -1 before, and its score, -Infinity before. */
  readonly found: Int32Array;
  readonly foundScore: Float64Array;
  /** At least the score of every host not looked at yet; -Infinity when there is none. */
  readonly promise: Float64Array;
  /** How many of the Set's images the hosts to be looked at next hold; those with more were looked at. */
  readonly level: Int8Array;
  /** At least the hostScore of every host; and at least the whole score, as far as an earlier look tells. */
  readonly bound: Float64Array;
  readonly limit: Float64Array;
  /** Where countHeld writes. */
  readonly held: Int32Array;
}

export function openSearch(query: Query): Search {
  const { candidates, zoneScores, found, foundScore, promise, level, bound, limit } = query.index.scratch;
  intersect(bitmapsOf(query), candidates);
  const search: Search = {
    query,
    blocks: query.blocks.filter((block) => blockMayPass(query, block)),
    candidates,
    concerning: concerningFilters(query),
    zoneScores,
    found,
    foundScore,
    promise,
    level,
    bound,
    limit,
    held: new Int32Array(query.images.length + 2),
  };
  for (const block of search.blocks) openBlock(search, block);
  scoreZones(search);
  return search;
}

/** The best position, or -1 when no host passes. Each round looks at one level of one block. */
export function pick(search: Search): number {
  for (;;) {
    const block = mostPromising(search);
    if (block < 0) return -1;
    if (search.foundScore[block]! > search.promise[block]!) return search.found[block]!;
    lookInto(search, block);
  }
}

/** Reserves the position for the Set and takes back what is no longer known of the blocks it touches. */
export function occupy(search: Search, position: number, claim: Reservation): void {
  const { query } = search;
  const { index } = query;
  reserveAt(index, position, query.set.name, claim);
  countIn(query, position, 1);
  if (query.pack) for (const block of index.blocks.ofRack[index.rack[position]!]!) openBlock(search, block);
  else lowerRack(search, position);
  closePlaces(search, position);
  scoreZones(search);
}

/** Leaves out a slot's own hosts, and lets those of the slot before in again. */
export function exclude(search: Search, avoid: readonly string[]): void {
  const { query } = search;
  if (avoid.length === 0 && query.excluded.size === 0) return;
  const before = query.excluded;
  query.excluded = new Set(avoid.flatMap((host) => query.index.positions.get(host) ?? []));
  search.concerning = concerningFilters(query);
  for (const position of [...before, ...query.excluded]) {
    const block = blockOf(position);
    search.limit[block] = Infinity;
    restart(search, block);
  }
}

/** The block with the highest score found or promised, and among equals the one that may hold the lowest rank; -1 when none is left. */
function mostPromising({ query, blocks, found, foundScore, promise, zoneScores }: Search): number {
  const { rank } = query.index;
  const { zone, lowestRank } = query.index.blocks;
  let chosen = -1;
  let highest = -Infinity;
  let chosenRank = Infinity;
  for (const block of blocks) {
    const known = foundScore[block]!;
    const open = promise[block]!;
    const score = Math.max(known, open) + zoneScores[zone[block]!]!;
    if (score < highest || score === -Infinity) continue;
    const itsRank = known > open ? rank[found[block]!]! : lowestRank[block]!;
    if (score === highest && itsRank >= chosenRank) continue;
    chosen = block;
    highest = score;
    chosenRank = itsRank;
  }
  return chosen;
}

/** Looks at the block's hosts of the present level. */
function lookInto(search: Search, block: number): void {
  const { held, level, candidates } = search;
  const now = level[block]!;
  for (let word = 2 * block; word < 2 * block + 2; word++) {
    if (candidates[word] === 0) continue;
    countHeld(search, word);
    lookAt(search, block, word * 32, held[now]! & ~held[now + 1]!);
  }
  level[block] = now - 1;
  search.promise[block] = promised(search, block);
}

/** Looks at the hosts whose bits are set, the lowest bit being that of the position `from`. */
function lookAt({ query, concerning, found, foundScore, level }: Search, block: number, from: number, positions: number): void {
  const { rank } = query.index;
  const images = imageScore(query, level[block]!);
  let best = found[block]!;
  let highest = foundScore[block]!;
  for (let left = positions; left !== 0; left &= left - 1) {
    const position = from + 31 - Math.clz32(left & -left);
    if (!passesRest(query, concerning, position)) continue;
    const score = hostScore(query, position) + images;
    if (score < highest || (score === highest && rank[position]! > rank[best]!)) continue;
    best = position;
    highest = score;
  }
  found[block] = best;
  foundScore[block] = highest;
}

/** Nothing is known of the block but its bounds. */
function openBlock(search: Search, block: number): void {
  const { query } = search;
  const { index } = query;
  if (index.blocks.stale[block] === 1) refreshBlock(index.blocks, index, block);
  search.bound[block] = blockBound(query, block);
  search.limit[block] = Infinity;
  restart(search, block);
}

/** Forgets what was found, and looks again from the highest level on. */
function restart(search: Search, block: number): void {
  search.found[block] = -1;
  search.foundScore[block] = -Infinity;
  search.level[block] = highestLevel(search, block);
  search.promise[block] = promised(search, block);
}

function promised({ query, level, limit, bound }: Search, block: number): number {
  return level[block] === -1 ? -Infinity : Math.min(limit[block]!, bound[block]! + imageScore(query, level[block]!));
}

/**
 * When spreading, one more Instance in a rack can only lower the score of its hosts, save the one it is on: what
 * the blocks were known to reach stays a limit.
 */
function lowerRack(search: Search, position: number): void {
  const { query, limit, bound, foundScore, promise } = search;
  const { index } = query;
  const own = blockOf(position);
  for (const block of index.blocks.ofRack[index.rack[position]!]!) {
    limit[block] = Math.min(limit[block]!, Math.max(foundScore[block]!, promise[block]!));
    if (block === own) {
      const score = hostScore(query, position);
      bound[block] = Math.max(bound[block]!, score);
      limit[block] = Math.max(limit[block]!, score + imageScore(query, query.images.length));
    }
    restart(search, block);
  }
}

/** An address is gone, and a Set that keeps apart from itself forbids places: less is left in any block. */
function closePlaces(search: Search, position: number): void {
  const { query } = search;
  const { index, apart, poolAddresses } = query;
  const pool = index.pool[position]!;
  poolAddresses[pool]!--;
  for (const within of apart?.itself ?? []) forbidAround(index, apart!, position, within);
  if (poolAddresses[pool]! > 0 && (apart === null || apart.itself.length === 0)) return;
  for (const block of search.blocks) restart(search, block);
}

function scoreZones({ query, zoneScores }: Search): void {
  for (const zone of query.zones) zoneScores[zone] = zoneScore(query, zone);
}

/** The most of the images that one candidate of the block holds; -1 when it has no candidate, or none with an address. */
function highestLevel(search: Search, block: number): number {
  const { candidates, held, query } = search;
  if (query.poolAddresses[query.index.blocks.pool[block]!]! <= 0) return -1;
  if (query.images.length === 0) return (candidates[2 * block]! | candidates[2 * block + 1]!) === 0 ? -1 : 0;
  let highest = -1;
  for (let word = 2 * block; word < 2 * block + 2; word++) {
    if (candidates[word] === 0) continue;
    countHeld(search, word);
    let level = query.images.length;
    while (held[level] === 0) level--;
    highest = Math.max(highest, level);
  }
  return highest;
}

/** Bit by bit for 32 positions at once: held[n] are the candidates that hold at least n of the images. */
function countHeld({ query, candidates, held }: Search, word: number): void {
  held.fill(0);
  held[0] = candidates[word]!;
  let seen = 0;
  for (const image of query.images) {
    const bits = image[word]!;
    for (let level = ++seen; level > 0; level--) held[level]! |= held[level - 1]! & bits;
  }
}

/** Writes the positions that are in all of the bitmaps. */
function intersect([first, ...others]: readonly Uint32Array[], into: Uint32Array): void {
  into.set(first!);
  for (const bitmap of others) {
    for (let word = 0; word < into.length; word++) into[word]! &= bitmap[word]!;
  }
}
