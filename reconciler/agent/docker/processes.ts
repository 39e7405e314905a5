import { readFileSync, readlinkSync } from "node:fs";

/*
 * What the kernel says of a container's first process. None of it needs the engine.
 */

/** True when both processes are in the same network namespace; false when either is gone. */
export function sharesNetwork(pid: number, other: number): boolean {
  const [mine, its] = [networkOf(pid), networkOf(other)];
  return mine !== null && mine === its;
}

/** True when both processes run, in different network namespaces. */
export function hasOtherNetwork(pid: number, other: number): boolean {
  const [mine, its] = [networkOf(pid), networkOf(other)];
  return mine !== null && its !== null && mine !== its;
}

function networkOf(pid: number): string | null {
  if (pid <= 0) return null;
  try {
    return readlinkSync(`/proc/${pid}/ns/net`);
  } catch {
    return null;
  }
}

/** True while the process lives in a cgroup that names the container: its number was not given to another since. */
export function isProcessOf(pid: number, containerId: string): boolean {
  if (pid <= 1) return false;
  const isZombie = /^\d+ \(.*\) [ZX] /s.test(read(`/proc/${pid}/stat`));
  return !isZombie && read(`/proc/${pid}/cgroup`).includes(containerId);
}

/** Bytes of memory the container needs at present, without the page cache that the kernel would give up first; null when it can't be told. */
export function memoryInUse(pid: number): number | null {
  for (const line of read(`/proc/${pid}/cgroup`).split("\n")) {
    const [, controllers, path] = /^\d+:([^:]*):(.*)$/.exec(line) ?? [];
    if (path === undefined) continue;
    const isUnified = controllers === "";
    if (!isUnified && !controllers!.split(",").includes("memory")) continue;
    const folder = isUnified ? `/sys/fs/cgroup${path}` : `/sys/fs/cgroup/memory${path}`;
    const used = read(`${folder}/${isUnified ? "memory.current" : "memory.usage_in_bytes"}`);
    if (used === "") continue;
    const idle = /^(?:total_)?inactive_file (\d+)$/gm;
    const cache = [...read(`${folder}/memory.stat`).matchAll(idle)].at(-1)?.[1] ?? "0";
    return Math.max(0, Number(used) - Number(cache));
  }
  return null;
}

/** Empty for a file that is not there. */
function read(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return "";
  }
}
