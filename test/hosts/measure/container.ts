import { readFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { CgroupLocator, CgroupOwner } from "../../../reconciler/agent/cgroup/locate.ts";
import { ContainerReader } from "../../../reconciler/agent/sampler/container-reader.ts";
import type { Counters } from "../../../reconciler/agent/sampler/counters.ts";
import { type Measurement, measurement } from "./measurement.ts";

/*
 * What the kernel makes of a running container's limits, read from its cgroups. `owner.pid` is the container's first process as this
 * process sees it; 0 where the locator knows the parent.
 */

/** Present counters. Throws when the container does not run. */
export function readCounters(locator: CgroupLocator, owner: CgroupOwner): Counters {
  const reader = new ContainerReader(locator, owner);
  try {
    const counters = reader.read(Buffer.allocUnsafe(64 * 1024));
    if (counters === null) throw new Error(`container ${owner.id} has no cgroups`);
    return counters;
  } finally {
    reader.close();
  }
}

/** Share of a core that a container uses that never rests. Thousandths of a core. */
export async function measureCpuQuota(
  locator: CgroupLocator,
  owner: CgroupOwner,
  requiredMillis: number,
  seconds: number,
): Promise<Measurement> {
  const perSecond = await rateOf(locator, owner, seconds, ({ cpuNs }) => cpuNs);
  return measurement(requiredMillis, perSecond / 1e6, "millicores");
}

/** Bytes per second of a container that writes (or reads) past the page cache all the time. */
export async function measureIoThrottle(
  locator: CgroupLocator,
  owner: CgroupOwner,
  requiredBps: number,
  seconds: number,
  direction: "read" | "write" = "write",
): Promise<Measurement> {
  const of = ({ readBytes, writtenBytes }: Counters): number => (direction === "write" ? writtenBytes : readBytes);
  return measurement(requiredBps, await rateOf(locator, owner, seconds, of), "bytes/s");
}

/** Most memory a container ever had, beside its limit; and which of the containers had a process killed for want of memory. */
export function measureMemoryLimit(
  locator: CgroupLocator,
  containers: Readonly<Record<string, CgroupOwner>>,
  offender: string,
  limitBytes: number,
): { readonly peak: Measurement; readonly killed: readonly string[] } {
  const folder = locator.locate(containers[offender]!)("memory");
  if (folder === null) throw new Error(`container ${offender} has no memory cgroup`);
  const peak = Number(readFileSync(join(folder.path, folder.version === 1 ? "memory.max_usage_in_bytes" : "memory.peak"), "latin1"));
  const killed = Object.entries(containers).filter(([, owner]) => readCounters(locator, owner).oomKills > 0);
  return { peak: measurement(limitBytes, peak, "bytes"), killed: killed.map(([name]) => name).sort() };
}

/** Growth of a counter per second. */
async function rateOf(locator: CgroupLocator, owner: CgroupOwner, seconds: number, of: (counters: Counters) => number): Promise<number> {
  const [before, startedAt] = [of(readCounters(locator, owner)), performance.now()];
  await sleep(seconds * 1000);
  return ((of(readCounters(locator, owner)) - before) * 1000) / (performance.now() - startedAt);
}
