import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Capability, ContainerLimits, HealthCheck } from "../../../reconciler/core/desired.ts";
import {
  StepError,
  type Cgroups,
  type Engine,
  type EngineEvent,
  type EngineInventory,
  type InstanceRef,
  type Machine,
  type OwnedContainer,
  type Probe,
  type Sampler,
  type StartRequest,
  type VolumePaths,
  type Wire,
} from "../../../reconciler/agent/ports.ts";
import type { VirtualClock } from "../../../reconciler/sim/virtual-clock.ts";
import { FakeLvm } from "../volumes/fake-lvm.ts";
import { FakeNetwork } from "./fake-network.ts";

/** How long the engine takes for a start. */
const START_MS = 100;
const READS = ["ping", "inventory", "containersOf", "facts"];

/** A container engine in memory: what it holds outlives any agent that uses it. */
export class FakeEngine implements Engine {
  readonly clock: VirtualClock;
  readonly containers = new Map<string, OwnedContainer>();
  readonly images = new Set<string>(["shop/web:1"]);
  foreign: string[] = [];
  /** Calls that changed or would change something. */
  readonly calls: string[] = [];
  /** Requests are taken but neither carried out nor answered, as with a stopped dockerd. */
  hung = false;
  /** Nobody listens. */
  down = false;
  /** Throws at the next call of this name. */
  failNext: { readonly call: string; readonly error: Error } | null = null;
  /** Called when containers are about to start, with the folders they get; none when they have them already. */
  onStart: (volumes: VolumePaths) => void = () => undefined;
  inventories = 0;
  /** Looks at one Instance alone. */
  looks = 0;
  pings = 0;
  atOnce = 0;
  mostAtOnce = 0;
  #serial = 0;
  #listeners: ((event: EngineEvent) => void)[] = [];
  #waiting: (() => void)[] = [];

  constructor(clock: VirtualClock) {
    this.clock = clock;
  }

