import type { Template } from "../../core/desired.ts";
import { slotKey } from "../../core/ids.ts";
import type { ObservedVolume, TrashedVolume } from "../../core/observation.ts";
import { compareSlots, compareText } from "../../core/order.ts";
import { StepError, type VolumePaths, type VolumeRef, type Volumes } from "../ports.ts";
import { driverKind, type VolumeDriver, type VolumeOwner } from "./driver.ts";

/** All volumes of the host, whichever driver has them. */
export function createVolumes(drivers: readonly VolumeDriver[]): Volumes {
  const has = (ref: VolumeRef) => (driver: VolumeDriver) => driver.volumes().some((volume) => isSame(volume, ref));
  const hasTrash = (id: string) => (driver: VolumeDriver) => driver.trash().some((entry) => entry.id === id);
  return {
    capabilities: () => drivers.flatMap((driver) => driver.capabilities()),
    capacityBytes: () => drivers.reduce((sum, driver) => sum + driver.capacityBytes(), 0),
    problem() {
      const problems = drivers.map((driver) => driver.problem()).filter((problem) => problem !== null);
      return problems.length === 0 ? null : problems.join("; ");
    },
    apply: (settings, signal) => each(drivers, (driver) => driver.apply(settings, signal)),
    look: (signal) => each(drivers, (driver) => driver.look(signal)),
    measure: (signal) => each(drivers, (driver) => driver.measure(signal)),
    volumes: () => drivers.flatMap((driver) => driver.volumes()).sort(compareVolumes),
    trash: () => drivers.flatMap((driver) => driver.trash()).sort(compareTrash),
    async create(request, signal) {
      await driverOf(drivers, request.filesystem === null ? "dir" : "lvm").create(request, signal);
    },
    async grow(ref, sizeBytes, signal) {
      const driver = await find(drivers, has(ref), signal);
      if (driver === undefined) throw refused("not-found", `there is no volume ${nameOf(ref)}`);
      await driver.grow(ref, sizeBytes, signal);
    },
    async trashVolume(ref, note, signal) {
      const driver = await find(drivers, has(ref), signal);
      await driver?.trashVolume(ref, note, signal);
    },
    async restore(ref, trashId, trashedAtMs, signal) {
      const driver = await find(drivers, hasTrash(trashId), signal);
      const present = drivers.some(has(ref));
      if (driver === undefined && present) return;
      if (driver === undefined) throw refused("not-found", `${trashId} is not in the trash`, "permanent");
      if (present) throw refused("volume-exists", `there is a volume ${nameOf(ref)} already`);
      await driver.restore(ref, trashId, trashedAtMs, signal);
    },
    async purge(trashId, trashedAtMs, signal) {
      const driver = await find(drivers, hasTrash(trashId), signal);
      await driver?.purge(trashId, trashedAtMs, signal);
    },
    async mount(slot, template, owned, signal) {
      const paths = new Map<string, string>();
      for (const volume of template.volumes) {
        const kind = driverKind(volume);
        if (kind === null) continue;
        const ref = { set: slot.set, index: slot.index, name: volume.name };
        // One that came back from the trash may be of another kind than it is declared.
        const driver = drivers.find(has(ref)) ?? driverOf(drivers, kind);
        paths.set(volume.name, await driver.mount(ref, owned ? ownerOf(template, volume.name) : null, signal));
      }
      return paths satisfies VolumePaths;
    },
    close: () => each(drivers, (driver) => driver.close()),
  };
}

/** Whether both are the same volume of the same slot. */
export function isSame(a: VolumeRef, b: VolumeRef): boolean {
  return a.set === b.set && a.index === b.index && a.name === b.name;
}

/** `data of web/3`, for messages. */
export function nameOf({ set, index, name }: VolumeRef): string {
  return `${name} of ${slotKey(set, index)}`;
}

/** The numeric user of the first container that may write to the volume; null: it is not known before the container runs. */
export function ownerOf({ containers }: Template, volume: string): VolumeOwner | null {
  const user = containers.find(({ mounts }) => mounts.some((mount) => mount.volume === volume && !mount.readOnly))?.user ?? "";
  const match = /^(\d+)(?::(\d+))?$/.exec(user);
  if (match === null) return null;
  const uid = Number(match[1]);
  return { uid, gid: match[2] === undefined ? uid : Number(match[2]) };
}

/** All of them are asked, also after one that rejects; its reason is the result then. */
async function each(drivers: readonly VolumeDriver[], work: (driver: VolumeDriver) => Promise<void>): Promise<void> {
  const results = await Promise.allSettled(drivers.map(work));
  for (const result of results) if (result.status === "rejected") throw result.reason;
}

/** The driver that shows it; all look anew before it counts as absent. */
async function find(
  drivers: readonly VolumeDriver[],
  shows: (driver: VolumeDriver) => boolean,
  signal: AbortSignal,
): Promise<VolumeDriver | undefined> {
  const driver = drivers.find(shows);
  if (driver !== undefined) return driver;
  await each(drivers, (it) => it.look(signal));
  return drivers.find(shows);
}

function driverOf(drivers: readonly VolumeDriver[], kind: VolumeDriver["kind"]): VolumeDriver {
  const driver = drivers.find((it) => it.kind === kind);
  if (driver === undefined) throw refused("no-capability", `this agent has no driver for volumes of kind ${kind}`);
  return driver;
}

function compareVolumes(a: ObservedVolume, b: ObservedVolume): number {
  return compareSlots(a, b) || compareText(a.name, b.name);
}

function compareTrash(a: TrashedVolume, b: TrashedVolume): number {
  return compareVolumes(a, b) || a.trashedAtMs - b.trashedAtMs || compareText(a.id, b.id);
}

function refused(code: string, text: string, retry: "transient" | "permanent" = "transient"): StepError {
  return new StepError(code, text, { retry, outcome: "refused" });
}
