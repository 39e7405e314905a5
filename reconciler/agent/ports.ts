import type { Capability, Container, ContainerLimits, HealthCheck, Template } from "../core/desired.ts";
import type { NetworkSettings, StorageSettings } from "../core/host-settings.ts";
import type { ObservedPort, ObservedVolume, TrashedVolume } from "../core/observation.ts";
import type { InstanceSpec } from "../core/plan.ts";
import type { Resources } from "../core/resources.ts";
import type { HostUsage, InstanceSample } from "../core/samples.ts";

/*
 * What the agent needs of the host's technologies. Each is implemented in a folder of its own (docker/, network/, cgroup/, sampler/) and
 * wired in main.ts. Every call takes an AbortSignal that ends at its deadline, and rejects with a StepError for what a person
 * has to know. Everything is absolute and may be done twice.
 */

/** Time, passed in; the shape of sys/clock.ts and of the reconciler's Clock. */
export interface Clock {
  /** Wall clock, milliseconds since 1970. May jump. */
  now(): number;
  /** Never jumps, never goes back; milliseconds from an arbitrary start. */
  monotonic(): number;
  /** Resolves after `ms`; rejects with the signal's reason when aborted first. */
  sleep(ms: number, signal?: AbortSignal): Promise<void>;
}

/** Lines for operators: a sentence and the fields that go with it. */
export interface Log {
  info(fields: Readonly<Record<string, unknown>>, message: string): void;
  warn(fields: Readonly<Record<string, unknown>>, message: string): void;
  error(fields: Readonly<Record<string, unknown>>, message: string): void;
}

/** The machine itself, whatever runs on it. */
export interface Machine {
  /** Identifies one boot of the kernel. */
  readonly bootId: string;
  /** Milliseconds since that boot, time asleep included: comparable between runs of the agent, as the lease must be. */
  uptimeMs(): number;
  /** Disk is 0: Volumes knows it. Bandwidth: what the network card does, or what the operator says. */
  readonly capacity: Resources;
  usage(): HostUsage;
}

/** One Instance of a slot, present or past. */
export interface InstanceRef {
  readonly set: string;
  readonly index: number;
  readonly generation: number;
}

/** Why a step was not done. `code` is one of core/errors/hosts.ts; `permanent`: the same input will fail again. */
export class StepError extends Error {
  override readonly name = "StepError";
  readonly code: string;
  readonly retry: "transient" | "permanent";
  /** `refused`: nothing was tried. `failed`: it was tried. */
  readonly outcome: "failed" | "refused";

  constructor(
    code: string,
    message: string,
    { retry = "transient", outcome = "failed" }: { retry?: "transient" | "permanent"; outcome?: "failed" | "refused" } = {},
  ) {
    super(message);
    this.code = code;
    this.retry = retry;
    this.outcome = outcome;
  }
}

/** A container that carries our owner label, as the engine lists it. */
export interface OwnedContainer extends InstanceRef {
  readonly id: string;
  /** `infra` owns network and volumes; an app container has its name in the Set. */
  readonly role: "infra" | "app";
  readonly container: string;
  /** Docker's word, with `paused` and `restarting` taken for running, `dead` and `removing` for exited. */
  readonly state: "created" | "running" | "exited";
  readonly exitCode: number | null;
  readonly oomKilled: boolean;
  /** First process in the host's pid namespace; 0 when it does not run. */
  readonly pid: number;
  readonly startedAtMs: number | null;
  /** It runs in a network that infra left behind when it was started again; nobody reaches it there. */
  readonly stranded: boolean;
  /** Infra that the engine gave no network: Network.wire brings it there. */
  readonly wiredByAgent: boolean;
  /** From the labels: what it was made from. */
  readonly hash: string;
  readonly labels: InstanceLabels;
}

/** What is written on every container of an Instance, so that all of it can be read back from the engine alone. */
export interface InstanceLabels {
  readonly specHash: string;
  readonly infraHash: string;
  readonly taskId: string;
  readonly ip: string;
  readonly exclusive: boolean;
  readonly priority: "core" | "normal" | "batch";
  readonly hostPorts: readonly number[];
  readonly resources: Resources;
  /** Image as the manifest writes it. */
  readonly image: string;
}

/** What of the engine's inventory an observation is made of. */
export interface EngineInventory {
  readonly containers: readonly OwnedContainer[];
  /** Names of containers that are not ours. */
  readonly foreign: readonly string[];
  /** Image references present; sorted. */
  readonly images: readonly string[];
}