  /** Carries out what was asked while it hung. */
  wake(): void {
    this.hung = false;
    for (const go of this.#waiting.splice(0)) go();
  }

  emit(kind: EngineEvent["kind"], container: OwnedContainer | null = null): void {
    for (const listener of this.#listeners) listener({ kind, containerId: container?.id ?? "", instance: container });
  }

  of(ref: InstanceRef): OwnedContainer[] {
    return [...this.containers.values()].filter((it) => it.set === ref.set && it.index === ref.index && it.generation === ref.generation);
  }

  running(): string[] {
    const running = [...this.containers.values()].filter((it) => it.state === "running" && it.role === "app");
    return running.map((it) => `${it.set}/${it.index}@${it.generation}`).sort();
  }

  /** Containers of an Instance die by themselves. */
  crash(
    ref: InstanceRef,
    { role = "app", exitCode = 1, oom = false }: { role?: "app" | "infra"; exitCode?: number; oom?: boolean } = {},
  ): void {
    for (const it of this.of(ref)) {
      if (it.role !== role) continue;
      this.containers.set(it.id, { ...it, state: "exited", exitCode, oomKilled: oom, pid: 0 });
      this.emit("died", it);
    }
  }

  /** The daemon without live-restore, or the whole machine, goes down and comes back. */
  restart(): void {
    for (const it of this.containers.values()) {
      if (it.state === "running") this.containers.set(it.id, { ...it, state: "exited", exitCode: 255, pid: 0 });
    }
    this.emit("restarted");
  }

  async ping(signal: AbortSignal): Promise<void> {
    this.pings++;
    await this.#answer("ping", signal, 1);
  }

  async facts(signal: AbortSignal): ReturnType<Engine["facts"]> {
    await this.#answer("facts", signal, 1);
    return {
      version: "20.10",
      apiVersion: "1.41",
      cgroupVersion: 1,
      cgroupDriver: "cgroupfs",
      cpus: 4,
      memoryBytes: 8 * 2 ** 30,
      liveRestore: true,
      userNamespaces: false,
    };
  }

  async inventory(signal: AbortSignal): Promise<EngineInventory> {
    await this.#answer("inventory", signal, 5);
    this.inventories++;
    return { containers: [...this.containers.values()], foreign: this.foreign, images: [...this.images].sort() };
  }

  async containersOf(ref: InstanceRef, signal: AbortSignal): Promise<readonly OwnedContainer[]> {
    await this.#answer("containersOf", signal, 5);
    this.looks++;
    return this.of(ref);
  }

  async *events(signal: AbortSignal): AsyncIterable<EngineEvent> {
    const queue: EngineEvent[] = [];
    let wake = (): void => undefined;
    const listener = (event: EngineEvent): void => {
      queue.push(event);
      wake();
    };
    this.#listeners.push(listener);
    signal.addEventListener("abort", () => wake(), { once: true });
    while (!signal.aborted) {
      while (queue.length > 0) yield queue.shift()!;
      await new Promise<void>((resolve) => (wake = resolve));
    }
    this.#listeners = this.#listeners.filter((it) => it !== listener);
  }

  async pull(image: string, signal: AbortSignal): Promise<void> {
    this.calls.push(`pull ${image}`);
    await this.#answer("pull", signal, 500);
    if (image.endsWith(":missing")) throw new StepError("image-not-found", `no image ${image}`, { retry: "permanent" });
    this.images.add(image);
  }

  async startInstance(ref: InstanceRef, request: StartRequest, signal = new AbortController().signal): Promise<void> {
    this.calls.push(`start ${nameOf(ref)}`);
    this.onStart(request.volumes);
    await this.#answer("startInstance", signal, START_MS);
    const parts = [{ role: "infra", name: "infra", hash: request.spec.infraHash, image: "infra" } as const].concat(
      request.spec.template.containers.map(
        (it) => ({ role: "app", name: it.name, hash: request.spec.containerHashes[it.name]!, image: it.image }) as never,
      ),
    );
    for (const part of parts) this.#put(ref, request, part);
  }

  async resumeInstance(ref: InstanceRef, wire: Wire, signal: AbortSignal): Promise<void> {
    this.calls.push(`resume ${nameOf(ref)}`);
    this.onStart(new Map());
    await this.#answer("resumeInstance", signal, START_MS);
    for (const it of this.of(ref)) {
      if (it.state !== "running" || it.stranded) this.#run({ ...it, stranded: false });
      if (it.wiredByAgent) await wire(this.containers.get(it.id)!.pid, signal);
    }
  }

  async replaceContainers(ref: InstanceRef, names: readonly string[], request: StartRequest, signal: AbortSignal): Promise<void> {
    this.calls.push(`replace ${nameOf(ref)} ${names.join(",")}`);
    await this.#answer("replaceContainers", signal, START_MS);
    for (const it of this.of(ref)) if (it.role === "app" && names.includes(it.container)) this.containers.delete(it.id);
    for (const it of request.spec.template.containers) {
      if (names.includes(it.name))
        this.#put(ref, request, { role: "app", name: it.name, hash: request.spec.containerHashes[it.name]!, image: it.image });
    }
  }

  async updateLimits(ref: InstanceRef, limits: Readonly<Record<string, ContainerLimits>>, signal: AbortSignal): Promise<void> {
    this.calls.push(`limits ${nameOf(ref)} ${Object.keys(limits).join(",")}`);
    await this.#answer("updateLimits", signal, 10);
  }

  async stopInstance(ref: InstanceRef, graceMs: number, signal: AbortSignal): Promise<void> {
    this.calls.push(`stop ${nameOf(ref)} ${graceMs}`);
    await this.#answer("stopInstance", signal, 200);
    this.#end(ref, 0);
  }

  async killInstance(ref: InstanceRef, signal: AbortSignal): Promise<void> {
    this.calls.push(`kill ${nameOf(ref)}`);
    // Through the kernel: a hang or a dead daemon does not matter.
    await this.clock.sleep(1, signal);
    this.#end(ref, 137);
  }

  async removeInstance(ref: InstanceRef, signal: AbortSignal): Promise<void> {
    this.calls.push(`remove ${nameOf(ref)}`);
    await this.#answer("removeInstance", signal, 50);
    for (const it of this.of(ref)) {
      this.containers.delete(it.id);
      this.emit("destroyed", it);
    }
  }

  exec(): ReturnType<Engine["exec"]> {
    return Promise.reject(new Error("nothing is executed here"));
  }

  #put(ref: InstanceRef, request: StartRequest, part: { role: "infra" | "app"; name: string; hash: string; image: string }): void {
    const present = this.of(ref).find((it) => it.role === part.role && it.container === part.name);
    if (present?.state === "running" && present.hash === part.hash) return;
    if (present !== undefined) this.containers.delete(present.id);
    const { specHash, infraHash, exclusive, priority, hostPorts, resources } = request.spec;
    const id = `c${++this.#serial}`;
    const labels = {
      specHash,
      infraHash,
      taskId: request.taskId,
      ip: request.ip,
      exclusive,
      priority,
      hostPorts,
      resources,
      image: part.image,
    };
    const { set, index, generation } = ref;
    const rest = { state: "created", exitCode: null, oomKilled: false, pid: 0, startedAtMs: null, stranded: false } as const;
    const wiredByAgent = part.role === "infra" && request.endpoint.networkMode === "none";
    this.#run({ set, index, generation, id, role: part.role, container: part.name, hash: part.hash, labels, wiredByAgent, ...rest });
  }

  #run(container: OwnedContainer): void {
    const startedAtMs = this.clock.now();
    this.containers.set(container.id, {
      ...container,
      state: "running",
      exitCode: null,
      oomKilled: false,
      pid: 1000 + ++this.#serial,
      startedAtMs,
    });
    this.emit("started", container);
  }

