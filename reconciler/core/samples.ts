/** What a host and its Instances used, read once a second from the kernel. Counters only grow until their container restarts. */
export interface HostSample {
  readonly host: string;
  /** Wall clock of the host. */
  readonly atMs: number;
  /** Whole host. */
  readonly total: HostUsage;
  /** Sorted by set, index, generation. */
  readonly instances: readonly InstanceSample[];
}

export interface HostUsage {
  /** Counter. Nanoseconds of all CPUs not idle. */
  readonly cpuNs: number;
  readonly memoryUsedBytes: number;
  readonly memoryTotalBytes: number;
  /** One-minute load average. */
  readonly load: number;
}

export interface InstanceSample {
  readonly set: string;
  readonly index: number;
  readonly generation: number;
  /** Counters of the Instance's one port, as the Instance sees them; null where the driver has no port of its own. Bytes. */
  readonly network: { readonly receivedBytes: number; readonly sentBytes: number } | null;
  /** Sorted by name; the infra container is left out. */
  readonly containers: readonly ContainerSample[];
}

export interface ContainerSample {
  readonly name: string;
  /** Counter. */
  readonly cpuNs: number;
  /** Counter. Time in which the container was held back by its cpu limit. */
  readonly throttledNs: number;
  /** Without the page cache that the kernel would give up first. */
  readonly memoryBytes: number;
  /** Counter of kills for want of memory. */
  readonly oomKills: number;
  /** Counters. */
  readonly readBytes: number;
  readonly writtenBytes: number;
}
