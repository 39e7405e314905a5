import type { Capability, DesiredHost } from "../core/desired.ts";
import { slotKey } from "../core/ids.ts";
import { compareInstances, compareSlots, compareText } from "../core/order.ts";
import type { HostObservation, ObservedInstance, ObservedPort, ObservedVolume, TrashedVolume } from "../core/observation.ts";
import type { InstanceSpec } from "../core/plan.ts";
import { addResources, NO_RESOURCES, type Resources } from "../core/resources.ts";

/** The true state of one simulated host: what is on its disk and runs on it, whatever anyone knows of it. */
export interface SimHost {
  readonly name: string;
  capacity: Resources;
  readonly capabilities: Set<Capability>;
  /** What Sets may ask for and this host has not: `runtime runsc`, `secret db`. */
  readonly lacks: Set<string>;
  /** As the reconciler last said: best-effort does steps without the limits for which a driver is missing. */
  limits: "required" | "best-effort";
  powered: boolean;
  /** Counts runs of the agent; part of `HostObservation.boot`. */
  boot: number;
  version: number;
  readonly slots: Map<string, SimSlot>;
  readonly trash: Map<string, TrashedVolume>;
  /** What stands in for the data of each volume, by contentKey: made with it, and gone with it. Kept in memory only. */
  readonly contents: Map<string, string>;
  /** Counts what was ever written; part of the next content. */
  written: number;
  readonly images: Set<string>;
  readonly floors: Map<string, number>;
  readonly foreign: Map<string, ForeignObject>;
  /** Called after every change with what changed; `value` null when it is gone. */
  readonly changed: (table: Table, key: string, value: unknown) => void;
  observation: HostObservation | null;
  floorRecord: Readonly<Record<string, number>> | null;
}

/** What a host holds, by kind; also the tables of the store. */
export type Table = "host" | "instance" | "volume" | "port" | "trash" | "image" | "floor" | "foreign";

export interface SimSlot {
  readonly instances: Map<number, SimInstance>;
  readonly volumes: Map<string, ObservedVolume>;
  /** One per slot: a newer generation takes it over. */
  port: SimPort | null;
}

export interface SimInstance {
  readonly observed: ObservedInstance;
  readonly spec: InstanceSpec;
  readonly usedMemoryBytes: number;
}

export interface SimPort extends ObservedPort {
  readonly vlan: number | null;
  readonly ingressBps: number | null;
  readonly egressBps: number | null;
}

/** A thing on the host that is not ours. One named like a slot's own stands in that slot's way. */
export interface ForeignObject {
  readonly kind: "container" | "volume" | "port";
  /** `set/index` for one in the way of a slot, else any name. */
  readonly name: string;
}

export const ALL_CAPABILITIES: readonly Capability[] = ["cgroup", "docker", "lvm", "ovs", "tc"];

export function createHostState(host: Pick<DesiredHost, "name" | "capacity">, changed: SimHost["changed"]): SimHost {
  return {
    name: host.name,
    capacity: host.capacity,
    capabilities: new Set(ALL_CAPABILITIES),
    lacks: new Set(),
    limits: "required",
    powered: true,
    boot: 1,
    version: 1,
    slots: new Map(),
    trash: new Map(),
    contents: new Map(),
    written: 0,
    images: new Set(),
    floors: new Map(),
    foreign: new Map(),
    changed,
    observation: null,
    floorRecord: null,
  };
}

export function putInstance(host: SimHost, instance: SimInstance): void {
  const { set, index, generation } = instance.observed;
  openSlot(host, set, index).instances.set(generation, instance);
  touch(host, "instance", `${slotKey(set, index)}/${generation}`, instance);
}

export function dropInstance(host: SimHost, set: string, index: number, generation: number): void {
  const key = slotKey(set, index);
  if (host.slots.get(key)?.instances.delete(generation) !== true) return;
  closeSlot(host, key);
  touch(host, "instance", `${key}/${generation}`, null);
}

export function putVolume(host: SimHost, volume: ObservedVolume): void {
  openSlot(host, volume.set, volume.index).volumes.set(volume.name, volume);
  touch(host, "volume", `${slotKey(volume.set, volume.index)}/${volume.name}`, volume);
}

export function dropVolume(host: SimHost, set: string, index: number, name: string): void {
  const key = slotKey(set, index);
  if (host.slots.get(key)?.volumes.delete(name) !== true) return;
  closeSlot(host, key);
  touch(host, "volume", `${key}/${name}`, null);
}

export function putPort(host: SimHost, port: SimPort): void {
  openSlot(host, port.set, port.index).port = port;
  touch(host, "port", slotKey(port.set, port.index), port);
}

export function dropPort(host: SimHost, key: string): void {
  const slot = host.slots.get(key);
  if (slot === undefined || slot.port === null) return;
  slot.port = null;
  closeSlot(host, key);
  touch(host, "port", key, null);
}