  #end(ref: InstanceRef, exitCode: number): void {
    for (const it of this.of(ref)) {
      if (it.state !== "running") continue;
      this.containers.set(it.id, { ...it, state: "exited", exitCode, pid: 0 });
      this.emit("died", it);
    }
  }

  /** Answers after `ms`. A hung engine answers when it wakes up, and carries out what was given up meanwhile. */
  async #answer(call: string, signal: AbortSignal, ms: number): Promise<void> {
    if (this.down) throw new StepError("engine-unreachable", "connect ECONNREFUSED");
    if (this.failNext?.call === call) {
      const { error } = this.failNext;
      this.failNext = null;
      throw error;
    }
    if (!READS.includes(call)) this.mostAtOnce = Math.max(this.mostAtOnce, ++this.atOnce);
    try {
      if (this.hung) await new Promise<void>((resolve) => this.#waiting.push(resolve));
      else await this.clock.sleep(ms, call === "startInstance" ? undefined : signal);
    } finally {
      if (!READS.includes(call)) this.atOnce--;
    }
  }
}

/** Everything an agent stands on. The machine, its disk and what runs on it outlive the agent. */
export class FakeHost {
  readonly clock: VirtualClock;
  readonly engine: FakeEngine;
  readonly network = new FakeNetwork();
  readonly lvm = new FakeLvm();
  readonly folder = mkdtempSync(join(tmpdir(), "setpoint-agent-"));
  readonly limited: string[] = [];
  readonly log: string[] = [];
  capabilities: Capability[] = ["cgroup"];
  bootId = "boot-1";
  bootedAtMs = 0;
  /** Reason per container name; absent: the probe passes. */
  readonly sick = new Map<string, string>();
  probes = 0;
  probesAtOnce = 0;
  mostProbesAtOnce = 0;
  followed: readonly OwnedContainer[] = [];

  constructor(clock: VirtualClock) {
    this.clock = clock;
    this.engine = new FakeEngine(clock);
  }

  get cgroups(): Cgroups {
    return {
      capabilities: () => this.capabilities,
      apply: ({ id, pid }, limits, cpus) => {
        this.limited.push(`${id} ${pid} ${limits.memoryLimitBytes} ${cpus}`);
        return Promise.resolve();
      },
    };
  }

  get machine(): Machine {
    return {
      bootId: this.bootId,
      uptimeMs: () => this.clock.monotonic() - this.bootedAtMs,
      capacity: { cpuMillis: 4000, memoryBytes: 8 * 2 ** 30, diskBytes: 0, ingressBps: 1e9, egressBps: 1e9 },
      usage: () => ({ cpuNs: 1, memoryUsedBytes: 2, memoryTotalBytes: 3, load: 0.5 }),
    };
  }

  get sampler(): Sampler {
    return {
      follow: (containers) => void (this.followed = containers),
      read: () => [{ set: "web", index: 0, generation: 1, containers: [] }],
      close: () => undefined,
    };
  }

  get probe(): Probe {
    return async ({ containerId }, check: HealthCheck, signal) => {
      this.probes++;
      this.mostProbesAtOnce = Math.max(this.mostProbesAtOnce, ++this.probesAtOnce);
      try {
        await this.clock.sleep(5, signal);
      } finally {
        this.probesAtOnce--;
      }
      const name = this.engine.containers.get(containerId)?.container ?? "";
      return this.sick.get(`${name}:${check.probe.kind}`) ?? this.sick.get(name) ?? null;
    };
  }

  /** Another boot of the machine: nothing runs, time starts anew. */
  reboot(): void {
    this.bootId = `boot-${this.clock.monotonic()}`;
    this.bootedAtMs = this.clock.monotonic();
    this.lvm.reboot();
    for (const it of this.engine.containers.values()) {
      this.engine.containers.set(it.id, { ...it, state: "exited", exitCode: 255, pid: 0 });
    }
  }

  remove(): void {
    rmSync(this.folder, { recursive: true, force: true });
  }
}

function nameOf({ set, index, generation }: InstanceRef): string {
  return `${set}/${index}@${generation}`;
}
