import { join } from "node:path";
import type { HostUsage } from "../core/samples.ts";
import { KeptFile } from "./sampler/kept-file.ts";

/** The kernel shows CPU time in hundredths of a second on every machine. */
const TICK_NS = 10_000_000;

/** Of the first line of /proc/stat: user, nice, system, irq, softirq; guest time is in user and nice already. */
const BUSY_FIELDS = [0, 1, 2, 5, 6];

const BUFFER_BYTES = 16 * 1024;

/** Reads what the whole host uses, on kept descriptors; `proc` is /proc. Time stolen by other virtual machines is not this host's use. */
export function openHostUsage(proc = "/proc"): { read(): HostUsage; close(): void } {
  const stat = new KeptFile(join(proc, "stat"));
  const meminfo = new KeptFile(join(proc, "meminfo"));
  const loadavg = new KeptFile(join(proc, "loadavg"));
  const buffer = Buffer.allocUnsafe(BUFFER_BYTES);
  const textOf = (file: KeptFile): string => buffer.toString("latin1", 0, file.read(buffer));
  return {
    read: () => ({ cpuNs: busyNs(textOf(stat)), ...memory(textOf(meminfo)), load: Number.parseFloat(textOf(loadavg)) }),
    close: () => {
      for (const file of [stat, meminfo, loadavg]) file.close();
    },
  };
}

/** All time but idle, waiting for disks, and stolen. */
function busyNs(stat: string): number {
  const ticks = stat.slice("cpu  ".length, stat.indexOf("\n")).split(" ").map(Number);
  return TICK_NS * BUSY_FIELDS.reduce((sum, field) => sum + (ticks[field] ?? 0), 0);
}

/** Used is what a new program could not have. */
function memory(meminfo: string): Pick<HostUsage, "memoryUsedBytes" | "memoryTotalBytes"> {
  const bytes = (key: string): number => 1024 * Number.parseInt(/\d+/.exec(meminfo.slice(meminfo.indexOf(`${key}:`)))?.[0] ?? "0", 10);
  const total = bytes("MemTotal");
  return { memoryUsedBytes: total - bytes("MemAvailable"), memoryTotalBytes: total };
}
