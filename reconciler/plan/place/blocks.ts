import { BLOCK_SIZE, blockOf, type HostColumns } from "./columns.ts";

/**
 * What can be said of 64 hosts of one pool and zone without looking at each: bounds of what their usable hosts
 * have. They hold at any time save in a stale block, and are exact just after refreshBlock.
 */
export interface Blocks {
  readonly count: number;
  readonly pool: Int32Array;
  readonly zone: Int32Array;
  /** By zone. */
  readonly ofZone: readonly (readonly number[])[];
  /** Blocks with a host of the rack, by rack. */
  readonly ofRack: readonly (readonly number[])[];
  /** Changes since refreshBlock; STALE: the bounds may not hold. */
  readonly changes: Uint8Array;
  /** The stale blocks, in no order. */
  readonly staleBlocks: number[];

  /** Lowest rank of a usable host; NO_RANK when there is none. */
  readonly lowestRank: Int32Array;
  /** Smallest 3·cpu − memory and smallest 3·memory − cpu of the usable hosts of each class of balance; BALANCES numbers to a block. */
  readonly leastCpu: Float64Array;
  readonly leastMemory: Float64Array;
  /** Largest cpu + memory of the usable hosts. */
  readonly mostLoad: Float64Array;
  /** First and last class of balance that has a host; the last is below the first when no class has. */
  readonly firstBalance: Int32Array;
  readonly lastBalance: Int32Array;
  /** Smallest and largest HostColumns.perCpu and perMemory, of all hosts; see measureSizes. */
  readonly perCpu: { readonly least: Float64Array; readonly most: Float64Array };
  readonly perMemory: { readonly least: Float64Array; readonly most: Float64Array };
}

/** Above every rank. */
export const NO_RANK = 0x7fffffff;

/**
 * The load of a host is a point (cpu, memory) of used shares, and a score takes off the larger of 3·cpu − memory
 * and 3·memory − cpu (see scores.ts). Hosts that the search has filled evenly differ in how cpu and memory
 * balance, so the smallest of each taken over a whole block would promise a host that has the best of both. Taken over
 * hosts of nearly the same balance, the two belong together.
 */
export const BALANCES = 32;
const BALANCE_STEP = 0.025;

export function createBlocks(pool: Int32Array, zone: Int32Array, rack: Int32Array, zoneCount: number, rackCount: number): Blocks {
  const count = pool.length / BLOCK_SIZE;
  const numbers = (): Float64Array => new Float64Array(count);
  const first = (column: Int32Array): Int32Array => Int32Array.from({ length: count }, (_, block) => column[block * BLOCK_SIZE]!);
  const ofRack = Array.from({ length: rackCount }, (): number[] => []);
  for (const [position, id] of rack.entries()) {
    if (id >= 0 && ofRack[id]!.at(-1) !== blockOf(position)) ofRack[id]!.push(blockOf(position));
  }
  const zones = first(zone);
  const ofZone = Array.from({ length: zoneCount }, (): number[] => []);
  for (const [block, id] of zones.entries()) ofZone[id]!.push(block);
  return {
    count,
    pool: first(pool),
    zone: zones,
    ofZone,
    ofRack,
    changes: new Uint8Array(count).fill(STALE),
    staleBlocks: Array.from({ length: count }, (_, block) => block),
    lowestRank: new Int32Array(count),
    leastCpu: new Float64Array(count * BALANCES),
    leastMemory: new Float64Array(count * BALANCES),
    mostLoad: numbers(),
    firstBalance: new Int32Array(count),
    lastBalance: new Int32Array(count),
    perCpu: { least: numbers(), most: numbers() },
    perMemory: { least: numbers(), most: numbers() },
  };
}

/** So many changes of what is free are taken over by widening the bounds: computing them anew each time costs more than the looks that wide ones promise in vain. */
const STALE = 3;

/** To be called when anything about the host at the position changed, save what is free on it. */
export function touch(blocks: Blocks, position: number): void {
  makeStale(blocks, blockOf(position));
}

function makeStale(blocks: Blocks, block: number): void {
  if (blocks.changes[block] === STALE) return;
  blocks.changes[block] = STALE;
  blocks.staleBlocks.push(block);
}

