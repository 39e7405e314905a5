import { RESOURCE_NAMES, type ResourceName } from "../../core/resources.ts";

/** Positions looked at together; twice the width of a word, so that a block owns whole words of every bitmap. */
export const BLOCK_SIZE = 64;

/** One number per position (or block) and resource. */
export type ResourceColumns = Readonly<Record<ResourceName, Float64Array>>;

/** What placement reads of each host, by position. */
export interface HostColumns {
  /** Ids of pool, zone and rack; -1 for an empty position. */
  readonly pool: Int32Array;
  readonly zone: Int32Array;
  readonly rack: Int32Array;
  /** Number among all hosts sorted by name: the last tie-break. */
  readonly rank: Int32Array;
  /** Codes of UNUSABLE_REASONS; 0: takes new slots. */
  readonly unusable: Uint8Array;
  /** The same as bits: 1 takes new slots. */
  readonly usable: Uint32Array;
  readonly capacity: ResourceColumns;
  /** Capacity less what is reserved; below zero where a host holds more than it has. */
  readonly free: ResourceColumns;
  /** Bytes of disk that volumes in the trash take; not free. */
  readonly trash: Float64Array;
  /** 1 / capacity, 0 where there is none. */
  readonly perCpu: Float64Array;
  readonly perMemory: Float64Array;
  readonly instanceCount: Int32Array;
  readonly coreCount: Int32Array;
}

export function resourceColumns(make: (resource: ResourceName) => Float64Array): ResourceColumns {
  return Object.fromEntries(RESOURCE_NAMES.map((resource) => [resource, make(resource)])) as unknown as ResourceColumns;
}

/** One bit per position; the number of positions is a multiple of 64. */
export function newBitmap(positions: number): Uint32Array {
  return new Uint32Array(positions >>> 5);
}

export function hasBit(bitmap: Uint32Array, position: number): boolean {
  return ((bitmap[position >>> 5]! >>> (position & 31)) & 1) === 1;
}

export function setBit(bitmap: Uint32Array, position: number, on: boolean): void {
  const bit = 1 << (position & 31);
  bitmap[position >>> 5] = on ? bitmap[position >>> 5]! | bit : bitmap[position >>> 5]! & ~bit;
}

export function blockOf(position: number): number {
  return (position / BLOCK_SIZE) | 0;
}