export function putTrash(host: SimHost, volume: TrashedVolume): void {
  host.trash.set(volume.id, volume);
  touch(host, "trash", volume.id, volume);
}

export function dropTrash(host: SimHost, id: string): void {
  if (host.trash.delete(id)) touch(host, "trash", id, null);
}

/** Key in `contents`: of a slot's volume, or of an entry of the trash. */
export function contentKey(
  of: { readonly set: string; readonly index: number; readonly name: string } | { readonly trashId: string },
): string {
  return "trashId" in of ? `trash ${of.trashId}` : `${slotKey(of.set, of.index)}/${of.name}`;
}

/** The data goes along when a volume goes to the trash, or comes back. */
export function moveContent(host: SimHost, from: string, to: string): void {
  const content = host.contents.get(from);
  host.contents.delete(from);
  if (content !== undefined) host.contents.set(to, content);
}

export function addImage(host: SimHost, image: string): void {
  if (host.images.has(image)) return;
  host.images.add(image);
  touch(host, "image", image, true);
}

/** From now on generations below `floor` are refused for the slot. */
export function raiseFloor(host: SimHost, key: string, floor: number): void {
  if (floor <= floorOf(host, key)) return;
  host.floors.set(key, floor);
  host.floorRecord = null;
  touch(host, "floor", key, floor);
}

export function floorOf(host: SimHost, key: string): number {
  return host.floors.get(key) ?? 1;
}

export function instanceOf(host: SimHost, set: string, index: number, generation: number): SimInstance | null {
  return host.slots.get(slotKey(set, index))?.instances.get(generation) ?? null;
}

/** True where the Instance's processes run now. */
export function isLive(host: SimHost, instance: SimInstance): boolean {
  return host.powered && instance.observed.phase === "running";
}

/** What all Instances on the host reserve; `except` is left out. Disk is what the volume group gave, to the trash too. */
export function reserved(host: SimHost, except: SimInstance | null): Resources {
  let sum = NO_RESOURCES;
  for (const slot of host.slots.values()) {
    for (const instance of slot.instances.values()) {
      if (instance !== except) sum = addResources(sum, instance.observed.resources);
    }
  }
  return { ...sum, diskBytes: diskUsed(host) };
}

/** Bytes of the volume group that are taken. Folders take nothing of it. */
export function diskUsed(host: SimHost): number {
  let sum = 0;
  const count = ({ kind, sizeBytes }: ObservedVolume): void => {
    if (kind === "lvm") sum += sizeBytes;
  };
  for (const slot of host.slots.values()) for (const volume of slot.volumes.values()) count(volume);
  for (const volume of host.trash.values()) count(volume);
  return sum;
}

/** Counts a change and forgets the report made before it. */
export function touch(host: SimHost, table: Table, key: string, value: unknown): void {
  host.version++;
  host.observation = null;
  host.changed(table, key, value);
}

/** The host as its agent reports it; the same object until something changes. */
export function observe(host: SimHost): HostObservation {
  host.observation ??= buildObservation(host);
  return host.observation;
}

function buildObservation(host: SimHost): HostObservation {
  const slots = [...host.slots.values()];
  host.floorRecord ??= Object.fromEntries([...host.floors].sort(([a], [b]) => compareText(a, b)));
  return {
    host: host.name,
    boot: `${host.name}#${host.boot}`,
    version: host.version,
    capacity: host.capacity,
    capabilities: [...host.capabilities].sort(compareText),
    instances: slots.flatMap((slot) => [...slot.instances.values()].map((instance) => instance.observed)).sort(compareInstances),
    volumes: slots.flatMap((slot) => [...slot.volumes.values()]).sort(byVolume),
    trash: [...host.trash.values()].sort((a, b) => compareText(a.id, b.id)),
    ports: slots.flatMap((slot) => (slot.port === null ? [] : [reportPort(slot.port)])).sort(compareSlots),
    images: [...host.images].sort(compareText),
    floors: host.floorRecord,
    foreign: [...host.foreign.values()]
      .filter((object) => object.kind === "container")
      .map((object) => object.name)
      .sort(compareText),
  };
}

function reportPort(port: SimPort): ObservedPort {
  return { set: port.set, index: port.index, generation: port.generation, ip: port.ip };
}

function byVolume(a: ObservedVolume, b: ObservedVolume): number {
  return compareSlots(a, b) || compareText(a.name, b.name);
}

function openSlot(host: SimHost, set: string, index: number): SimSlot {
  const key = slotKey(set, index);
  let slot = host.slots.get(key);
  if (slot === undefined) {
    slot = { instances: new Map(), volumes: new Map(), port: null };
    host.slots.set(key, slot);
  }
  return slot;
}

function closeSlot(host: SimHost, key: string): void {
  const slot = host.slots.get(key)!;
  if (slot.instances.size + slot.volumes.size === 0 && slot.port === null) host.slots.delete(key);
}
