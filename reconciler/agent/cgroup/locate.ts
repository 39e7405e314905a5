import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { type Controller, findHierarchies, folderBelow, type Hierarchies, type Hierarchy, segments } from "./hierarchies.ts";

/** A container of Docker; `pid` is its first process in our pid namespace, 0 when it is not known. */
export interface CgroupOwner {
  readonly id: string;
  readonly pid: number;
}

/** A container's cgroup of one controller. */
export interface CgroupFolder {
  readonly version: 1 | 2;
  readonly path: string;
}

/** Finds the cgroups of containers. */
export interface CgroupLocator {
  readonly hierarchies: Hierarchies;
  /** The cgroup that Docker made for the container, also when its process moved below it; null when there is none. */
  locate(owner: CgroupOwner): (controller: Controller) => CgroupFolder | null;
  /** Kinds of devices by major, as /proc/devices lists them now; empty where there is none. */
  devices(): string;
}

/** Docker's own, for the cgroupfs and the systemd driver. */
const USUAL_PARENTS = ["/docker", "/system.slice"];

/** `proc` is /proc; `parents` are the cgroup parents of Docker, for containers whose process is not known. Throws when there is no mountinfo. */
export function createCgroupLocator({
  proc = "/proc",
  parents = USUAL_PARENTS,
}: { readonly proc?: string; readonly parents?: readonly string[] } = {}): CgroupLocator {
  const hierarchies = findHierarchies(proc);
  return {
    hierarchies,
    devices: () => readGone(join(proc, "devices")),
    locate: (owner) => {
      const memberships = readMemberships(proc, owner.pid);
      return (controller) => {
        const hierarchy = hierarchies.get(controller);
        if (hierarchy === undefined) return null;
        const own = memberships.get(hierarchy.listed);
        const path = (own === undefined ? null : byProcess(hierarchy, own, owner.id)) ?? byParent(hierarchy, parents, owner.id);
        return path === null ? null : { version: hierarchy.version, path };
      };
    },
  };
}

/** Path by controller as /proc/PID/cgroup has it, the one of v2 under the empty name; empty for a process that is gone. */
function readMemberships(proc: string, pid: number): ReadonlyMap<string, string> {
  const paths = new Map<string, string>();
  const file = join(proc, String(pid), "cgroup");
  if (pid <= 0 || !existsSync(file)) return paths;
  for (const line of readGone(file).split("\n")) {
    const [, controllers, ...path] = line.split(":");
    for (const controller of controllers?.split(",") ?? []) paths.set(controller, path.join(":"));
  }
  return paths;
}

/** A process may end at any time, and not every system has each file. */
function readGone(file: string): string {
  try {
    return readFileSync(file, "utf8");
  } catch {
    return "";
  }
}

/** Cut after the segment that names the container: a process with another one belongs to somebody else by now. */
function byProcess(hierarchy: Hierarchy, path: string, id: string): string | null {
  const names = segments(path);
  const end = names.findIndex((name) => namesOf(id).includes(name));
  const folder = end < 0 ? null : folderBelow(hierarchy, names.slice(0, end + 1).join("/"));
  return folder !== null && existsSync(folder) ? folder : null;
}

function byParent(hierarchy: Hierarchy, parents: readonly string[], id: string): string | null {
  const folders = parents.flatMap((parent) => namesOf(id).map((name) => folderBelow(hierarchy, `${parent}/${name}`)));
  return folders.find((folder) => folder !== null && existsSync(folder)) ?? null;
}

/** With the cgroupfs and with the systemd driver. */
function namesOf(id: string): readonly string[] {
  return [id, `docker-${id}.scope`];
}
