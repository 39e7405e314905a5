import type { Capability, LiveSettings } from "./desired.ts";
import type { Resources } from "./resources.ts";

/**
 * One host as its agent reported it. Immutable: a change makes a new object with a higher `version`, and an
 * Instance that did not change keeps its object identity.
 */
export interface HostObservation {
  readonly host: string;
  /** Identifies one run of the agent: `version` only counts upward within one `boot`. */
  readonly boot: string;
  readonly version: number;
  readonly capacity: Resources;
  /** Sorted. */
  readonly capabilities: readonly Capability[];
  /** Why `docker` is not among them, in the engine's words or about its socket; absent or empty while it is. */
  readonly engineProblem?: string;
  /** Why the host's storage needs a person, such as a volume group that lost a disk; absent or empty while it does not. */
  readonly storageProblem?: string;
  /** Ours only (owner label is this fleet), sorted by set, index, generation. */
  readonly instances: readonly ObservedInstance[];
  /** Volumes of ours that are not in the trash, with or without a running Instance. Sorted by set, index, name. */
  readonly volumes: readonly ObservedVolume[];
  readonly trash: readonly TrashedVolume[];
  /** Network ports of ours (address, shaping). Sorted by set, index. */
  readonly ports: readonly ObservedPort[];
  /** Image references present. Sorted. */
  readonly images: readonly string[];
  /** Lowest generation the host still accepts, per slot key, where above 1. */
  readonly floors: Readonly<Record<string, number>>;
  /** Names of containers that are not ours; never touched, shown to people. */
  readonly foreign: readonly string[];
}

/** `created`: exists but never started or stopped; `fenced`: stopped by its own host after losing its lease. */
export type InstancePhase = "created" | "running" | "failed" | "stopped" | "fenced";

export interface ObservedInstance {
  readonly set: string;
  readonly index: number;
  readonly generation: number;
  readonly phase: InstancePhase;
  /** True when every health check passes; false while starting or failing. */
  readonly healthy: boolean;
  readonly infraHash: string;
  readonly containerHashes: Readonly<Record<string, string>>;
  readonly specHash: string;
  readonly live: LiveSettings;
  readonly liveHash: string;
  readonly resources: Resources;
  readonly hostPorts: readonly number[];
  readonly ip: string | null;
  /** Image per container name, for messages. */
  readonly images: Readonly<Record<string, string>>;
  readonly exclusive: boolean;
  readonly priority: "core" | "normal" | "batch";
  readonly taskId: string;
  /** Why it is not running or not healthy, as the driver said it; empty when all is well. */
  readonly message: string;
}

export interface ObservedVolume {
  readonly set: string;
  readonly index: number;
  readonly name: string;
  readonly kind: "lvm" | "dir";
  readonly sizeBytes: number;
  readonly usedBytes: number;
}

export interface TrashedVolume extends ObservedVolume {
  /** Identity within the host's trash. */
  readonly id: string;
  readonly trashedAtMs: number;
  readonly taskId: string;
  readonly commit: string;
}

export interface ObservedPort {
  readonly set: string;
  readonly index: number;
  readonly generation: number;
  readonly ip: string;
}

/**
 * What the reconciler knows of one host. `observation` is the newest full report, null if none arrived yet;
 * `heardAtMs` is the monotonic time at which anything was last heard (heartbeats included), null if never since this process started.
 */
export interface HostView {
  readonly observation: HostObservation | null;
  readonly heardAtMs: number | null;
  /** Why the host can't be reached, as the transport said it; empty while it can. */
  readonly problem: string;
  /**
   * Monotonic: until then its agent may hold a lease given under an earlier commit's longer `leaseFor`. Infinity: it may have
   * none, and so never stop anything by itself. Absent: the pool's present lease is all there is.
   */
  readonly leasedUntilMs?: number;
}

export type Fleet = ReadonlyMap<string, HostView>;
