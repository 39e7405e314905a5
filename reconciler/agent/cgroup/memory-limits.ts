import { join } from "node:path";
import type { ContainerLimits } from "../../core/desired.ts";
import { StepError } from "../ports.ts";
import { type ControlWrite, readControl, readOptional, valueOf, writeControl } from "./control-file.ts";
import type { CgroupFolder } from "./locate.ts";

/** The kernel rounds limits down to whole pages, of up to this size. */
const LARGEST_PAGE_BYTES = 65_536;

/** Above this v1 means no limit. */
const V1_UNLIMITED_BYTES = 2 ** 62;

/** Present use without the page cache that the kernel would give up first. Bytes. */
export function memoryInUse({ version, path }: CgroupFolder): number {
  const [current, cache] = version === 1 ? ["memory.usage_in_bytes", "total_inactive_file"] : ["memory.current", "inactive_file"];
  const used = Number(readControl(join(path, current)));
  return Math.max(0, used - valueOf(readControl(join(path, "memory.stat")), cache));
}

/**
 * Sets memory and swap together. Rejects with `below-use` rather than have the kernel kill the container's processes; swap stays
 * as it is where the kernel does not count it.
 */
export async function applyMemory(folder: CgroupFolder, limits: ContainerLimits, signal: AbortSignal): Promise<void> {
  const limitBytes = limits.memoryLimitBytes ?? Infinity;
  const memoryFile = join(folder.path, folder.version === 1 ? "memory.limit_in_bytes" : "memory.max");
  if (limitBytes < parseLimit(readControl(memoryFile))) guardUse(folder, limitBytes);
  const memory = limitWrite(folder.version, memoryFile, limitBytes);
  const writes = folder.version === 1 ? v1Order(folder, memory, limitBytes + limits.swapBytes) : v2Order(folder, memory, limits);
  for (const write of writes) await writeControl({ ...write, busy: () => belowUse(folder, limitBytes) }, signal);
}

/** v1 limits the sum, which may never be below memory alone: what grows is written first. */
function v1Order(folder: CgroupFolder, memory: ControlWrite, bothBytes: number): readonly ControlWrite[] {
  const file = join(folder.path, "memory.memsw.limit_in_bytes");
  const present = readOptional(file);
  if (present === null) return [memory];
  const both = limitWrite(1, file, bothBytes);
  return bothBytes >= parseLimit(present) ? [both, memory] : [memory, both];
}

/** v2 limits swap by itself; room is made before it is needed. */
function v2Order(folder: CgroupFolder, memory: ControlWrite, limits: ContainerLimits): readonly ControlWrite[] {
  const file = join(folder.path, "memory.swap.max");
  const present = readOptional(file);
  if (present === null) return [memory];
  const swapBytes = limits.memoryLimitBytes === null ? Infinity : limits.swapBytes;
  const swap = limitWrite(2, file, swapBytes);
  return swapBytes >= parseLimit(present) ? [swap, memory] : [memory, swap];
}

function guardUse(folder: CgroupFolder, limitBytes: number): void {
  if (memoryInUse(folder) > limitBytes) throw belowUse(folder, limitBytes);
}

function belowUse(folder: CgroupFolder, limitBytes: number): StepError {
  const message = `${memoryInUse(folder)} bytes of memory are in use, the new limit is ${limitBytes}`;
  return new StepError("below-use", message, { outcome: "refused" });
}

function limitWrite(version: 1 | 2, file: string, bytes: number): ControlWrite {
  const value = bytes === Infinity ? (version === 1 ? "-1" : "max") : String(bytes);
  return { file, value, holds: (present) => isLimit(parseLimit(present), bytes) };
}

function isLimit(present: number, wanted: number): boolean {
  return present === wanted || (present <= wanted && wanted - present < LARGEST_PAGE_BYTES);
}

/** Bytes; Infinity: no limit. */
function parseLimit(text: string): number {
  const value = text === "max" || text === "-1" ? Infinity : Number(text);
  return value >= V1_UNLIMITED_BYTES ? Infinity : value;
}
