import { randomUUID } from "node:crypto";
import type { Capability, ContainerLimits, Template } from "../core/desired.ts";
import type { HostSettings } from "../core/host-settings.ts";
import { slotKey } from "../core/ids.ts";
import type { HostObservation } from "../core/observation.ts";
import { Lanes, Permits } from "./apply/lanes.ts";
import { withinTime } from "./deadline.ts";
import { instanceKey } from "./instance-key.ts";
import { buildObservation, type ObservationMemory, type Work } from "./observe/observation.ts";
import { Picture } from "./observe/picture.ts";
import type {
  Cgroups,
  Clock,
  Engine,
  InstanceRef,
  Log,
  Machine,
  Network,
  OwnedContainer,
  Probe,
  Sampler,
  Secrets,
  VolumePaths,
  Volumes,
  Wire,
} from "./ports.ts";
import { createRounds } from "./rounds.ts";
import { AgentState } from "./state/agent-state.ts";
import { openLeaseFile, type LeaseFile } from "./state/lease-file.ts";
import { HealthChecks } from "./supervise/health.ts";
import { Lease } from "./supervise/lease.ts";

export interface AgentParts {
  readonly engine: Engine;
  readonly network: Network;
  readonly cgroups: Cgroups;
  readonly sampler: Sampler;
  readonly probe: Probe;
  readonly secrets: Secrets;
  readonly volumes: Volumes;
  readonly machine: Machine;
  readonly clock: Clock;
  readonly log: Log;
  /** Absolute path of the agent's own folder. */
  readonly stateFolder: string;
  /** Steps that use the engine at once; the rest wait in line. Default 16; the engine itself limits what gets slower by being many. */
  readonly engineSteps?: number;
}

/** Writing one container's limits. */
const LIMITS_WITHIN_MS = 10_000;
const NETWORK_WITHIN_MS = 60_000;

/** What all parts of the agent share: the ports, what is remembered, what was seen, what is being done. */
export class HostCore {
  readonly parts: AgentParts;
  readonly boot = randomUUID();
  readonly lifetime = new AbortController();
  readonly state: AgentState;
  readonly picture: Picture;
  readonly health: HealthChecks;
  readonly lease: Lease;
  readonly lanes = new Lanes();
  readonly enginePermits: Permits;
  readonly pullPermits = new Permits(3);
  /** What steps do to Instances now, by instanceKey. */
  readonly working = new Map<string, Work>();
  /** Why supervision could not start an Instance again, by instanceKey. */
  readonly troubles = new Map<string, string>();
  /** Images that were pulled under this very name, which the engine may list under another. */
  readonly pulled = new Set<string>();
  /** Why the host's network is not as the settings say; null when it is. */
  networkProblem: string | null = null;
  /** One at a time: settings, a start of the engine and the agent's own may ask together. */
  readonly #networkRound = createRounds(() => this.#setUpNetwork());
  readonly #leaseFile: LeaseFile;
  readonly #listeners = new Set<(observation: HostObservation) => void>();
  #observation: HostObservation | null = null;
  readonly #observed: ObservationMemory = new Map();
  #publishing = false;
  /** Which run of each container has its limits written, by id. */
  #limited = new Map<string, string>();
  /** Called after each listing of the engine. */
  onLooked: () => void = () => undefined;

