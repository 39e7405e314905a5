import type { ContainerLimits } from "../../core/desired.ts";

/** The part of HostConfig that limits a container and that `update` can change. All names and units are Docker's. */
export interface DockerLimits {
  readonly CpuShares: number;
  readonly CpuPeriod: number;
  readonly CpuQuota: number;
  readonly Memory: number;
  readonly MemorySwap: number;
  readonly BlkioWeight: number;
}

const CPU_PERIOD_US = 100_000;
/** The kernel takes no less. */
const LEAST_QUOTA_US = 1_000;
const LEAST_SHARES = 2;
const MOST_SHARES = 262_144;
/** No host has so much, and JSON can say it exactly: to Docker 0 is no value, and -1 is refused. */
const NO_MEMORY_LIMIT = 2 ** 52;
const DEFAULT_WEIGHT = 500;

/** Limits for a create call, where 0 means none. Shares are relative to 1024 for one core, as with Kubernetes. */
export function createLimits(limits: ContainerLimits): DockerLimits {
  const memory = limits.memoryLimitBytes;
  return {
    CpuShares: Math.min(MOST_SHARES, Math.max(LEAST_SHARES, Math.floor((limits.cpuRequestMillis * 1_024) / 1_000))),
    CpuPeriod: CPU_PERIOD_US,
    CpuQuota: limits.cpuLimitMillis === null ? -1 : quotaOf(limits.cpuLimitMillis),
    Memory: memory ?? 0,
    MemorySwap: memory === null ? 0 : memory + limits.swapBytes,
    BlkioWeight: limits.ioWeight ?? 0,
  };
}

function quotaOf(millis: number): number {
  return Math.max(LEAST_QUOTA_US, Math.round((millis * CPU_PERIOD_US) / 1_000));
}

/** Limits for an update call, where 0 means "as it is", so that taking a limit away needs a value of its own. */
export function updateBody(limits: ContainerLimits): DockerLimits {
  const create = createLimits(limits);
  const unlimited = limits.memoryLimitBytes === null;
  return {
    ...create,
    Memory: unlimited ? NO_MEMORY_LIMIT : create.Memory,
    MemorySwap: unlimited ? NO_MEMORY_LIMIT : create.MemorySwap,
    BlkioWeight: create.BlkioWeight === 0 ? DEFAULT_WEIGHT : create.BlkioWeight,
  };
}

/** True when a container with `present` in its HostConfig is limited as `wanted` asks. */
export function hasLimits(present: DockerLimits, wanted: ContainerLimits): boolean {
  const create = createLimits(wanted);
  return (
    present.CpuShares === create.CpuShares &&
    present.CpuQuota === create.CpuQuota &&
    memoryOf(present) === memoryOf(create) &&
    // What lies above memory is swap; without a limit of memory there is none of swap either.
    (memoryOf(create) === null || present.MemorySwap === create.MemorySwap) &&
    (present.BlkioWeight || DEFAULT_WEIGHT) === (create.BlkioWeight || DEFAULT_WEIGHT)
  );
}

function memoryOf({ Memory }: DockerLimits): number | null {
  return Memory === 0 || Memory >= NO_MEMORY_LIMIT ? null : Memory;
}
