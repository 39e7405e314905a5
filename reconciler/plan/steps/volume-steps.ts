import type { DesiredSet } from "../../core/desired.ts";
import type { Claim } from "../../core/memory.ts";
import { findVolume, lastingVolumes, needsResize, type LastingVolume, type VolumeHere } from "../volumes/on-host.ts";
import type { StepList, StepOwner } from "./step-list.ts";

/** What the slot has on its host, and what goes with making it as wanted. */
export interface VolumeWork {
  readonly here: readonly VolumeHere[];
  /** Volumes of these that go to the trash first, and how that is noted. */
  readonly unwanted: { readonly volumes: readonly VolumeHere[]; readonly commit: string; readonly nowMs: number } | null;
  /** Steps that make room in the volume group. */
  readonly room: readonly number[];
}

/** What has to be done with one volume. */
type VolumeChange = { readonly volume: LastingVolume; readonly sizeBytes: number; readonly kind: "createVolume" | "growVolume" };

/** Creates the volumes that are missing and gives the others their size, once those in their way are in the trash. Returns the last steps. */
export function volumeSteps(
  steps: StepList,
  owner: StepOwner,
  claim: Claim,
  set: DesiredSet,
  work: VolumeWork,
  needs: readonly number[],
): number[] {
  const { here, unwanted, room } = work;
  const trashed = (unwanted?.volumes ?? []).map(({ name }) =>
    steps.add("trashVolume", owner, claim, needs, { volume: name, commit: unwanted!.commit, trashedAtMs: unwanted!.nowMs }),
  );
  const made = changesFor(set, here).map(({ kind, volume, sizeBytes }) => {
    const before = [...needs, ...trashed, ...(volume.kind === "lvm" ? room : [])];
    if (kind === "growVolume") return steps.add(kind, owner, claim, before, { volume: volume.name, sizeBytes });
    const filesystem = volume.kind === "lvm" ? volume.filesystem : null;
    return steps.add(kind, owner, claim, before, { volume: volume.name, filesystem, sizeBytes });
  });
  return [...trashed, ...made];
}

/** True when some step takes room of the host's volume group. */
export function takesRoom(set: DesiredSet, here: readonly VolumeHere[]): boolean {
  return changesFor(set, here).some(({ volume }) => volume.kind === "lvm");
}

function changesFor(set: DesiredSet, here: readonly VolumeHere[]): VolumeChange[] {
  return lastingVolumes(set).flatMap((volume): VolumeChange[] => {
    const sizeBytes = set.live.volumes[volume.name] ?? 0;
    const known = findVolume(here, volume);
    if (known === undefined) return [{ volume, sizeBytes, kind: "createVolume" }];
    return needsResize(known, sizeBytes) ? [{ volume, sizeBytes, kind: "growVolume" }] : [];
  });
}