  /** Throws a UserError when the state folder can't be used. */
  constructor(parts: AgentParts) {
    this.parts = parts;
    this.state = new AgentState(parts.stateFolder);
    this.#leaseFile = openLeaseFile(parts.stateFolder);
    this.lease = new Lease(this.boot, parts.machine, this.#leaseFile);
    this.enginePermits = new Permits(parts.engineSteps ?? 16);
    const { signal } = this.lifetime;
    this.health = new HealthChecks(parts.probe, parts.clock, signal, () => this.publishSoon());
    this.picture = new Picture(parts.engine, parts.clock, signal, () => {
      this.onLooked();
      this.publish();
    });
  }

  get settings(): HostSettings | null {
    return this.state.settings;
  }

  /** Name of the host, for messages. */
  get host(): string {
    return this.settings?.host ?? "this host";
  }

  /** The newest report; null before there are settings. */
  get observation(): HostObservation | null {
    return this.#observation;
  }

  get capabilities(): readonly Capability[] {
    const { network, cgroups, volumes } = this.parts;
    const docker: Capability[] = this.picture.engineProblem === null ? ["docker"] : [];
    return [...docker, ...network.capabilities(), ...cgroups.capabilities(), ...volumes.capabilities()];
  }

  /** Whether a file can be given to a container's user: not where those are others on the host. */
  get ownsFiles(): boolean {
    return this.picture.facts?.userNamespaces === false;
  }

  /** Whether Instances that must not run twice may run for at least `withinMs` more. */
  leased(withinMs = 0): boolean {
    return this.lease.holds(this.settings?.leaseForMs ?? null, withinMs);
  }

  /** Lists the engine anew, beginning now, and reports. Rejects with a StepError when it does not answer. */
  async look(): Promise<void> {
    await this.picture.look();
  }

  /** As look, for one Instance alone. */
  async lookAt(ref: InstanceRef): Promise<void> {
    await this.picture.lookAt(ref);
  }

  /** Makes the report anew; the version that contains all that is known now. */
  publish(): number {
    const { settings } = this;
    if (settings === null) return 0;
    const { picture, state, parts } = this;
    const next = buildObservation(
      this.#observation?.host === settings.host ? this.#observation : null,
      {
        host: settings.host,
        boot: this.boot,
        capacity: { ...parts.machine.capacity, diskBytes: parts.volumes.capacityBytes() },
        capabilities: this.capabilities,
        inventory: picture.inventory,
        looked: picture.looked,
        instances: picture.instances,
        records: state.records,
        volumes: parts.volumes.volumes(),
        trash: parts.volumes.trash(),
        ports: parts.network.ports(),
        floors: state.floors,
        engineProblem: picture.engineProblem,
        storageProblem: parts.volumes.problem(),
        working: this.working,
        troubleOf: (key) => this.troubles.get(key) ?? "",
        healthOf: (container) => this.health.healthOf(container),
      },
      this.#observed,
    );
    if (next === this.#observation) return next.version;
    // `version` only counts upward within one boot, also when the host is given another name.
    this.#observation = { ...next, version: Math.max(next.version, (this.#observation?.version ?? 0) + 1) };
    for (const listener of this.#listeners) listener(this.#observation);
    return this.#observation.version;
  }

  /** Reports in a moment, together with what else changes until then. */
  publishSoon(): void {
    if (this.#publishing || this.lifetime.signal.aborted) return;
    this.#publishing = true;
    const report = (): void => {
      this.#publishing = false;
      this.publish();
    };
    this.parts.clock.sleep(20, this.lifetime.signal).then(report, () => undefined);
  }

  /** Hears every new report until the returned function is called. */
  listen(listener: (observation: HostObservation) => void): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  /** Writes the limits Docker can't keep for each running container that lacks them; `anew`: for all of the Instance. */
  async applyLimits(ref: InstanceRef, anew: boolean, signal: AbortSignal): Promise<void> {
    const live = this.state.recordOf(ref)?.live.containers ?? {};
    const cpus = this.settings?.cpus ?? null;
    for (const container of this.picture.containersOf(ref)) {
      const limits = live[container.container];
      if (container.role !== "app" || container.state !== "running" || container.pid === 0 || limits === undefined) continue;
      const run = runOf(container);
      if (!anew && this.#limited.get(container.id) === run) continue;
      await this.parts.cgroups.apply({ id: container.id, pid: container.pid }, this.#enforceable(limits), cpus, signal);
      this.#limited.set(container.id, run);
    }
  }

  /** Without io limits where the kernel has none and the pool takes the host all the same. */
  #enforceable(limits: ContainerLimits): ContainerLimits {
    if (this.settings?.limits !== "best-effort" || this.capabilities.includes("cgroup")) return limits;
    return { ...limits, ioWeight: null, readBps: null, writeBps: null, readIops: null, writeIops: null };
  }

  /** Running app containers that have no limits yet: they were started past us. */
  unlimited(): OwnedContainer[] {
    const { containers } = this.picture.inventory;
    const present = new Set(containers.map((container) => container.id));
    for (const id of this.#limited.keys()) if (!present.has(id)) this.#limited.delete(id);
    const running = containers.filter((it) => it.role === "app" && it.state === "running" && it.pid !== 0);
    return running.filter((it) => this.#limited.get(it.id) !== runOf(it));
  }

  forgetLimits(): void {
    this.#limited = new Map();
  }

  /** Makes the host's network as the settings say; what went wrong is kept for the steps that need it. */
  applyNetwork(): Promise<void> {
    return this.#networkRound();
  }

  async #setUpNetwork(): Promise<void> {
    const { clock, network, log } = this.parts;
    const { settings } = this;
    if (settings === null) return;
    const limits = { ms: NETWORK_WITHIN_MS, what: "setting up the network", lifetime: this.lifetime.signal };
    try {
      await withinTime(clock, limits, (signal) => network.apply(settings.network, signal));
      this.networkProblem = null;
    } catch (error) {
      if (this.lifetime.signal.aborted) return;
      this.networkProblem = error instanceof Error ? error.message : String(error);
      log.warn({ error }, "the network for Instances could not be set up");
    }
    this.publish();
  }

  /** Writes limits of one Instance in the background of supervision. */
  async applyLimitsNow(ref: InstanceRef): Promise<void> {
    const limits = { ms: LIMITS_WITHIN_MS, what: "writing limits", lifetime: this.lifetime.signal };
    await withinTime(this.parts.clock, limits, (signal) => this.applyLimits(ref, false, signal));
  }

  /** Brings files of secrets up to date, and drops those of Instances that are gone. */
  async refreshSecrets(signal: AbortSignal): Promise<void> {
    const users = [...this.state.records.values()].map((record) => ({ ref: record, template: record.spec.template }));
    await this.parts.secrets.refresh(users, this.ownsFiles, signal);
    await this.dropSecrets();
  }

  /** Drops the files of Instances of which nothing is left; of none while nobody looked what there is. */
  async dropSecrets(): Promise<void> {
    const { picture, state, parts } = this;
    if (!picture.looked) return;
    const present = [...picture.instances.values()].map((containers) => containers[0]!);
    await parts.secrets.dropOthers([...state.records.values(), ...present]);
  }

  /** Before each start of containers: they get the folders, and a mount that a reboot took is there again. */
  async mountVolumes({ set, index }: InstanceRef, template: Template, signal: AbortSignal): Promise<VolumePaths> {
    return await this.parts.volumes.mount({ set, index }, template, this.ownsFiles, signal);
  }

  /** How the Instance comes to the network; see Wire. */
  wire({ set, index, generation }: InstanceRef): Wire {
    const ref = { set, index, generation };
    return (infraPid, signal) => this.parts.network.wire(ref, infraPid, signal);
  }

  /** True while a step or supervision works on the slot. */
  isBusy(ref: Pick<InstanceRef, "set" | "index">): boolean {
    return this.lanes.busy(slotKey(ref.set, ref.index));
  }

  /** Marks what is being done to an Instance while `work` runs. */
  async during<Result>(ref: InstanceRef, what: Work, work: () => Promise<Result>): Promise<Result> {
    const key = instanceKey(ref);
    this.working.set(key, what);
    if (what !== "resume" && what !== "revive") this.troubles.delete(key);
    try {
      return await work();
    } finally {
      this.working.delete(key);
    }
  }

  async close(): Promise<void> {
    this.lifetime.abort(new Error("the agent stops"));
    this.health.close();
    await this.state.settled();
    this.#leaseFile.close();
  }
}

function runOf({ pid, startedAtMs }: OwnedContainer): string {
  return `${pid} ${startedAtMs ?? ""}`;
}
