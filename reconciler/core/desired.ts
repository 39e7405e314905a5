import type { Resources } from "./resources.ts";

/**
 * Desired: what the last good Revision asks for, in canonical form (defaults filled, units normalised,
 * order-free lists sorted). Built from manifests by plan/desired.ts. Immutable; a Set, pool or host that
 * did not change between two Revisions keeps its object identity, which is what makes a pass incremental.
 */
export interface Desired {
  readonly revision: Revision;
  readonly pools: ReadonlyMap<string, DesiredPool>;
  /** Sorted by name. */
  readonly hosts: readonly DesiredHost[];
  /** Sorted by name (insertion order of the map). */
  readonly sets: ReadonlyMap<string, DesiredSet>;
}

/** The git commit the manifests came from; `commit` is a content hash for a plain folder. */
export interface Revision {
  readonly commit: string;
}

/** Where in the repository an object is written, for messages. Lines and columns from 1. */
export interface SourcePosition {
  readonly file: string;
  readonly line: number;
  readonly column: number;
}

export interface DesiredPool {
  readonly name: string;
  readonly network: {
    readonly cidr: string;
    readonly gateway: string;
    readonly vlan: number | null;
    /** Addresses or ranges `a-b` never leased; sorted. */
    readonly reserved: readonly string[];
    /** On real hosts: a network of Docker's own on each, or ports on an Open vSwitch bridge. */
    readonly driver: "bridge" | "ovs";
    readonly bridge: string;
    readonly datapath: "system" | "netdev";
    /** Bytes. */
    readonly mtu: number;
    /** VXLAN between the hosts; null: they share a network already. */
    readonly overlay: { readonly vni: number } | null;
  };
  readonly storage: {
    /** LVM volume group on each host for volumes of kind `lvm`; null: the pool has none. */
    readonly volumeGroup: string | null;
    /** Thin pool in it, from which volumes are taken; null: each has its room from the start. */
    readonly thinPool: string | null;
    /** Absolute path on each host, below which volumes of kind `dir` lie. */
    readonly folder: string;
    readonly trashKeepForMs: number;
    /** `when-full`: the oldest trash of a host is purged before its time where a new volume has no room otherwise. */
    readonly trashReclaim: "never" | "when-full";
  };
  readonly cpuOvercommit: number;
  /** CPUs of every host that Sets never use, as the kernel writes lists, by who uses them; null: none. */
  readonly isolation: { readonly ovs: string | null; readonly vms: string | null };
  readonly memoryReserveBytes: number;
  /** Share of capacity (0..1) at which the alarm rings. */
  readonly watermark: number;
  readonly failure: {
    readonly suspectAfterMs: number;
    readonly lostAfterMs: number;
    /** Share (0..1) of the pool's hosts; more than this unreachable together and nothing moves. */
    readonly brake: number;
    /** An agent unheard for this long stops Instances that must not run twice; null: no self-fencing. */
    readonly leaseForMs: number | null;
  };
  /** Destroys allowed per pass and zone: the smaller of the two, never below one. */
  readonly budget: { readonly percent: number; readonly count: number };
  /** `best-effort`: a host without the driver for a rate, io limit or VLAN takes the Set all the same, without that. */
  readonly limits: "required" | "best-effort";
  readonly source: SourcePosition;
}

export type HostState = "active" | "cordoned" | "draining";

export interface DesiredHost {
  readonly name: string;
  readonly pool: string;
  readonly zone: string;
  /** `zone/rack`, unique in the fleet; a host written without a rack is one of its own: `zone/host`. */
  readonly rack: string;
  readonly labels: Readonly<Record<string, string>>;
  /** What core/agent-address.ts parses. */
  readonly agent: string;
  /** IPv4 in the network that connects the hosts; null where nothing needs it. */
  readonly address: string | null;
  /** CPUs that Sets may use, as the kernel writes lists; null: all. */
  readonly cpus: string | null;
  /** Allocatable: the manifest's capacity less isolated CPUs, after the pool's memory reserve and CPU overcommit. */
  readonly capacity: Resources;
  readonly state: HostState;
}