export interface EngineFacts {
  readonly version: string;
  readonly apiVersion: string;
  readonly cgroupVersion: 1 | 2;
  readonly cgroupDriver: "cgroupfs" | "systemd";
  readonly cpus: number;
  readonly memoryBytes: number;
  readonly liveRestore: boolean;
  /** Users in containers are others on the host (`userns-remap`). */
  readonly userNamespaces: boolean;
}

/** `lost`: the stream ended, the engine is perhaps gone. `restarted`: it is heard again, anything may have happened meanwhile. */
export interface EngineEvent {
  readonly kind: "started" | "died" | "oom" | "destroyed" | "image" | "lost" | "restarted";
  /** Empty for `image`, `lost` and `restarted`. */
  readonly containerId: string;
  /** Whose container it is; null for `image`, `lost`, `restarted`, and where its labels were changed beyond reading. */
  readonly instance: InstanceRef | null;
}

/** The container engine: Sets as one infra container and app containers that join its network. */
export interface Engine {
  /** Rejects when the engine does not answer. */
  ping(signal: AbortSignal): Promise<void>;
  facts(signal: AbortSignal): Promise<EngineFacts>;
  inventory(signal: AbortSignal): Promise<EngineInventory>;
  /** The containers of one Instance, infra first: as `inventory` shows them, without asking for all others. */
  containersOf(ref: InstanceRef, signal: AbortSignal): Promise<readonly OwnedContainer[]>;
  /** Never ends by itself; after a loss it says `lost` and connects again. Says `restarted` whenever it connects, the first time too. */
  events(signal: AbortSignal): AsyncIterable<EngineEvent>;
  pull(image: string, signal: AbortSignal): Promise<void>;
  /**
   * Infra first, then the app containers in launch order. `endpoint` says how infra joins the network. Creates what is missing, replaces what
   * has another hash, starts what is not running; nothing for an Instance that runs as `spec` says.
   */
  startInstance(ref: InstanceRef, request: StartRequest, signal: AbortSignal): Promise<void>;
  /** Starts the existing containers again, in order; app containers that lost infra's network are restarted. For supervision. */
  resumeInstance(ref: InstanceRef, wire: Wire, signal: AbortSignal): Promise<void>;
  /** Removes and starts anew just these app containers; preStop and stop timeout respected. */
  replaceContainers(ref: InstanceRef, containers: readonly string[], request: StartRequest, signal: AbortSignal): Promise<void>;
  /** cpu, memory and swap (together), weight, by `docker update`; refuses memory below present use with `below-use`. */
  updateLimits(ref: InstanceRef, limits: Readonly<Record<string, ContainerLimits>>, signal: AbortSignal): Promise<void>;
  /** preStop hooks, then app containers at once with their stop timeouts (at most graceMs), then infra. */
  stopInstance(ref: InstanceRef, graceMs: number, signal: AbortSignal): Promise<void>;
  /** At once, without grace, when the lease is over. Works through the kernel (SIGKILL to the cgroup) when the engine hangs. */
  killInstance(ref: InstanceRef, signal: AbortSignal): Promise<void>;
  /** Containers and their tmpfs volumes removed; done when none of the generation is left. */
  removeInstance(ref: InstanceRef, signal: AbortSignal): Promise<void>;
  /** Runs a command in a container; the exit code and the first KiB of its output. */
  exec(
    containerId: string,
    command: readonly string[],
    signal: AbortSignal,
  ): Promise<{ readonly exitCode: number; readonly output: string }>;
}

export interface StartRequest {
  readonly fleet: string;
  readonly taskId: string;
  readonly spec: InstanceSpec;
  readonly ip: string;
  readonly endpoint: Endpoint;
  readonly wire: Wire;
  /** cpuset of all containers; null: all CPUs. */
  readonly cpus: string | null;
  /** By container; those that need none are not there. */
  readonly secrets: ReadonlyMap<string, ContainerSecrets>;
  /** What Volumes.mount returned. */
  readonly volumes: VolumePaths;
}

/** What a container needs of the host's secrets, ready to be used. */
export interface ContainerSecrets {
  /** By variable. */
  readonly values: ReadonlyMap<string, SecretValue>;
  /** Folders in memory to mount read-only, sorted by target. */
  readonly folders: readonly { readonly source: string; readonly target: string }[];
}

/** Holds a value so that nothing shows it by accident: printed, logged or as JSON it is empty. */
export interface SecretValue {
  reveal(): string;
}

/**
 * Brings an Instance to the network whose infra the engine left without; `infraPid` is infra's first process. Called whenever infra was started
 * and before the first app container is; done when the Instance is there already.
 */
