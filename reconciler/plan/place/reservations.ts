import type { Capability, DesiredHost } from "../../core/desired.ts";
import { RESOURCE_NAMES, type Resources } from "../../core/resources.ts";
import { isLimit } from "../diff/unenforced.ts";
import { widen, measureSizes, touch } from "./blocks.ts";
import { blockOf, hasBit, newBitmap, setBit } from "./columns.ts";
import { CAPABILITIES, type HostIndex, inverse, type Reservation, type Unusable, unusableCode } from "./host-index.ts";

/** What an agent reported of its host; `capacity: null` while it is not known. */
export interface HostFacts {
  readonly capacity: Resources | null;
  readonly capabilities: readonly Capability[];
  readonly images: readonly string[];
  /** Of the disk's capacity, taken by what nobody wants any more. */
  readonly trashBytes: number;
}

/** A point to roll back to. */
export type Mark = number;

/** Counts an Instance of the Set on the host. Nothing happens for a host the index does not have. */
export function reserve(index: HostIndex, host: string, set: string, claim: Reservation): void {
  apply(index, host, set, claim, 1);
}

/** Takes back one `reserve` with an equal claim. */
export function release(index: HostIndex, host: string, set: string, claim: Reservation): void {
  apply(index, host, set, claim, -1);
}

/** From here on reservations are kept in a log, until the mark is rolled back. Marks nest. */
export function mark(index: HostIndex): Mark {
  index.undo.open++;
  return index.undo.entries.length;
}

/** Takes back all reservations and releases since the mark, newest first. Facts and usability stay as they are. */
export function rollback(index: HostIndex, to: Mark): void {
  const { entries } = index.undo;
  while (entries.length > to) {
    const { position, set, claim, sign } = entries.pop()!;
    change(index, position, set, claim, sign === 1 ? -1 : 1);
  }
  index.undo.open--;
}

/** What reservations since the mark changed of a host's free disk, bytes; below zero where they took some. */
export function changeSinceMark(index: HostIndex, since: Mark, at: number): number {
  let sum = 0;
  for (const { position, claim, sign } of index.undo.entries.slice(since)) if (position === at) sum -= sign * claim.resources.diskBytes;
  return sum;
}

/** Counts as free what of their trash some hosts would give up, while `place` looks for places. */
export function withTrashAsFree<Result>(index: HostIndex, lentBytes: (host: string) => number, place: () => Result): Result {
  const lent: (readonly [number, number])[] = [];
  for (let position = 0; position < index.hosts.length; position++) {
    const bytes = index.trash[position]! > 0 ? lentBytes(index.hosts[position]!.name) : 0;
    if (bytes > 0) lent.push([position, bytes]);
  }
  for (const [position, bytes] of lent) index.free.diskBytes[position]! += bytes;
  const result = place();
  for (const [position, bytes] of lent) index.free.diskBytes[position]! -= bytes;
  return result;
}

/** Counts some bytes of a host's disk as free while `ask` asks. */
export function lendDisk<Result>(index: HostIndex, host: string, bytes: number, ask: () => Result): Result {
  const position = index.positions.get(host);
  if (position === undefined || bytes === 0) return ask();
  index.free.diskBytes[position]! += bytes;
  const result = ask();
  index.free.diskBytes[position]! -= bytes;
  return result;
}

/** What the host's trash takes of its disk. */
export function setTrash(index: HostIndex, host: string, bytes: number): void {
  const position = index.positions.get(host);
  if (position === undefined || index.trash[position] === bytes) return;
  index.free.diskBytes[position]! -= bytes - index.trash[position]!;
  index.trash[position] = bytes;
  touch(index.blocks, position);
}

/** null: the host takes new slots. */
export function setHostUsable(index: HostIndex, host: string, reason: Unusable | null): void {
  const position = index.positions.get(host);
  const code = unusableCode(reason);
  if (position === undefined || index.unusable[position] === code) return;
  index.unusable[position] = code;
  setBit(index.usable, position, code === 0);
  touch(index.blocks, position);
}

/**
 * What the host is found to have. The capacity that counts is the smaller, by resource, of the manifest's and of
 * what was observed, after the pool's overcommit and memory reserve.
 */
export function setHostFacts(index: HostIndex, host: string, facts: HostFacts): void {
  const position = index.positions.get(host);
  if (position === undefined) return;
  setCapacity(index, position, facts.capacity);
  index.free.diskBytes[position]! -= facts.trashBytes - index.trash[position]!;
  index.trash[position] = facts.trashBytes;
  const bestEffort = index.poolsByName.get(index.hosts[position]!.pool)?.limits === "best-effort";
  for (let bit = 0; bit < CAPABILITIES.length; bit++) {
    const capability = CAPABILITIES[bit]!;
    setBit(index.capabilities[bit]!, position, facts.capabilities.includes(capability) || (bestEffort && isLimit(capability)));
  }
  setImages(index, position, facts.images);
  touch(index.blocks, position);
}

