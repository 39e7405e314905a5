import { join } from "node:path";
import { formatBytesRounded } from "../../../core/units.ts";
import type { Mount } from "../../cgroup/mounts.ts";
import type { Command } from "../../commands.ts";
import { StepError, type TrashNote, type VolumeRef } from "../../ports.ts";
import { isSame, nameOf } from "../volumes.ts";
import { createLv, extendLv, removeLv, renameLv, retagLv } from "./lvm-commands.ts";
import type { Group, LogicalVolume, OwnedVolume } from "./report.ts";
import { changeTags, lvName, trashId, writeTags, type LvOwner } from "./tags.ts";

/*
 * What comes next on the way to a goal, from nothing but what is there. A change is one step after the other decided so, which is why it does not
 * matter after which of them an agent was killed: the same question asked again goes on from there.
 */

/** What there is. */
export interface Sight {
  readonly fleet: string;
  /** Name of the host, for messages. */
  readonly host: string;
  /** Folder below which volumes are mounted. */
  readonly folder: string;
  readonly thinPool: string | null;
  readonly group: Group;
  readonly mounts: readonly Mount[];
}

export type Next =
  | { readonly kind: "done" }
  /** A change by LVM alone. */
  | { readonly kind: "lvm"; readonly command: Command }
  /** Make its file system, and note that it is ready. */
  | { readonly kind: "format"; readonly volume: OwnedVolume }
  | { readonly kind: "mount" | "unmount"; readonly volume: OwnedVolume }
  /** Make its mounted file system fill it, and note that. */
  | { readonly kind: "fill"; readonly volume: OwnedVolume };

const DONE: Next = { kind: "done" };
/** Share of a thin pool in use from which on nothing more is taken from it, and the alarm rings. */
export const THIN_LIMIT = 0.9;

/** The volume is there with its file system and has at least the size. */
export function nextToCreate(
  sight: Sight,
  ref: VolumeRef,
  { filesystem, sizeBytes }: { readonly filesystem: LvOwner["filesystem"]; readonly sizeBytes: number },
): Next {
  const { group, fleet, thinPool } = sight;
  const volume = findVolume(sight, ref);
  const wantedBytes = wholeExtents(group, sizeBytes);
  const owner: LvOwner = { ...ref, filesystem, state: "new", filledBytes: 0, usedBytes: 0, trash: null };
  if (volume === undefined) {
    const name = lvName(owner);
    const taken = freeName(sight, name);
    if (taken !== null) return taken;
    refuseDamaged(sight, null);
    refuseFull(sight, ref, wantedBytes);
    return lvm(createLv(group.name, { name, sizeBytes: wantedBytes, thinPool, tags: writeTags(owner, fleet) }));
  }
  if (volume.owner.state === "ready") return nextToSize(sight, volume, wantedBytes);
  refuseDamaged(sight, volume);
  if (volume.owner.filesystem !== filesystem) return retag(sight, volume, owner);
  if (volume.sizeBytes < wantedBytes) return extend(sight, volume, wantedBytes);
  return { kind: "format", volume };
}

/** As nextToCreate, for one that is there and never made smaller. */
export function nextToGrow(sight: Sight, ref: VolumeRef, sizeBytes: number): Next {
  const volume = findVolume(sight, ref);
  if (volume?.owner.state !== "ready") throw refused("not-found", `${sight.host} has no volume ${nameOf(ref)}`);
  const wantedBytes = wholeExtents(sight.group, sizeBytes);
  if (wantedBytes < volume.sizeBytes) {
    const [has, asked] = [formatBytesRounded(volume.sizeBytes), formatBytesRounded(sizeBytes)];
    throw refused(
      "would-shrink",
      `volume ${nameOf(ref)} has ${has}, more than the ${asked} asked for; it is never made smaller`,
      "permanent",
    );
  }
  return nextToSize(sight, volume, wantedBytes);
}

/** The volume is ready and mounted, with a file system that fills it. */
export function nextToMount(sight: Sight, ref: VolumeRef): Next {
  const volume = findVolume(sight, ref);
  if (volume?.owner.state !== "ready") throw refused("not-ready", `${sight.host} has no volume ${nameOf(ref)}`);
  if (!isMounted(sight, volume)) return { kind: "mount", volume };
  // In a group that lost a disk nothing can be noted, and what is mounted serves.
  return sight.group.missing.length > 0 ? DONE : nextToSize(sight, volume, 0);
}