export type Wire = (infraPid: number, signal: AbortSignal) => Promise<void>;

/** Goes into infra's create call as it is. */
export interface Endpoint {
  /** `none`: the engine makes an empty network namespace and leaves the rest to Wire. */
  readonly networkMode: string;
  /** `NetworkingConfig.EndpointsConfig[networkMode]`. */
  readonly settings: Readonly<Record<string, unknown>>;
  /** Host ports are published through Docker; false where the network reaches Instances without. */
  readonly publish: boolean;
  /** For the Instance's own resolv.conf (bind-mounted, so that it works while the engine is down); null: Docker's. */
  readonly resolver: Resolver | null;
}

/** How names are resolved; words as in resolv.conf. */
export interface Resolver {
  readonly nameservers: readonly string[];
  readonly search: readonly string[];
  readonly options: readonly string[];
}

/** Secrets of this host: values for variables, and files in memory for containers, never on a disk. */
export interface Secrets {
  /**
   * What these containers of a template need. Rejects with `secret-missing`, `secret-exposed`, `secret-unusable` or `secret-store`, which name host
   * and path. `owned`: a file belongs to the container's user where that is a number, and only that user may read it; else whoever sees it may.
   */
  prepare(
    ref: InstanceRef,
    template: Template,
    containers: readonly Container[],
    owned: boolean,
    signal: AbortSignal,
  ): Promise<ReadonlyMap<string, ContainerSecrets>>;
  /** Puts files back that a reboot took, before containers start again. */
  restore(ref: InstanceRef, template: Template, owned: boolean, signal: AbortSignal): Promise<void>;
  /** Brings files up to date with the host's. Cheap while nothing was written; trouble is logged and the old files stay. */
  refresh(instances: readonly SecretUser[], owned: boolean, signal: AbortSignal): Promise<void>;
  /** Removes the files of all Instances but these. */
  dropOthers(kept: readonly InstanceRef[]): Promise<void>;
  /** The text without any value that was read: for what others say, which is shown and sent. */
  hide(text: string): string;
}

export interface SecretUser {
  readonly ref: InstanceRef;
  readonly template: Template;
}

/** An Instance's one port. Rates in bit/s, null = no limit. `ingress` is traffic to the Instance. */
export interface PortRequest extends InstanceRef {
  readonly ip: string;
  readonly vlan: number | null;
  readonly ingressBps: number | null;
  readonly egressBps: number | null;
}

/** The host's network for Instances: Docker's bridge, or OVS with tc behind our own Docker network plugin. */
export interface Network {
  /** What it can do now; asked at every observation, so it must be cheap. */
  capabilities(): readonly Capability[];
  /** Makes the host's side so: network, bridge, overlay. */
  apply(settings: NetworkSettings, signal: AbortSignal): Promise<void>;
  /** Takes the port over into the agent's state; the wire comes with infra's start. Rejects with `ip-in-use` for an address another slot's port here has. */
  attach(port: PortRequest, signal: AbortSignal): Promise<void>;
  /** `publishes`: the Instance has ports of the host. */
  endpoint(ref: InstanceRef, publishes: boolean): Endpoint;
  /** See Wire. */
  wire(ref: InstanceRef, infraPid: number, signal: AbortSignal): Promise<void>;
  /** Whether the slot's wire is there; cheap. */
  isWired(slot: Pick<InstanceRef, "set" | "index">): boolean;
  /** Changes rates of a running port. */
  shape(ref: InstanceRef, ingressBps: number | null, egressBps: number | null, signal: AbortSignal): Promise<void>;
  /** Releases the port; one that is gone already is done. The caller saw that no container of the generation is left. */
  detach(ref: Pick<InstanceRef, "set" | "index">, signal: AbortSignal): Promise<void>;
  ports(): readonly ObservedPort[];
  /** Puts back what a restart of the switch or the engine lost, and collects what leaked. Called at start, after `restarted`, and every few seconds (cheap when nothing is wrong). */
  repair(signal: AbortSignal): Promise<void>;
  /** Bytes to and from each of our ports, by `set/index@generation`; empty where it can't tell. */
  counters(): ReadonlyMap<string, { readonly receivedBytes: number; readonly sentBytes: number }>;
  close(): Promise<void>;
}

/** One volume of a slot, whatever it is made of. */
export interface VolumeRef {
  readonly set: string;
  readonly index: number;
  /** As the Set names it. */
  readonly name: string;
}