export type Priority = "core" | "normal" | "batch";
export type Failover = "always" | "after-fence" | "never";
export type Capability = "docker" | "lvm" | "ovs" | "tc" | "cgroup";

export interface DesiredSet {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  /** Pools the Set may live in; sorted. */
  readonly pools: readonly string[];
  readonly count: CountRule;
  readonly priority: Priority;
  readonly template: Template;
  /** Hash of everything that needs a new infra container (a replaced Instance). */
  readonly infraHash: string;
  /** Hash per container, by name, of everything that needs that container recreated. */
  readonly containerHashes: Readonly<Record<string, string>>;
  /** Hash of infraHash and containerHashes: what an up-to-date Instance carries. */
  readonly specHash: string;
  /** Everything that changes in place. */
  readonly live: LiveSettings;
  readonly liveHash: string;
  /** Reserved per Instance. */
  readonly resources: Resources;
  /** Ports taken on the host itself; sorted. */
  readonly hostPorts: readonly number[];
  /** Driver capabilities a host must have; sorted. */
  readonly needs: readonly Capability[];
  /** Distinct images; sorted. */
  readonly images: readonly string[];
  readonly placement: PlacementRules;
  /** How many of `n` target slots may be not ready at once through a rollout or a drain. */
  readonly maxUnavailable: { readonly count: number } | { readonly percent: number };
  readonly failover: Failover;
  /** True where two live Instances of a slot could harm: it owns an LVM volume, a docker volume that is not shared, or a reused IP. */
  readonly exclusive: boolean;
  readonly source: SourcePosition;
}

export type CountRule =
  | { readonly kind: "fixed"; readonly replicas: number }
  | {
      readonly kind: "elastic";
      readonly min: number;
      readonly max: number;
      readonly initial: number;
      readonly schedules: readonly ScheduleRule[];
    };

/** A window of wall-clock time in an IANA zone in which the count has a floor or a ceiling. */
export interface ScheduleRule {
  /** `policy/rule`, unique, for Decisions. */
  readonly name: string;
  readonly timezone: string;
  /** Minutes after local midnight, 0..1439. */
  readonly startMinute: number;
  readonly durationMinutes: number;
  /** 0 = Sunday .. 6 = Saturday, the day on which the window starts; sorted. */
  readonly days: readonly number[];
  readonly floor: number | null;
  readonly ceiling: number | null;
}

export interface PlacementRules {
  /** Zones the Set may use; empty: all. Sorted. */
  readonly zones: readonly string[];
  readonly zonesMin: number;
  /** Zones whose loss must leave the wished count standing: 0 or 1. */
  readonly zonesSurvive: number;
  /** Labels a host must carry. */
  readonly hostLabels: Readonly<Record<string, string>>;
  readonly strategy: "spread" | "pack";
  /** Most Instances of this Set on one host; null: no limit. */
  readonly maxPerHost: number | null;
  /** Never in the same host, rack or zone as an Instance of these Sets (symmetric). Sorted by set. */
  readonly apart: readonly ApartRule[];
  /** Prefer hosts (or zones) that hold Instances of these Sets. Sorted. */
  readonly near: readonly string[];
  /** Most Instances of `core` priority on a host, by the strictest policy that selects the Set; null: no limit. */
  readonly maxCorePerHost: number | null;
}

export interface ApartRule {
  readonly set: string;
  readonly within: "host" | "rack" | "zone";
}

/** Canonical template of one Instance. */
export interface Template {
  /** In launch order. */
  readonly containers: readonly Container[];
  /** Sorted by name. */
  readonly volumes: readonly Volume[];
  readonly network: {
    readonly ip: "reuse" | "any";
    readonly vlan: number | null;
  };
  /** Of the shared network (`net.*`). Absent: none. Keys sorted. */
  readonly sysctls?: Readonly<Record<string, string>>;
  /** Docker runtime of the app containers; infra, which only sleeps, has the daemon's. Absent: the daemon's. */
  readonly runtime?: string;
}