/** The slot has no such volume any more, the trash has it, under a name that says so. `usedBytesOf`: known for as long as it is mounted. */
export function nextToTrash(sight: Sight, ref: VolumeRef, note: TrashNote, usedBytesOf: (volume: OwnedVolume) => number): Next {
  const volume = findVolume(sight, ref);
  const trashed = trashOf(sight).filter((it) => isSame(it.owner, ref));
  // A step that comes twice must not take what was made since.
  if (volume === undefined || trashed.some(({ owner }) => owner.trash?.trashedAtMs === note.trashedAtMs)) {
    const unnamed = trashed.find((it) => renaming(sight, it) !== null);
    return unnamed === undefined ? DONE : renaming(sight, unnamed)!;
  }
  // Nothing was ever in it.
  if (volume.owner.state === "new") return lvm(removeLv(sight.group.name, volume.name));
  refuseDamaged(sight, volume);
  const usedBytes = usedBytesOf(volume);
  if (usedBytes !== volume.owner.usedBytes) return retag(sight, volume, { ...volume.owner, usedBytes });
  if (isMounted(sight, volume)) return { kind: "unmount", volume };
  const trash = { ...note, id: trashId(volume.uuid, note.trashedAtMs) };
  return retag(sight, volume, { ...volume.owner, state: "trash", trash });
}

/** The slot has the volume, the trash has no such entry. */
export function nextToRestore(sight: Sight, ref: VolumeRef, id: string, trashedAtMs: number): Next {
  const entry = findTrash(sight, id);
  const present = findVolume(sight, ref);
  if (entry?.owner.trash?.trashedAtMs !== trashedAtMs) {
    if (present?.owner.state === "ready") return renaming(sight, present) ?? DONE;
    throw refused("not-found", `${id} is not in the trash of ${sight.host}`, "permanent");
  }
  if (present?.owner.state === "ready") throw refused("volume-exists", `${sight.host} has a volume ${nameOf(ref)} already`);
  refuseDamaged(sight, entry);
  // Nothing was ever in it, and it is in the way.
  if (present !== undefined) return lvm(removeLv(sight.group.name, present.name));
  return retag(sight, entry, { ...entry.owner, ...ref, state: "ready", trash: null });
}

/** The entry is not in the trash, and its data nowhere. */
export function nextToPurge(sight: Sight, id: string, trashedAtMs: number): Next {
  const entry = findTrash(sight, id);
  if (entry === undefined) return DONE;
  if (entry.owner.trash?.trashedAtMs !== trashedAtMs) {
    throw refused("not-found", `${id} in the trash of ${sight.host} is not the volume that was meant`, "permanent");
  }
  if (isMounted(sight, entry)) return { kind: "unmount", volume: entry };
  refuseDamaged(sight, entry);
  return lvm(removeLv(sight.group.name, entry.name));
}

/** Nothing of a volume is half done. For one that nobody works on: what is `new` then was left behind, and is asked for again if it is wanted. */
export function nextToTidy(sight: Sight, uuid: string): Next {
  const volume = sight.group.volumes.find((it) => it.uuid === uuid);
  if (volume === undefined || !isOwned(volume) || sight.group.missing.length > 0) return DONE;
  if (volume.owner.state === "new") return lvm(removeLv(sight.group.name, volume.name));
  const rename = renaming(sight, volume);
  if (rename !== null) return rename;
  return isUnfilled(volume) && isMounted(sight, volume) ? { kind: "fill", volume } : DONE;
}

/** Note that the file system fills the volume, which is ready from then on. */
export function noteFilled(group: string, fleet: string, volume: OwnedVolume): Command {
  const owner: LvOwner = { ...volume.owner, state: "ready", filledBytes: volume.sizeBytes };
  return retagLv(group, volume.name, changeTags(volume.tags, owner, fleet));
}

/** Where a volume is mounted; empty while it is not. */
export function mountPoint(folder: string, { set, index, name }: VolumeRef): string {
  return join(folder, set, String(index), name);
}

/** What is mounted at the volume's place now; undefined: nothing. */
export function mountedThere({ folder, mounts }: Pick<Sight, "folder" | "mounts">, ref: VolumeRef): Mount | undefined {
  const point = mountPoint(folder, ref);
  return mounts.findLast((mount) => mount.point === point);
}

export function isMounted(sight: Pick<Sight, "folder" | "mounts">, volume: OwnedVolume): boolean {
  return volume.device !== null && mountedThere(sight, volume.owner)?.device === volume.device;
}

export function isOwned(volume: LogicalVolume): volume is OwnedVolume {
  return volume.owner !== null;
}

/** For volumes of kind `lvm`: what ours have, and what is free where new ones are taken from. */
export function capacityOf({ volumes, freeBytes }: Group, thinPool: string | null): number {
  const sum = (some: readonly LogicalVolume[]): number => some.reduce((total, { sizeBytes }) => total + sizeBytes, 0);
  const pool = volumes.find(({ name, fill }) => name === thinPool && fill !== null);
  const taken = sum(volumes.filter((volume) => volume.pool === thinPool));
  const roomBytes = thinPool === null ? freeBytes : Math.max(0, (pool?.sizeBytes ?? 0) - taken);
  return sum(volumes.filter(isOwned)) + roomBytes;
}

