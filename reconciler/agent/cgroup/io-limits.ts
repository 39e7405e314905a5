import { existsSync } from "node:fs";
import { join } from "node:path";
import type { ContainerLimits } from "../../core/desired.ts";
import { type ControlWrite, readControl, writeControl } from "./control-file.ts";
import type { CgroupFolder } from "./locate.ts";

type IoLimits = Pick<ContainerLimits, "readBps" | "writeBps" | "readIops" | "writeIops">;

/** Of v1, one file each; of v2, one word of a line each. */
const LIMITS = [
  { limit: "readBps", file: "blkio.throttle.read_bps_device", key: "rbps" },
  { limit: "writeBps", file: "blkio.throttle.write_bps_device", key: "wbps" },
  { limit: "readIops", file: "blkio.throttle.read_iops_device", key: "riops" },
  { limit: "writeIops", file: "blkio.throttle.write_iops_device", key: "wiops" },
] as const;

/** Files of weights by preference, with the range of each: BFQ's is used where there is one, as Docker does. */
const WEIGHTS = [
  { file: "blkio.bfq.weight", fallback: 100, scale: (weight: number) => weight },
  { file: "blkio.weight", fallback: 500, scale: (weight: number) => weight },
  { file: "io.bfq.weight", fallback: 100, scale: (weight: number) => weight },
  // From 10..1000 to 1..10000, as Docker's runtime maps it.
  { file: "io.weight", fallback: 100, scale: (weight: number) => 1 + Math.trunc(((weight - 10) * 9999) / 990) },
] as const;

export function limitsIo(limits: IoLimits): boolean {
  return LIMITS.some(({ limit }) => limits[limit] !== null);
}

/** Sets the limits on each of these disks (`major:minor`) and takes them from any other. */
export async function applyIoLimits(folder: CgroupFolder, disks: readonly string[], limits: IoLimits, signal: AbortSignal): Promise<void> {
  const writes = folder.version === 1 ? v1Writes(folder.path, disks, limits) : v2Writes(folder.path, disks, limits);
  for (const write of writes) await writeControl(write, signal);
}

/** Sets the share of the disk's time, 10 to 1000, null for the kernel's default; nothing where this kernel has no weights. */
export async function applyIoWeight(folder: CgroupFolder, weight: number | null, signal: AbortSignal): Promise<void> {
  const known = WEIGHTS.find(({ file }) => existsSync(join(folder.path, file)));
  if (known === undefined) return;
  const value = String(weight === null ? known.fallback : known.scale(weight));
  // Both `100` and `default 100` are seen, and lines of single devices after it.
  const holds = (present: string): boolean => present.split("\n")[0]?.replace("default ", "") === value;
  await writeControl({ file: join(folder.path, known.file), value, holds }, signal);
}

/** A v1 file has a line `major:minor value` for each disk with a limit; 0 takes it away. */
function v1Writes(path: string, disks: readonly string[], limits: IoLimits): readonly ControlWrite[] {
  return LIMITS.flatMap(({ limit, file }) => {
    const target = join(path, file);
    if (!existsSync(target) && limits[limit] === null) return [];
    const present = parseLines(readControl(target));
    return [...new Set([...disks, ...present.keys()])].map((disk) => {
      const value = String((disks.includes(disk) ? limits[limit] : null) ?? 0);
      const holds = (text: string): boolean => (parseLines(text).get(disk) ?? "0") === value;
      return { file: target, value: `${disk} ${value}`, holds };
    });
  });
}

/** v2 has one line `major:minor rbps=max wbps=1048576 riops=max wiops=max` for each disk with a limit. */
function v2Writes(path: string, disks: readonly string[], limits: IoLimits): readonly ControlWrite[] {
  const file = join(path, "io.max");
  if (!existsSync(file) && !limitsIo(limits)) return [];
  const none = LIMITS.map(({ key }) => `${key}=max`).join(" ");
  const wanted = LIMITS.map(({ limit, key }) => `${key}=${limits[limit] ?? "max"}`).join(" ");
  const present = parseLines(readControl(file));
  return [...new Set([...disks, ...present.keys()])].map((disk) => {
    const value = disks.includes(disk) ? wanted : none;
    return { file, value: `${disk} ${value}`, holds: (text) => (parseLines(text).get(disk) ?? none) === value };
  });
}

/** What stands after the disk on each line. */
function parseLines(text: string): ReadonlyMap<string, string> {
  const lines = text
    .split("\n")
    .map((line) => line.trim())
    .filter((line) => line !== "");
  return new Map(lines.map((line) => [line.split(" ")[0]!, line.slice(line.indexOf(" ") + 1)]));
}
