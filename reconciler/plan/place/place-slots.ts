import type { DesiredSet } from "../../core/desired.ts";
import { refreshBlock } from "./blocks.ts";
import { BLOCK_SIZE } from "./columns.ts";
import { countRejections, type RejectionCounts } from "./explain.ts";
import { blockMayPass, passes } from "./filters.ts";
import type { HostIndex, Reservation } from "./host-index.ts";
import { closeQuery, countIn, forbidAround, openQuery, type Query } from "./query.ts";
import { reserveAt } from "./reservations.ts";
import { blockBound, hostScore, zoneScore } from "./scores.ts";
import { unevenness } from "./zones.ts";

export interface PlacementRequest {
  readonly slots: readonly SlotRequest[];
}

export interface SlotRequest {
  readonly index: number;
  /** Hosts it must not go to (it failed there, it is leaving them). */
  readonly avoid: readonly string[];
}

export type PlacementResult =
  /** `text`: why there, for people. `shortfall`: how the Set's zone rules are not met by it; null when they are. */
  | { readonly index: number; readonly host: string; readonly text: string; readonly shortfall: string | null }
  | { readonly index: number; readonly host: null; readonly rejected: RejectionCounts };

/**
 * Chooses a host for each slot, in order, and reserves it in the index. Each takes the host that passes all
 * filters with the highest weighted score, the first by name among equals, exactly as if every host were looked at.
 */
export function placeSlots(index: HostIndex, set: DesiredSet, request: PlacementRequest): PlacementResult[] {
  const query = openQuery(index, set);
  const claim = { resources: set.resources, hostPorts: set.hostPorts, core: set.priority === "core" };
  const search = openSearch(query);
  const rejections = new Map<string, RejectionCounts>();
  const results = request.slots.map((slot): PlacementResult => {
    exclude(search, slot.avoid);
    const position = pick(search);
    if (position >= 0) {
      occupy(search, position, claim);
      return { index: slot.index, host: index.hosts[position]!.name, text: reasonText(query, position), shortfall: unevenness(query) };
    }
    const key = slot.avoid.join(" ");
    const rejected = rejections.get(key) ?? countRejections(query);
    rejections.set(key, rejected);
    return { index: slot.index, host: null, rejected };
  });
  closeQuery(query);
  return results;
}

/**
 * Best first over blocks. `bound` is never below the hostScore of any host in the block that passes; where `best`
 * names a position, the bound is its score and no other host of the block comes before it.
 */
interface Search {
  readonly query: Query;
  readonly blocks: readonly number[];
  /** By block. */
  readonly bound: Float64Array;
  readonly best: Int32Array;
  /** By zone: the part of the score that all hosts of a zone share. */
  readonly zoneScores: Float64Array;
}

/** `best` of a block whose hosts were not looked at since something changed. */
const UNKNOWN = -1;

function openSearch(query: Query): Search {
  const { blocks, zones } = query.index;
  const candidates: number[] = [];
  const bound = new Float64Array(blocks.count);
  for (let block = 0; block < blocks.count; block++) {
    if (!blockMayPass(query, block)) continue;
    candidates.push(block);
    bound[block] = blockBound(query, block);
  }
  const search = {
    query,
    blocks: candidates,
    bound,
    best: new Int32Array(blocks.count).fill(UNKNOWN),
    zoneScores: new Float64Array(zones.length),
  };
  scoreZones(search);
  return search;
}

function scoreZones({ query, zoneScores }: Search): void {
  for (const zone of query.zones) zoneScores[zone] = zoneScore(query, zone);
}

/** The best position, or -1 when no host passes. Each round looks into one block at most, and never twice into one. */
function pick(search: Search): number {
  for (;;) {
    const block = mostPromising(search);
    if (block < 0) return -1;
    if (search.best[block] !== UNKNOWN) return search.best[block]!;
    scan(search, block);
  }
}