/** To be called when what is free on the host changed. */
export function widen(blocks: Blocks, hosts: HostColumns, position: number): void {
  const block = blockOf(position);
  if (blocks.changes[block]! >= STALE - 1) return makeStale(blocks, block);
  blocks.changes[block]!++;
  const { leastCpu, leastMemory } = blocks;
  const cpu = 1 - hosts.free.cpuMillis[position]! * hosts.perCpu[position]!;
  const memory = 1 - hosts.free.memoryBytes[position]! * hosts.perMemory[position]!;
  const balance = balanceOf(cpu, memory);
  const at = block * BALANCES + balance;
  const cpuLoad = 3 * cpu - memory;
  const memoryLoad = 3 * memory - cpu;
  if (cpuLoad < leastCpu[at]!) leastCpu[at] = cpuLoad;
  if (memoryLoad < leastMemory[at]!) leastMemory[at] = memoryLoad;
  if (cpu + memory > blocks.mostLoad[block]!) blocks.mostLoad[block] = cpu + memory;
  if (balance < blocks.firstBalance[block]!) blocks.firstBalance[block] = balance;
  if (balance > blocks.lastBalance[block]!) blocks.lastBalance[block] = balance;
}

export function refreshBlocks(blocks: Blocks, hosts: HostColumns): void {
  for (const block of blocks.staleBlocks) if (blocks.changes[block] === STALE) refreshBlock(blocks, hosts, block);
  blocks.staleBlocks.length = 0;
}

/** Recomputes a block's bounds from its hosts. In local variables, as this is done once for most placements. */
export function refreshBlock(blocks: Blocks, hosts: HostColumns, block: number): void {
  const { leastCpu, leastMemory } = blocks;
  const { unusable, rank, perCpu, perMemory } = hosts;
  const { cpuMillis, memoryBytes } = hosts.free;
  const classes = block * BALANCES;
  leastCpu.fill(Infinity, classes, classes + BALANCES);
  leastMemory.fill(Infinity, classes, classes + BALANCES);
  let lowestRank = NO_RANK;
  let mostLoad = -Infinity;
  let firstBalance = BALANCES;
  let lastBalance = -1;
  const end = (block + 1) * BLOCK_SIZE;
  for (let position = block * BLOCK_SIZE; position < end; position++) {
    if (unusable[position] !== 0) continue;
    const cpu = 1 - cpuMillis[position]! * perCpu[position]!;
    const memory = 1 - memoryBytes[position]! * perMemory[position]!;
    const balance = balanceOf(cpu, memory);
    const at = classes + balance;
    const cpuLoad = 3 * cpu - memory;
    const memoryLoad = 3 * memory - cpu;
    if (cpuLoad < leastCpu[at]!) leastCpu[at] = cpuLoad;
    if (memoryLoad < leastMemory[at]!) leastMemory[at] = memoryLoad;
    if (cpu + memory > mostLoad) mostLoad = cpu + memory;
    if (balance < firstBalance) firstBalance = balance;
    if (balance > lastBalance) lastBalance = balance;
    if (rank[position]! < lowestRank) lowestRank = rank[position]!;
  }
  blocks.lowestRank[block] = lowestRank;
  blocks.mostLoad[block] = mostLoad;
  blocks.firstBalance[block] = firstBalance;
  blocks.lastBalance[block] = lastBalance;
  blocks.changes[block] = 0;
}

/** To be called when the capacity of the block's hosts became known or changed. */
export function measureSizes(blocks: Blocks, hosts: HostColumns, block: number): void {
  for (const [range, column] of [[blocks.perCpu, hosts.perCpu] as const, [blocks.perMemory, hosts.perMemory] as const]) {
    let least = Infinity;
    let most = -Infinity;
    for (let position = block * BLOCK_SIZE; position < (block + 1) * BLOCK_SIZE; position++) {
      if (hosts.rank[position]! < 0) continue;
      least = Math.min(least, column[position]!);
      most = Math.max(most, column[position]!);
    }
    range.least[block] = least;
    range.most[block] = most;
  }
}

/** Class 0.. of the difference between the shares. */
function balanceOf(cpu: number, memory: number): number {
  const balance = Math.floor((cpu - memory) * (1 / BALANCE_STEP)) + BALANCES / 2;
  if (balance < 0) return 0;
  return balance < BALANCES ? balance : BALANCES - 1;
}