/** Key of HostIndex.hostPorts. */
export function portKey(position: number, port: number): number {
  return position * 65_536 + port;
}

/** Reserves at a known position; what `reserve` does after looking up the host. */
export function reserveAt(index: HostIndex, position: number, set: string, claim: Reservation): void {
  if (index.undo.open > 0) index.undo.entries.push({ position, set, claim, sign: 1 });
  change(index, position, set, claim, 1);
}

function apply(index: HostIndex, host: string, set: string, claim: Reservation, sign: 1 | -1): void {
  const position = index.positions.get(host);
  if (position === undefined) return;
  if (index.undo.open > 0) index.undo.entries.push({ position, set, claim, sign });
  change(index, position, set, claim, sign);
}

function change(index: HostIndex, position: number, set: string, claim: Reservation, sign: 1 | -1): void {
  const { free } = index;
  const { resources } = claim;
  free.cpuMillis[position]! -= sign * resources.cpuMillis;
  free.memoryBytes[position]! -= sign * resources.memoryBytes;
  free.diskBytes[position]! -= sign * resources.diskBytes;
  free.ingressBps[position]! -= sign * resources.ingressBps;
  free.egressBps[position]! -= sign * resources.egressBps;
  index.instanceCount[position]! += sign;
  if (claim.core) index.coreCount[position]! += sign;
  for (const port of claim.hostPorts) countPort(index, portKey(position, port), sign);
  if (sign === 1) addInstance(index, set, position);
  else removeInstance(index, set, position);
  widen(index.blocks, index, position);
}

function countPort(index: HostIndex, key: number, sign: 1 | -1): void {
  const count = (index.hostPorts.get(key) ?? 0) + sign;
  if (count > 0) index.hostPorts.set(key, count);
  else index.hostPorts.delete(key);
}

function addInstance(index: HostIndex, set: string, position: number): void {
  const placed = index.placed.get(set);
  if (placed === undefined) index.placed.set(set, [position]);
  else placed.push(position);
}

/** The newest entry first, as a rollback takes back the newest. */
function removeInstance(index: HostIndex, set: string, position: number): void {
  const placed = index.placed.get(set) ?? [];
  const at = placed.lastIndexOf(position);
  if (at < 0) throw new Error(`released an Instance of ${set} on ${index.hosts[position]?.name} that was never reserved there`);
  const last = placed.pop()!;
  if (at < placed.length) placed[at] = last;
  if (placed.length === 0) index.placed.delete(set);
}

/** The smaller, by resource, of the manifest's capacity and the observed one. */
function setCapacity(index: HostIndex, position: number, observed: Resources | null): void {
  const desired = index.hosts[position]!;
  const most = observedCapacity(index, desired, observed);
  let changed = false;
  for (const resource of RESOURCE_NAMES) {
    const capacity = Math.min(desired.capacity[resource], most[resource]);
    const change = capacity - index.capacity[resource][position]!;
    index.free[resource][position]! += change;
    index.capacity[resource][position] = capacity;
    changed ||= change !== 0;
  }
  if (!changed) return;
  index.perCpu[position] = inverse(index.capacity.cpuMillis[position]!);
  index.perMemory[position] = inverse(index.capacity.memoryBytes[position]!);
  measureSizes(index.blocks, index, blockOf(position));
}

function observedCapacity(index: HostIndex, host: DesiredHost, observed: Resources | null): Resources {
  if (observed === null) return host.capacity;
  const pool = index.poolsByName.get(host.pool);
  return {
    ...observed,
    cpuMillis: Math.floor(observed.cpuMillis * (pool?.cpuOvercommit ?? 1)),
    memoryBytes: Math.max(0, observed.memoryBytes - (pool?.memoryReserveBytes ?? 0)),
  };
}

function setImages(index: HostIndex, position: number, images: readonly string[]): void {
  const before = index.imagesOf[position]!;
  if (before === images) return;
  for (const image of before) {
    const holders = index.images.get(image);
    if (holders === undefined || !hasBit(holders.positions, position)) continue;
    setBit(holders.positions, position, false);
    if (--holders.count === 0) index.images.delete(image);
  }
  for (const image of images) {
    let holders = index.images.get(image);
    if (holders === undefined) index.images.set(image, (holders = { positions: newBitmap(index.hosts.length), count: 0 }));
    if (hasBit(holders.positions, position)) continue;
    setBit(holders.positions, position, true);
    holders.count++;
  }
  index.imagesOf[position] = images;
}