/** The block with the highest bound, and among equals the one that may hold the lowest rank; -1 when none is left. */
function mostPromising({ query, blocks, bound, best, zoneScores }: Search): number {
  const { rank, blocks: facts } = query.index;
  let chosen = -1;
  let highest = -Infinity;
  let lowestRank = Infinity;
  for (const block of blocks) {
    const score = bound[block]! + zoneScores[facts.zone[block]!]!;
    if (score < highest || score === -Infinity) continue;
    const known = best[block]!;
    const blockRank = known === UNKNOWN ? facts.lowestRank[block]! : rank[known]!;
    if (score === highest && blockRank >= lowestRank) continue;
    chosen = block;
    highest = score;
    lowestRank = blockRank;
  }
  return chosen;
}

/** Looks at every host of the block: then `bound` and `best` are exact, or the bound -Infinity when none passes. */
function scan({ query, bound, best }: Search, block: number): void {
  const { rank } = query.index;
  let highest = -Infinity;
  let first = UNKNOWN;
  const end = (block + 1) * BLOCK_SIZE;
  for (let position = block * BLOCK_SIZE; position < end; position++) {
    if (!passes(query, position)) continue;
    const score = hostScore(query, position);
    if (score > highest || (score === highest && rank[position]! < rank[first]!)) {
      highest = score;
      first = position;
    }
  }
  bound[block] = highest;
  best[block] = first;
}

/** Reserves the position for the Set and takes back what is no longer known of the blocks it touches. */
function occupy(search: Search, position: number, claim: Reservation): void {
  const { query, bound, best } = search;
  const { index } = query;
  const pool = index.pool[position]!;
  reserveAt(index, position, query.set.name, claim);
  countIn(query, position, 1);
  query.poolAddresses[pool]!--;
  for (const within of query.apart?.itself ?? []) forbidAround(index, query.apart!, position, within);
  if (query.poolAddresses[pool] === 0 || query.apart?.itself.length) best.fill(UNKNOWN);
  for (const block of index.blocks.ofRack[index.rack[position]!]!) forget(search, block);
  const own = (position / BLOCK_SIZE) | 0;
  bound[own] = Math.max(bound[own]!, hostScore(query, position));
  scoreZones(search);
}

/**
 * One more Instance in a rack only lowers the scores of its hosts when spreading, so the bound stays one; when
 * packing it raises them.
 */
function forget({ query, bound, best }: Search, block: number): void {
  best[block] = UNKNOWN;
  if (query.pack && bound[block] !== -Infinity) bound[block] = freshBound(query, block);
}

/** The bound of a block as it is now, with what was placed in this call. */
function freshBound(query: Query, block: number): number {
  const { blocks } = query.index;
  if (blocks.stale[block] === 1) refreshBlock(blocks, query.index, block);
  return blockBound(query, block);
}

/** Leaves out a slot's own hosts, and lets those of the slot before in again. */
function exclude(search: Search, avoid: readonly string[]): void {
  const { query, bound, best } = search;
  const { index } = query;
  if (avoid.length === 0 && query.excluded.size === 0) return;
  const excluded = new Set(avoid.flatMap((host) => index.positions.get(host) ?? []));
  for (const position of new Set([...query.excluded, ...excluded])) {
    const block = (position / BLOCK_SIZE) | 0;
    best[block] = UNKNOWN;
    bound[block] = freshBound(query, block);
  }
  query.excluded = excluded;
}

/** `zone a, then 41% of cpu and 38% of memory reserved`. */
function reasonText({ index }: Query, position: number): string {
  const used = (share: number): number => Math.round(100 * share);
  const cpu = used(1 - index.free.cpuMillis[position]! * index.perCpu[position]!);
  const memory = used(1 - index.free.memoryBytes[position]! * index.perMemory[position]!);
  return `zone ${index.zones[index.zone[position]!]}, then ${cpu}% of cpu and ${memory}% of memory reserved`;
}
