import type { Mount } from "../../cgroup/mounts.ts";
import { repairCommand } from "../filesystem.ts";
import { nameOf } from "../volumes.ts";
import { isOwned, mountedThere, percent, THIN_LIMIT } from "./next.ts";
import type { Group } from "./report.ts";

/** What of a group that answers needs a person, as sentences. */
export function problemsOf(group: Group, mounts: readonly Mount[], folder: string, thinPool: string | null): readonly string[] {
  const lacks = missingProblem(group);
  return [...(lacks === null ? [] : [lacks]), ...thinProblems(group, thinPool), ...damageProblems(group, mounts, folder)];
}

/** `the volume group vg0 lacks /dev/sdc (UUID …)`; null: it is whole. */
export function missingProblem({ name, missing }: Group): string | null {
  return missing.length === 0 ? null : `the volume group ${name} lacks ${missing.join(", ")}`;
}

/** The file system itself, as opposed to one place where it is mounted. */
export function isReadOnly({ options }: Mount): boolean {
  return options.includes("ro");
}

/** What is written to a thin volume when its pool is full is lost. */
function thinProblems({ name, volumes }: Group, thinPool: string | null): string[] {
  const pool = volumes.find((volume) => volume.name === thinPool);
  if (pool?.fill == null) return [];
  const { data, metadata } = pool.fill;
  if (Math.max(data, metadata) < THIN_LIMIT) return [];
  return [`the thin pool ${name}/${pool.name} is ${percent(data)} full, its metadata ${percent(metadata)}`];
}

function damageProblems({ volumes }: Group, mounts: readonly Mount[], folder: string): string[] {
  return volumes.filter(isOwned).flatMap(({ device, owner, path }) => {
    const mount = mountedThere({ folder, mounts }, owner);
    if (mount === undefined || mount.device !== device || !isReadOnly(mount)) return [];
    const repair = repairCommand(owner.filesystem, path);
    return [
      `the kernel made volume ${nameOf(owner)} read-only after errors: stop its containers, unmount it and have it repaired (${repair})`,
    ];
  });
}
