import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { type Cgroups, StepError } from "../ports.ts";
import { applyCpus } from "./cpuset.ts";
import { diskOfPath, disksOfMounts } from "./disks.ts";
import type { Controller } from "./hierarchies.ts";
import { applyIoLimits, applyIoWeight, limitsIo } from "./io-limits.ts";
import { ioLimitsWork } from "./io-trial.ts";
import { type CgroupFolder, type CgroupLocator, type CgroupOwner, createCgroupLocator } from "./locate.ts";
import { applyMemory } from "./memory-limits.ts";
import { parseMounts } from "./mounts.ts";

export interface CgroupsOptions {
  /** Docker's data folder; it need not be there yet. */
  readonly dataRoot: string;
  /** Docker's cgroup parents, where they are not the usual ones; only for containers whose process is not known. */
  readonly parents?: readonly string[];
  /** /proc and /sys, unless a test brings its own. */
  readonly proc?: string;
  readonly sys?: string;
}

/**
 * Writes limits into the containers' cgroups. Rejects with `not-found` for a container without one, `no-capability` for io limits that
 * this host can't enforce, `below-use` for memory below present use, and `limit-refused` with file, value and what the kernel said.
 */
export function createCgroups({ dataRoot, parents, proc = "/proc", sys = "/sys" }: CgroupsOptions): Cgroups {
  const locator = createCgroupLocator({ proc, ...(parents === undefined ? {} : { parents }) });
  let ioWorks = false;
  return {
    capabilities: () => {
      // What a kernel can do it does not forget, but Docker's folder may come later.
      ioWorks ||= canLimitIo(locator, dataRootDisk(proc, sys, dataRoot));
      return ioWorks ? ["cgroup"] : [];
    },
    apply: async (container, limits, cpus, signal) => {
      const folderOf = locator.locate(container);
      const cpuset = found(locator, folderOf, "cpuset", container);
      const memory = found(locator, folderOf, "memory", container);
      const io = found(locator, folderOf, "io", container);
      if (cpuset !== null) await applyCpus(cpuset, cpus, signal);
      else if (cpus !== null) throw lacking(`CPUs ${cpus} can't be set: this host has no cpuset controller`);
      if (memory !== null) await applyMemory(memory, limits, signal);
      const disks = limitsIo(limits) ? requireDisks(proc, sys, container.pid, dataRoot, io) : [];
      if (io === null) return;
      await applyIoWeight(io, limits.ioWeight, signal);
      await applyIoLimits(io, disks, limits, signal);
    },
  };
}

/** The container's cgroup of a controller; null where the host lacks the controller. */
function found(
  locator: CgroupLocator,
  folderOf: (controller: Controller) => CgroupFolder | null,
  controller: Controller,
  { id }: CgroupOwner,
): CgroupFolder | null {
  const folder = folderOf(controller);
  if (folder === null && locator.hierarchies.has(controller)) {
    throw new StepError("not-found", `container ${id.slice(0, 12)} has no ${controller} cgroup: it does not run`);
  }
  return folder;
}

/** The disks below the container's mounts and Docker's data folder. */
function requireDisks(proc: string, sys: string, pid: number, dataRoot: string, io: CgroupFolder | null): readonly string[] {
  if (io === null) throw lacking("io limits can't be set: this host has no blkio or io controller");
  const own = join(proc, String(pid), "mountinfo");
  const mounted = pid > 0 && existsSync(own) ? disksOfMounts(parseMounts(readFileSync(own, "utf8")), sys) : [];
  const data = dataRootDisk(proc, sys, dataRoot);
  const disks = [...new Set(data === null ? mounted : [data, ...mounted])].sort();
  if (disks.length === 0) throw lacking(`io limits can't be set: there is no disk below ${dataRoot}`);
  return disks;
}

function dataRootDisk(proc: string, sys: string, dataRoot: string): string | null {
  return diskOfPath(parseMounts(readFileSync(join(proc, "self/mountinfo"), "utf8")), dataRoot, sys);
}

function canLimitIo({ hierarchies }: CgroupLocator, disk: string | null): boolean {
  const io = hierarchies.get("io");
  return io !== undefined && disk !== null && ioLimitsWork(io, disk);
}

function lacking(message: string): StepError {
  return new StepError("no-capability", message, { outcome: "refused" });
}
