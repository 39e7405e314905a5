import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { CgroupLocator, CgroupOwner } from "../../../reconciler/agent/cgroup/locate.ts";
import { ContainerReader } from "../../../reconciler/agent/sampler/container-reader.ts";
import { type Counters, numberAfter } from "../../../reconciler/agent/sampler/counters.ts";
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

/**
 * Share of a core that a container uses that never rests, in thousandths of a core; and in which share (0..1) of the kernel's periods its
 * quota held it back. Where that is below 1, the machine had no time for it, and it used less than it may.
 */
export async function measureCpuQuota(
  locator: CgroupLocator,
  owner: CgroupOwner,
  requiredMillis: number,
  seconds: number,
): Promise<{ readonly quota: Measurement; readonly heldBack: number }> {
  const folder = locator.locate(owner)("cpu");
  if (folder === null) throw new Error(`container ${owner.id} has no cpu cgroup`);
  const periods = (): readonly [all: number, heldBack: number] => {
    const text = readFileSync(join(folder.path, "cpu.stat"), "latin1");
    return [numberAfter(text, "nr_periods "), numberAfter(text, "nr_throttled ")];
  };
  const before = periods();
  const perSecond = await rateOf(locator, owner, seconds, ({ cpuNs }) => cpuNs);
  const after = periods();
  return {
    quota: measurement(requiredMillis, perSecond / 1e6, "millicores"),
    heldBack: (after[1] - before[1]) / Math.max(1, after[0] - before[0]),
  };
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

/** Whether this kernel holds writes back at all: it takes the file away otherwise. */
export function canThrottle(locator: CgroupLocator, owner: CgroupOwner): boolean {
  const folder = locator.locate(owner)("io");
  return folder !== null && existsSync(join(folder.path, folder.version === 1 ? "blkio.throttle.write_bps_device" : "io.max"));
}

/** Growth of a counter per second. */
async function rateOf(locator: CgroupLocator, owner: CgroupOwner, seconds: number, of: (counters: Counters) => number): Promise<number> {
  const [before, startedAt] = [of(readCounters(locator, owner)), performance.now()];
  await sleep(seconds * 1000);
  return ((of(readCounters(locator, owner)) - before) * 1000) / (performance.now() - startedAt);
}