export interface Container extends ContainerOptions {
  readonly name: string;
  readonly image: string;
  readonly command: readonly string[] | null;
  readonly args: readonly string[] | null;
  /** Keys sorted. */
  readonly env: Readonly<Record<string, EnvValue>>;
  readonly user: string | null;
  /** Sorted by name. */
  readonly ports: readonly {
    readonly name: string;
    readonly port: number;
    readonly protocol: "tcp" | "udp";
    readonly hostPort: number | null;
  }[];
  readonly health: HealthCheck | null;
  readonly preStop: readonly string[] | null;
  readonly stopTimeoutMs: number;
  /** Sorted by path. */
  readonly mounts: readonly { readonly volume: string; readonly path: string; readonly readOnly: boolean }[];
}

/**
 * What few containers need. Each is absent at its default, so that the hash of a container that does not use it is what it was
 * before Setpoint knew of it: an upgrade recreates nothing.
 */
export interface ContainerOptions {
  /** By Docker's names. Keys sorted. */
  readonly ulimits?: Readonly<Record<string, Ulimit>>;
  /** Of the container's own namespaces; those of the network are the template's. Keys sorted. */
  readonly sysctls?: Readonly<Record<string, string>>;
  /** Names without CAP_, or ALL; sorted. */
  readonly capabilities?: { readonly add: readonly string[]; readonly drop: readonly string[] };
  readonly readOnlyRoot?: true;
  readonly oomKillDisable?: true;
  /** No init of Docker's in front of the container's own first process. */
  readonly init?: false;
  readonly log?: LogBounds;
}

/** What Docker keeps of a container's output. */
export interface LogBounds {
  readonly maxSizeBytes: number;
  readonly maxFiles: number;
}

/** null = unlimited. Bytes, seconds or a number, as the kernel counts. */
export interface Ulimit {
  readonly soft: number | null;
  readonly hard: number | null;
}

/** A text, or a key of a secret: its value, or the path of a file with it. */
export type EnvValue = string | { readonly as: "file" | "value"; readonly key: string; readonly secret: string };

export interface HealthCheck {
  readonly probe:
    | { readonly kind: "http"; readonly port: number; readonly path: string }
    | { readonly kind: "tcp"; readonly port: number }
    | { readonly kind: "exec"; readonly command: readonly string[] };
  readonly intervalMs: number;
  readonly timeoutMs: number;
  readonly failures: number;
  readonly startPeriodMs: number;
}

export type Volume =
  | { readonly name: string; readonly kind: "lvm"; readonly filesystem: "ext4" | "xfs" }
  /** A folder of the host's own file system; over its size in LiveSettings it is read-only. */
  | { readonly name: string; readonly kind: "dir" }
  | { readonly name: string; readonly kind: "tmpfs" }
  /** A volume of one of Docker's volume plugins, one per slot. Not `shared`: two Instances of the slot may not use it at once. Options sorted by key. */
  | {
      readonly name: string;
      readonly kind: "docker";
      readonly driver: string;
      readonly options: Readonly<Record<string, string>>;
      readonly shared: boolean;
    }
  /** Small read-only files, by name. Keys sorted. */
  | { readonly name: string; readonly kind: "config"; readonly files: Readonly<Record<string, string>> }
  /** Files of a secret of the host. It belongs to the containers that mount it; infra has no part in it. */
  | { readonly name: string; readonly kind: "secret"; readonly secret: string };

/** Settings changed without a new container; compared field by field. Absolute values, null = no limit. */
export interface LiveSettings {
  readonly containers: Readonly<Record<string, ContainerLimits>>;
  /** Size in bytes of each volume that has one, by name. */
  readonly volumes: Readonly<Record<string, number>>;
  readonly ingressBps: number | null;
  readonly egressBps: number | null;
}

export interface ContainerLimits {
  readonly cpuRequestMillis: number;
  readonly cpuLimitMillis: number | null;
  readonly memoryRequestBytes: number;
  readonly memoryLimitBytes: number | null;
  /** Swap on top of memory. */
  readonly swapBytes: number;
  readonly ioWeight: number | null;
  readonly readBps: number | null;
  readonly writeBps: number | null;
  readonly readIops: number | null;
  readonly writeIops: number | null;
}
