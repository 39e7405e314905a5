import { randomBytes } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, readFileSync, rmdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { type Controller, findHierarchies, folderBelow } from "../../../reconciler/agent/cgroup/hierarchies.ts";

/** Cgroups as Docker would make them for a container, under a parent of this test's own, without any Docker. */
export interface OwnCgroups {
  /** For the driver's `parents`. */
  readonly parent: string;
  readonly id: string;
  readonly folder: (controller: Controller) => string;
  /** Makes them again after `remove`, as a restart of the container does. */
  make(): void;
  /** Moves a process in. */
  add(pid: number): void;
  /** Removes them; waits for the processes in them, which must be ending. */
  remove(): Promise<void>;
}

/** Makes the cgroups under every hierarchy of this machine. Needs root. */
export function makeOwnCgroups(parent = `/setpoint-test-${process.pid}-${randomBytes(3).toString("hex")}`): OwnCgroups {
  const hierarchies = findHierarchies("/proc");
  const id = randomBytes(32).toString("hex");
  const folderOf = (controller: Controller): string => {
    const hierarchy = hierarchies.get(controller);
    const folder = hierarchy === undefined ? null : folderBelow(hierarchy, `${parent}/${id}`);
    if (folder === null) throw new Error(`this machine has no ${controller} cgroups`);
    return folder;
  };
  const folders = [...new Set([...hierarchies.keys()].map(folderOf))];
  const make = (): void => folders.forEach(makeFolder);
  make();
  return {
    make,
    parent,
    id,
    folder: folderOf,
    add: (pid) => {
      for (const folder of folders) writeFileSync(join(folder, "cgroup.procs"), String(pid));
    },
    remove: async () => {
      for (const folder of folders) await removeFolder(folder);
      for (const folder of folders) {
        // The last one of several takes their parent along.
        const above = dirname(folder);
        if (existsSync(above) && !readdirSync(above, { withFileTypes: true }).some((entry) => entry.isDirectory())) rmdirSync(above);
      }
    },
  };
}

/** v1's cpuset is of no use before it has CPUs and memory nodes; v2 passes controllers on only when told. */
function makeFolder(folder: string): void {
  for (const made of [dirname(folder), folder]) {
    mkdirSync(made, { recursive: true });
    for (const name of ["cpuset.cpus", "cpuset.mems"]) {
      const own = join(made, name);
      const above = join(dirname(made), name);
      if (existsSync(own) && existsSync(above) && readFileSync(own, "latin1").trim() === "") writeFileSync(own, readFileSync(above));
    }
    const controllers = join(made, "cgroup.controllers");
    if (made === folder || !existsSync(controllers)) continue;
    const passed = readFileSync(controllers, "latin1")
      .trim()
      .split(" ")
      .filter((name) => name !== "");
    if (passed.length > 0) writeFileSync(join(made, "cgroup.subtree_control"), passed.map((name) => `+${name}`).join(" "));
  }
}

async function removeFolder(folder: string): Promise<void> {
  for (let attempt = 0; existsSync(folder); attempt++) {
    try {
      rmdirSync(folder);
    } catch (error) {
      if (attempt >= 100) throw error;
      await sleep(50);
    }
  }
}