/** `filesystem` null: a folder with a soft limit, not a logical volume. */
export interface VolumeRequest extends VolumeRef {
  readonly filesystem: "ext4" | "xfs" | null;
  readonly sizeBytes: number;
}

/** What stands on an entry of the trash. */
export interface TrashNote {
  readonly trashedAtMs: number;
  readonly commit: string;
  readonly taskId: string;
}

/** Folders of the host to bind into containers, by the volume's name. */
export type VolumePaths = ReadonlyMap<string, string>;

/**
 * The host's storage for slots: volumes that outlive any Instance, and their trash. Every change is finished by being asked for again, also
 * by another run of the agent and wherever the one before was killed. Nothing that does not carry our fleet's mark is ever touched.
 */
export interface Volumes {
  /** `lvm` while the volume group answers. */
  capabilities(): readonly Capability[];
  /** For volumes of kind `lvm`: what ours have, those in the trash too, and what is free. 0 without a volume group. */
  capacityBytes(): number;
  /** Why the host's storage needs a person; null: it does not. */
  problem(): string | null;
  /** From now on the storage is where the settings say; null: nobody said, there is none. Looks there. Rejects when it can't be used. */
  apply(settings: StorageSettings | null, signal: AbortSignal): Promise<void>;
  /** Reads what there is, and finishes what a crash left half done. Called at start and every so often; steps look by themselves. */
  look(signal: AbortSignal): Promise<void>;
  /** Brings figures of use up to date; cheap. Changes below a hundredth of the volume are not told. */
  measure(signal: AbortSignal): Promise<void>;
  /** Ready to be mounted, as last seen; sorted by set, index, name. */
  volumes(): readonly ObservedVolume[];
  /** As last seen; sorted by set, index, name, time. */
  trash(): readonly TrashedVolume[];
  /**
   * The volume is there, with its file system, and has at least the size. Rejects with `disk-full` and its figures, `volume-too-small`, `not-ours`,
   * `group-damaged` or `volume-failed`.
   */
  create(request: VolumeRequest, signal: AbortSignal): Promise<void>;
  /** As create, for one that must be there (`not-found`); its containers go on meanwhile. Rejects with `would-shrink` for a smaller size. */
  grow(ref: VolumeRef, sizeBytes: number, signal: AbortSignal): Promise<void>;
  /** Into the trash with all its data; done when it is not there. The caller saw that no container has it; `volume-busy` when a process does. */
  trashVolume(ref: VolumeRef, note: TrashNote, signal: AbortSignal): Promise<void>;
  /** Out of the trash into a slot. Rejects with `volume-exists` when that has such a volume, `not-found` when the trash has no such entry. */
  restore(ref: VolumeRef, trashId: string, trashedAtMs: number, signal: AbortSignal): Promise<void>;
  /** Destroys one entry of the trash; done when it is not there. Rejects with `not-found` for another one under that id. */
  purge(trashId: string, trashedAtMs: number, signal: AbortSignal): Promise<void>;
  /**
   * Makes the slot's volumes usable, before each start of its containers, and says where they are. `owned`: a fresh one belongs to the numeric user
   * of the first container that may write to it; else whoever sees it may write. Rejects with `not-ready` for one that is not there,
   * `mount-point-busy`, `volume-damaged` or `group-damaged`.
   */
  mount(slot: Pick<VolumeRef, "set" | "index">, template: Template, owned: boolean, signal: AbortSignal): Promise<VolumePaths>;
  close(): Promise<void>;
}

/** Limits that Docker can't keep over a restart, and the CPUs of the host that are for Sets. */
export interface Cgroups {
  /** `cgroup` when io limits are enforced by this kernel. */
  capabilities(): readonly Capability[];
  /** Writes them anew: called after each start of a container and when limits change. */
  apply(
    container: { readonly id: string; readonly pid: number },
    limits: ContainerLimits,
    cpus: string | null,
    signal: AbortSignal,
  ): Promise<void>;
}

/** Reads the kernel's counters on kept descriptors. */
export interface Sampler {
  /** The containers to read from now on. */
  follow(containers: readonly OwnedContainer[]): void;
  /** Synchronous: about a millisecond for 100 containers. `network` is filled in by the caller. */
  read(): readonly Omit<InstanceSample, "network">[];
  close(): void;
}

/** One probe of one container, from the host. Resolves to null when it passes, else to why it does not, in a few words. */
export type Probe = (target: ProbeTarget, check: HealthCheck, signal: AbortSignal) => Promise<string | null>;

export interface ProbeTarget {
  readonly containerId: string;
  /** First process of infra: its network namespace. */
  readonly infraPid: number;
  readonly ip: string;
}
