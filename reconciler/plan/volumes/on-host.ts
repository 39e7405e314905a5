import type { DesiredSet, Volume } from "../../core/desired.ts";
import type { ObservedVolume } from "../../core/observation.ts";
import { formatBytes } from "../../core/units.ts";
import { isLargerThan, wholeExtents } from "../../core/volumes.ts";

/** A volume on a host, as far as decisions depend on it. */
export type VolumeHere = Pick<ObservedVolume, "name" | "kind" | "sizeBytes">;

/** A volume of the manifest that lies on its host and outlives Instances there. */
export type LastingVolume = Extract<Volume, { kind: "lvm" | "dir" }>;

export function lastingVolumes(set: DesiredSet): readonly LastingVolume[] {
  return set.template.volumes.filter((volume) => volume.kind === "lvm" || volume.kind === "dir");
}

/** The volume of that name, if it is of the kind that the Set asks for. */
export function findVolume(here: readonly VolumeHere[], { name, kind }: LastingVolume): VolumeHere | undefined {
  return here.find((volume) => volume.name === name && volume.kind === kind);
}

/** Those the Set does not have any more under that name and kind: they go to the trash when the slot is next started. */
export function unwantedVolumes(set: DesiredSet, here: readonly VolumeHere[]): readonly VolumeHere[] {
  return here.length === 0
    ? here
    : here.filter((volume) => !set.template.volumes.some(({ name, kind }) => name === volume.name && kind === volume.kind));
}

/** What a slot with these volumes on its host takes of the host's volume group, those it does not want any more and what never shrinks included. */
export function diskOn(set: DesiredSet, here: readonly VolumeHere[]): number {
  if (here.length === 0) return set.resources.diskBytes;
  let sumBytes = heldBytes(unwantedVolumes(set, here));
  for (const volume of lastingVolumes(set)) {
    if (volume.kind !== "lvm") continue;
    const wantedBytes = wholeExtents(set.live.volumes[volume.name] ?? 0);
    sumBytes += Math.max(wantedBytes, findVolume(here, volume)?.sizeBytes ?? 0);
  }
  return sumBytes;
}

/** What volumes take of the host's volume group: a folder's limit reserves nothing. */
export function heldBytes(volumes: readonly Pick<ObservedVolume, "kind" | "sizeBytes">[]): number {
  return volumes.reduce((sum, { kind, sizeBytes }) => (kind === "lvm" ? sum + sizeBytes : sum), 0);
}

/** True when the volume there has another size than it should and can get it: a folder's limit goes both ways, a logical volume only grows. */
export function needsResize({ kind, sizeBytes }: VolumeHere, wantedBytes: number): boolean {
  return kind === "dir" ? sizeBytes !== wantedBytes : sizeBytes < wantedBytes;
}

/** `volume data 10Gi -> 20Gi` for each that is to get another size where it is. */
export function resizesOn(set: DesiredSet, here: readonly VolumeHere[]): string[] {
  return lastingVolumes(set).flatMap((volume) => {
    const [found, wantedBytes] = [findVolume(here, volume), set.live.volumes[volume.name] ?? 0];
    if (found === undefined || !needsResize(found, wantedBytes)) return [];
    return [`volume ${volume.name} ${formatBytes(found.sizeBytes)} -> ${formatBytes(wantedBytes)}`];
  });
}

/** `volume data stays at 20Gi: a volume is never made smaller` for each that the manifest has smaller; null when there is none. */
export function refusedShrinks(set: DesiredSet, here: readonly VolumeHere[]): string | null {
  const stay = lastingVolumes(set).flatMap((volume) => {
    const found = volume.kind === "lvm" ? findVolume(here, volume) : undefined;
    if (found === undefined || !isLargerThan(found.sizeBytes, set.live.volumes[volume.name] ?? 0)) return [];
    return [`volume ${volume.name} stays at ${formatBytes(found.sizeBytes)}`];
  });
  return stay.length === 0 ? null : `${stay.join(", ")}: a volume is never made smaller`;
}

/** True when these are exactly the volumes `wanted` by the Set for so many of its slots, each of its size. */
export function areAsWanted(set: DesiredSet, wanted: readonly LastingVolume[], here: readonly VolumeHere[], slots: number): boolean {
  if (here.length !== wanted.length * slots) return false;
  return here.every((volume) => {
    const wantedBytes = set.live.volumes[volume.name];
    if (wantedBytes === undefined || !wanted.some(({ name, kind }) => name === volume.name && kind === volume.kind)) return false;
    return volume.sizeBytes === wantedBytes || (volume.kind === "lvm" && volume.sizeBytes === wholeExtents(wantedBytes));
  });
}
