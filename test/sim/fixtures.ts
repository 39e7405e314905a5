import type { DesiredHost } from "../../reconciler/core/desired.ts";
import type { HostSettings } from "../../reconciler/core/host-settings.ts";
import type { HostObservation } from "../../reconciler/core/observation.ts";
import type { Action, ActionKind, InstanceSpec } from "../../reconciler/core/plan.ts";
import type { ActionResult } from "../../reconciler/core/agent-wire.ts";
import type { Hosts, HostsListener } from "../../reconciler/run/ports.ts";
import { createVirtualClock, type VirtualClock } from "../../reconciler/sim/virtual-clock.ts";
import { SimWorld, type SimWorldOptions } from "../../reconciler/sim/world.ts";

const GIB = 2 ** 30;

/** 4 cores, 8 GiB, 100 GiB of volumes. */
export function host(name: string): DesiredHost {
  const capacity = { cpuMillis: 4000, memoryBytes: 8 * GIB, diskBytes: 100 * GIB, ingressBps: 1e9, egressBps: 1e9 };
  return { name, pool: "main", zone: "a", rack: "a-1", labels: {}, agent: "sim", address: null, cpus: null, capacity, state: "active" };
}

/** Of a pool with an Open vSwitch network. */
export function settings(host: string, leaseForMs: number | null): HostSettings {
  const network = { cidr: "10.0.0.0/16", gateway: "10.0.0.1", vlan: null, bridge: "setpoint0", mtu: 1500, overlay: null } as const;
  return { fleet: "test", host, leaseForMs, network: { ...network, driver: "ovs", datapath: "system" }, cpus: null, limits: "required" };
}

interface SpecChoice {
  readonly image?: string;
  readonly memoryGiB?: number;
  readonly volume?: boolean;
  readonly version?: string;
}

/** One container of 1 GiB; with `volume` it owns an LVM volume `data` and so is exclusive. */
export function spec(choice: SpecChoice = {}): InstanceSpec {
  const { image = "shop/web:1", memoryGiB = 1, volume = false, version = "1" } = choice;
  const memoryBytes = memoryGiB * GIB;
  const container = { name: "web", image, command: null, args: null, env: {}, user: null, ports: [], health: null, preStop: null };
  const limits = {
    cpuRequestMillis: 100,
    cpuLimitMillis: null,
    memoryRequestBytes: memoryBytes,
    memoryLimitBytes: memoryBytes,
    swapBytes: 0,
    ioWeight: null,
    readBps: null,
    writeBps: null,
    readIops: null,
    writeIops: null,
  };
  return {
    template: {
      containers: [{ ...container, stopTimeoutMs: 10_000, mounts: [] }],
      volumes: volume ? [{ name: "data", kind: "lvm", filesystem: "ext4" }] : [],
      network: { ip: "any", vlan: null },
    },
    infraHash: "infra",
    containerHashes: { web: `web-${image}-${version}` },
    specHash: `spec-${image}-${version}`,
    live: { containers: { web: limits }, volumes: {}, ingressBps: null, egressBps: null },
    liveHash: `live-${memoryGiB}`,
    resources: { cpuMillis: 100, memoryBytes, diskBytes: 0, ingressBps: 0, egressBps: 0 },
    hostPorts: [],
    exclusive: volume,
    priority: "normal",
  };
}

type Payload<K extends ActionKind> = Omit<
  Extract<Action, { kind: K }>,
  "number" | "host" | "set" | "taskId" | "needs" | "input" | "deadlineMs" | "kind" | "generation" | "index"
>;

/** A step on slot web/0 of host a-1 unless said otherwise. */
export function step<K extends ActionKind>(
  kind: K,
  payload: Payload<K>,
  slot: { host?: string; index?: number; generation?: number; number?: number; deadlineMs?: number } = {},
): Action {
  const { host = "a-1", index = 0, generation = 1, number = 0, deadlineMs = 30_000 } = slot;
  const rest = { number, host, set: "web", index, generation, taskId: "t", needs: [], input: "i", deadlineMs, kind };
  return { ...rest, ...payload } as unknown as Action;
}

/** Everything from the image to the running Instance. */
export function bringUpSteps(wanted: InstanceSpec, slot: Parameters<typeof step>[2] = {}): Action[] {
  const ip = `10.0.0.${10 + (slot.index ?? 0)}`;
  const images = wanted.template.containers.map((container) => step("pullImage", { image: container.image }, slot));
  const volumes = wanted.template.volumes.map((volume) =>
    step("createVolume", { volume: volume.name, filesystem: "ext4", sizeBytes: GIB }, slot),
  );
  const port = step("attachPort", { ip, vlan: null, ingressBps: null, egressBps: null }, slot);
  return [...images, ...volumes, port, step("startInstance", { spec: wanted, ip }, slot)];
}

/** A world of hosts `a-1`.. on a virtual clock, with one connection that follows them all. */
export interface Bench {
  readonly clock: VirtualClock;
  readonly world: SimWorld;
  readonly hosts: Hosts;
  readonly seen: Map<string, HostObservation>;
  /** What the listener heard, as `HOST word`. */
  readonly log: string[];
  /** Runs one step through the port to its end. */
  run(action: Action): Promise<ActionResult | Error>;
}

export async function bench(options: Partial<SimWorldOptions> & { count?: number; leaseForMs?: number | null } = {}): Promise<Bench> {
  const clock = createVirtualClock(1_700_000_000_000);
  const world = new SimWorld({ clock, seed: 1, ...options });
  const list = Array.from({ length: options.count ?? 1 }, (_, at) => host(`a-${at + 1}`));
  world.define(list);
  const hosts = world.connect();
  const seen = new Map<string, HostObservation>();
  const log: string[] = [];
  const listener: HostsListener = {
    observed(name, observation) {
      seen.set(name, observation);
      log.push(`${name} observed`);
    },
    heard: (name) => void log.push(`${name} heard`),
    lost: (name, problem) => void log.push(`${name} lost: ${problem}`),
  };
  const leaseForMs = options.leaseForMs === undefined ? 15_000 : options.leaseForMs;
  hosts.follow(
    list.map(({ name, agent }) => ({ name, agent, settings: settings(name, leaseForMs) })),
    listener,
  );
  await clock.advance(2000);
  return { clock, world, hosts, seen, log, run: (action) => runStep(clock, hosts, action) };
}

async function runStep(clock: VirtualClock, hosts: Hosts, action: Action): Promise<ActionResult | Error> {
  const outcomes: (ActionResult | Error)[] = [];
  void (async () => {
    try {
      for await (const result of hosts.apply(action.host, { actions: [action] }, new AbortController().signal)) outcomes.push(result);
    } catch (error) {
      outcomes.push(error as Error);
    }
  })();
  for (let waited = 0; outcomes.length === 0 && waited < 200_000; waited += 50) await clock.advance(50);
  return outcomes[0] ?? new Error("no answer in 200 s");
}