/** Of a slot, not in the trash. One that is ready goes before one that is not. */
function findVolume({ group }: Sight, ref: VolumeRef): OwnedVolume | undefined {
  const found = group.volumes.filter(isOwned).filter(({ owner }) => owner.state !== "trash" && isSame(owner, ref));
  return found.find(({ owner }) => owner.state === "ready") ?? found[0];
}

function trashOf({ group }: Sight): readonly OwnedVolume[] {
  return group.volumes.filter(isOwned).filter(({ owner }) => owner.state === "trash");
}

function findTrash(sight: Sight, id: string): OwnedVolume | undefined {
  return trashOf(sight).find(({ owner }) => owner.trash?.id === id);
}

/** For one that is ready: large enough, filled, and under its name. */
function nextToSize(sight: Sight, volume: OwnedVolume, wantedBytes: number): Next {
  if (volume.sizeBytes < wantedBytes) {
    refuseDamaged(sight, volume);
    return extend(sight, volume, wantedBytes);
  }
  if (isUnfilled(volume)) refuseDamaged(sight, volume);
  if (isUnfilled(volume)) return { kind: isMounted(sight, volume) ? "fill" : "mount", volume };
  return renaming(sight, volume) ?? DONE;
}

function isUnfilled({ owner, sizeBytes }: OwnedVolume): boolean {
  return owner.state === "ready" && owner.filledBytes < sizeBytes;
}

function extend(sight: Sight, volume: OwnedVolume, sizeBytes: number): Next {
  refuseFull(sight, volume.owner, sizeBytes - volume.sizeBytes);
  return lvm(extendLv(sight.group.name, volume.name, sizeBytes));
}

function retag({ group, fleet }: Sight, volume: OwnedVolume, owner: LvOwner): Next {
  return lvm(retagLv(group.name, volume.name, changeTags(volume.tags, owner, fleet)));
}

/** The rename that is due; null: none, or someone else has the name, which is for people only. */
function renaming({ group }: Sight, volume: OwnedVolume): Next | null {
  const name = lvName(volume.owner);
  if (volume.name === name || group.missing.length > 0 || group.volumes.some((it) => it.name === name)) return null;
  return lvm(renameLv(group.name, volume.name, name));
}

/** What makes the name free for a new volume; null: it is. */
function freeName(sight: Sight, name: string): Next | null {
  const holder = sight.group.volumes.find((it) => it.name === name);
  if (holder === undefined) return null;
  const rename = isOwned(holder) ? renaming(sight, holder) : null;
  if (rename !== null) return rename;
  throw refused(
    "not-ours",
    `the volume group ${sight.group.name} of ${sight.host} has a logical volume ${name} that belongs to someone else`,
  );
}

/** `volume` null: one that is yet to be made. */
function refuseDamaged({ group, host }: Sight, volume: OwnedVolume | null): void {
  if (group.missing.length === 0) return;
  const hit = volume?.partial === true ? `, and ${nameOf(volume.owner)} lies on it` : "";
  throw refused(
    "group-damaged",
    `the volume group ${group.name} of ${host} lacks ${group.missing.join(", ")}${hit}: nothing is changed in it`,
  );
}

function refuseFull({ group, host, thinPool }: Sight, ref: VolumeRef, moreBytes: number): void {
  if (thinPool !== null) {
    const pool = group.volumes.find(({ name }) => name === thinPool);
    const used = Math.max(pool?.fill?.data ?? 1, pool?.fill?.metadata ?? 1);
    if (used < THIN_LIMIT) return;
    const text = `the thin pool ${group.name}/${thinPool} of ${host} is ${percent(used)} full, so nothing more is taken from it for volume ${nameOf(ref)}`;
    throw new StepError("disk-full", text);
  }
  if (moreBytes <= group.freeBytes) return;
  const [free, more] = [formatBytesRounded(group.freeBytes), formatBytesRounded(moreBytes)];
  throw new StepError(
    "disk-full",
    `the volume group ${group.name} of ${host} has ${free} left, ${more} more are needed for volume ${nameOf(ref)}`,
  );
}

export function percent(share: number): string {
  return `${Math.round(share * 100)} %`;
}

/** LVM gives room in extents. */
function wholeExtents({ extentBytes }: Group, sizeBytes: number): number {
  return Math.ceil(sizeBytes / extentBytes) * extentBytes;
}

function lvm(command: Command): Next {
  return { kind: "lvm", command };
}

function refused(code: string, text: string, retry: "transient" | "permanent" = "transient"): StepError {
  return new StepError(code, text, { retry, outcome: "refused" });
}
