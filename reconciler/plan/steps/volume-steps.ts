import type { DesiredSet } from "../../core/desired.ts";
import type { Claim } from "../../core/memory.ts";
import { findVolume, lastingVolumes, needsResize, type LastingVolume, type VolumeHere } from "../volumes/on-host.ts";
import type { StepList, StepOwner } from "./step-list.ts";

/** An entry of the trash that becomes a slot's volume. */
export interface Restored {
  readonly trashId: string;
  readonly trashedAtMs: number;
  readonly kind: "lvm" | "dir";
  readonly sizeBytes: number;
}

export const NOTHING_BACK: ReadonlyMap<string, Restored> = new Map();

/** What the slot has on its host, and what goes with making it as wanted. */
export interface VolumeWork {
  readonly here: readonly VolumeHere[];
  /** Volumes of these that go to the trash first, and how that is noted. */
  readonly unwanted: { readonly volumes: readonly VolumeHere[]; readonly commit: string; readonly nowMs: number } | null;
  /** What comes back from the trash, by the name in the slot. */
  readonly back: ReadonlyMap<string, Restored>;
  /** Steps that make room in the volume group. */
  readonly room: readonly number[];
}

/** What has to be done with one volume. */
type VolumeChange = { readonly volume: LastingVolume; readonly sizeBytes: number; readonly kind: "createVolume" | "growVolume" };

/**
 * Creates the volumes that are missing, or brings them back from the trash, and gives the others their size, once those in their way are in
 * the trash. Returns the last steps.
 */
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
  const left = here.filter((volume) => unwanted?.volumes.includes(volume) !== true);
  const made = changesFor(set, left).map((change) => {
    const { kind, volume, sizeBytes } = change;
    const before = [...needs, ...trashed];
    const roomy = volume.kind === "lvm" ? [...before, ...room] : before;
    if (kind === "growVolume") return steps.add(kind, owner, claim, roomy, { volume: volume.name, sizeBytes });
    const entry = work.back.get(volume.name);
    if (entry !== undefined) return restoreVolume(steps, owner, claim, entry, change, { before, room });
    const filesystem = volume.kind === "lvm" ? volume.filesystem : null;
    return steps.add(kind, owner, claim, roomy, { volume: volume.name, filesystem, sizeBytes });
  });
  return [...trashed, ...made];
}

/** The volume out of the trash, with the size it has to have. Returns the last step. */
function restoreVolume(
  steps: StepList,
  owner: StepOwner,
  claim: Claim,
  entry: Restored,
  { volume: { name: volume }, sizeBytes }: VolumeChange,
  { before, room }: { readonly before: readonly number[]; readonly room: readonly number[] },
): number {
  const { trashId, trashedAtMs } = entry;
  const restored = steps.add("restoreVolume", owner, claim, before, { volume, trashId, trashedAtMs });
  if (!needsResize({ ...entry, name: volume }, sizeBytes)) return restored;
  return steps.add("growVolume", owner, claim, entry.kind === "lvm" ? [restored, ...room] : [restored], { volume, sizeBytes });
}

/** True when some step takes room of the host's volume group, which what comes back as it is does not. */
export function takesRoom(set: DesiredSet, here: readonly VolumeHere[], back: VolumeWork["back"]): boolean {
  return changesFor(set, here).some(({ volume: { kind, name }, sizeBytes }) => {
    const entry = back.get(name);
    return kind === "lvm" && (entry === undefined || needsResize({ ...entry, name }, sizeBytes));
  });
}

function changesFor(set: DesiredSet, here: readonly VolumeHere[]): VolumeChange[] {
  return lastingVolumes(set).flatMap((volume): VolumeChange[] => {
    const sizeBytes = set.live.volumes[volume.name] ?? 0;
    const known = findVolume(here, volume);
    if (known === undefined) return [{ volume, sizeBytes, kind: "createVolume" }];
    return needsResize(known, sizeBytes) ? [{ volume, sizeBytes, kind: "growVolume" }] : [];
  });
}
