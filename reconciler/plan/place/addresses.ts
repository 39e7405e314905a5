import { formatAddress, leasableRanges, parseAddress, parseAddressRange, parseCidr } from "../../core/addresses.ts";
import type { DesiredPool } from "../../core/desired.ts";
import { hasBit, setBit } from "./columns.ts";

/**
 * Leases of one pool's addresses: an address is held by any number of slots (normally one) and free when none
 * holds it. The lowest free address goes first, so equal requests give equal answers.
 */
export interface AddressPool {
  /** First address of the CIDR; the bit and the key of an address is its offset from here. */
  readonly first: number;
  readonly size: number;
  /** 1: held, reserved or outside the leasable ranges. */
  readonly taken: Uint32Array;
  /** 1: may be leased at all. */
  readonly leasable: Uint32Array;
  /** Slot keys per offset, one entry per hold. */
  readonly holders: Map<number, string[]>;
  /** No word before this one has a zero bit in `taken`. */
  cursor: number;
  free: number;
}

/** Throws for a CIDR or reserved range that validation would have refused. */
export function createAddressPool(network: Network): AddressPool {
  const { first, size, leasable, barred, free } = layoutOf(network);
  return { first, size, taken: barred.slice(), leasable, holders: new Map(), cursor: 0, free };
}

interface Layout extends Pick<AddressPool, "first" | "size" | "leasable" | "free"> {
  /** The opposite of `leasable`: what is taken before anything is leased. */
  readonly barred: Uint32Array;
}

/** What of a pool's network says which addresses there are. */
type Network = Pick<DesiredPool["network"], "cidr" | "gateway" | "reserved">;

/** By network, which never changes: a /8 is half a million words. */
const layouts = new WeakMap<Network, Layout>();

function layoutOf(network: Network): Layout {
  const known = layouts.get(network);
  if (known !== undefined) return known;
  const cidr = parseCidr(network.cidr);
  const gateway = parseAddress(network.gateway);
  if (cidr === null || gateway === null) throw new Error(`malformed network ${network.cidr}, gateway ${network.gateway}`);
  const reserved = network.reserved.map((text) => parseAddressRange(text)).filter((range) => range !== null);
  const size = cidr.last - cidr.first + 1;
  const leasable = new Uint32Array(Math.ceil(size / 32));
  let free = 0;
  for (const range of leasableRanges(cidr, gateway, reserved)) {
    setBits(leasable, range.first - cidr.first, range.last - cidr.first);
    free += range.last - range.first + 1;
  }
  const layout = { first: cidr.first, size, leasable, barred: leasable.map((word) => ~word), free };
  layouts.set(network, layout);
  return layout;
}

/** Sets all bits from `first` to `last`, whole words at once. */
function setBits(bitmap: Uint32Array, first: number, last: number): void {
  const firstWhole = Math.ceil(first / 32);
  const endWhole = Math.floor((last + 1) / 32);
  if (firstWhole < endWhole) bitmap.fill(0xffffffff, firstWhole, endWhole);
  const endBefore = Math.min(last + 1, firstWhole * 32);
  for (let offset = first; offset < endBefore; offset++) setBit(bitmap, offset, true);
  for (let offset = Math.max(endBefore, endWhole * 32); offset <= last; offset++) setBit(bitmap, offset, true);
}

/** How many addresses nobody holds. */
export function freeAddressCount(pool: AddressPool): number {
  return pool.free;
}

/**
 * Leases an address to the slot: the preferred one if it is free or held by this slot alone, else the lowest
 * free one; null when none is left.
 */
export function takeAddress(pool: AddressPool, slot: string, preferred: string | null): string | null {
  const wanted = preferred === null ? null : offsetOf(pool, preferred);
  const offset = wanted !== null && mayHold(pool, wanted, slot) ? wanted : lowestFree(pool);
  if (offset === null) return null;
  const address = formatAddress(pool.first + offset);
  holdOffset(pool, offset, slot);
  return address;
}

/** Counts one more hold of the slot on the address, whoever else holds it, in each pool to whose network it belongs. */
export function holdAddress(pools: Iterable<AddressPool>, text: string, slot: string): void {
  const address = parseAddress(text);
  if (address === null) return;
  for (const pool of pools) if (isIn(pool, address)) holdOffset(pool, address - pool.first, slot);
}

function holdOffset(pool: AddressPool, offset: number, slot: string): void {
  const holders = pool.holders.get(offset);
  if (holders !== undefined) {
    holders.push(slot);
    return;
  }
  pool.holders.set(offset, [slot]);
  if (!hasBit(pool.leasable, offset)) return;
  setBit(pool.taken, offset, true);
  pool.free--;
}

/** Another slot that holds the address in any of the pools; null when there is none. */
export function otherHolder(pools: Iterable<AddressPool>, address: string, slot: string): string | null {
  for (const pool of pools) {
    const offset = offsetOf(pool, address);
    const other = offset === null ? undefined : pool.holders.get(offset)?.find((holder) => holder !== slot);
    if (other !== undefined) return other;
  }
  return null;
}

/** Takes back one hold of the slot; an address that nobody holds any more can be leased again. */
export function freeAddress(pool: AddressPool, address: string, slot: string): void {
  const offset = offsetOf(pool, address);
  const holders = offset === null ? undefined : pool.holders.get(offset);
  const at = holders?.lastIndexOf(slot) ?? -1;
  if (offset === null || holders === undefined || at < 0) return;
  holders.splice(at, 1);
  if (holders.length > 0) return;
  pool.holders.delete(offset);
  if (!hasBit(pool.leasable, offset)) return;
  setBit(pool.taken, offset, false);
  pool.free++;
  pool.cursor = Math.min(pool.cursor, offset >>> 5);
}

function offsetOf(pool: AddressPool, text: string): number | null {
  const address = parseAddress(text);
  return address === null || !isIn(pool, address) ? null : address - pool.first;
}

function isIn(pool: AddressPool, address: number): boolean {
  return address >= pool.first && address < pool.first + pool.size;
}

function mayHold(pool: AddressPool, offset: number, slot: string): boolean {
  if (!hasBit(pool.leasable, offset)) return false;
  return (pool.holders.get(offset) ?? []).every((holder) => holder === slot);
}

function lowestFree(pool: AddressPool): number | null {
  for (; pool.cursor < pool.taken.length; pool.cursor++) {
    const open = ~pool.taken[pool.cursor]!;
    if (open !== 0) return pool.cursor * 32 + 31 - Math.clz32(open & -open);
  }
  return null;
}
