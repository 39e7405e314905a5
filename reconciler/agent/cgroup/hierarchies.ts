import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { type Mount, parseMounts } from "./mounts.ts";

/** The controllers in use here, by one name for both versions: v1 calls `io` blkio, v2 has no cpuacct but counts everywhere. */
export type Controller = "cpu" | "cpuacct" | "cpuset" | "memory" | "io";

/** Where a controller's cgroups are mounted. A host may have some controllers on v1 and the rest on v2. */
export interface Hierarchy {
  readonly version: 1 | 2;
  /** The controllers as /proc/PID/cgroup lists them; empty for v2. */
  readonly listed: string;
  readonly mount: Mount;
}

export type Hierarchies = ReadonlyMap<Controller, Hierarchy>;

const V1_NAMES: Readonly<Record<string, Controller>> = { cpu: "cpu", cpuacct: "cpuacct", cpuset: "cpuset", memory: "memory", blkio: "io" };
const V2_NAMES: Readonly<Record<string, Controller>> = { cpu: "cpu", cpuset: "cpuset", memory: "memory", io: "io" };

/** What is mounted for this process; `proc` is /proc. Throws when there is no mountinfo. */
export function findHierarchies(proc: string): Hierarchies {
  const mounts = parseMounts(readFileSync(join(proc, "self/mountinfo"), "utf8")).filter(({ point }) =>
    existsSync(join(point, "cgroup.procs")),
  );
  const found = new Map<Controller, Hierarchy>();
  for (const mount of byDepth(mounts.filter(({ type }) => type === "cgroup"))) {
    for (const option of mount.options) {
      const controller = V1_NAMES[option];
      if (controller !== undefined) found.set(controller, { version: 1, listed: option, mount });
    }
  }
  const unified = byDepth(mounts.filter(({ type }) => type === "cgroup2")).at(-1);
  if (unified === undefined) return found;
  const hierarchy: Hierarchy = { version: 2, listed: "", mount: unified };
  for (const name of readWords(join(unified.point, "cgroup.controllers"))) {
    const controller = V2_NAMES[name];
    if (controller !== undefined && !found.has(controller)) found.set(controller, hierarchy);
  }
  if (!found.has("cpuacct")) found.set("cpuacct", hierarchy);
  return found;
}

/** Mounts that show the least of a hierarchy first, so that the last one taken shows the most. */
function byDepth(mounts: readonly Mount[]): readonly Mount[] {
  const depth = ({ root }: Mount): number => segments(root).filter((name) => name !== "..").length;
  return mounts.toSorted((a, b) => depth(b) - depth(a));
}

/** The folder of a cgroup whose path stands in /proc/PID/cgroup; null when this mount does not show it. Both count from the reader's namespace. */
export function folderBelow({ mount }: Hierarchy, path: string): string | null {
  const [root, wanted] = [segments(mount.root), segments(path)];
  if (root.some((name, at) => wanted[at] !== name)) return null;
  const rest = wanted.slice(root.length);
  return rest.includes("..") ? null : join(mount.point, ...rest);
}

export function segments(path: string): readonly string[] {
  return path.split("/").filter((name) => name !== "");
}

/** The words of a small file; none when it is not there. */
export function readWords(file: string): readonly string[] {
  if (!existsSync(file)) return [];
  return readFileSync(file, "latin1")
    .split(/\s+/)
    .filter((word) => word !== "");
}
