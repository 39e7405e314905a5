import type { Container, ContainerLimits } from "../../../reconciler/core/desired.ts";
import { shortHash } from "../../../reconciler/core/hash.ts";
import type { InstanceSpec } from "../../../reconciler/core/plan.ts";
import { NO_RESOURCES } from "../../../reconciler/core/resources.ts";
import type { Endpoint, StartRequest } from "../../../reconciler/agent/ports.ts";

export const NO_LIMITS: ContainerLimits = {
  cpuRequestMillis: 100,
  cpuLimitMillis: null,
  memoryRequestBytes: 16 * 2 ** 20,
  memoryLimitBytes: null,
  swapBytes: 0,
  ioWeight: null,
  readBps: null,
  writeBps: null,
  readIops: null,
  writeIops: null,
};

/** Docker makes no network, and whoever should does not either. */
export const NO_NETWORK: Endpoint = { networkMode: "none", settings: {}, publish: false, resolver: null };

/** A container of busybox that sleeps, with what the test changes. */
export function container(name: string, change: Partial<Container> = {}): Container {
  return {
    name,
    image: "test/busybox:1",
    command: ["/busybox", "sleep", "inf"],
    args: null,
    env: {},
    user: null,
    ports: [],
    health: null,
    preStop: null,
    stopTimeoutMs: 2_000,
    mounts: [],
    ...change,
  };
}

export interface SpecParts {
  readonly containers: readonly Container[];
  readonly limits?: Readonly<Record<string, ContainerLimits>>;
  readonly volumes?: InstanceSpec["template"]["volumes"];
  readonly volumeBytes?: Readonly<Record<string, number>>;
  readonly hostPorts?: readonly number[];
  readonly sysctls?: Readonly<Record<string, string>>;
  readonly runtime?: string;
}

/** A spec whose hashes follow its contents, as the planner's do. */
export function instanceSpec({
  containers,
  limits = {},
  volumes = [],
  volumeBytes = {},
  hostPorts = [],
  ...rest
}: SpecParts): InstanceSpec {
  const infraHash = shortHash({ volumes, hostPorts, sysctls: rest.sysctls });
  const containerHashes = Object.fromEntries(containers.map((it) => [it.name, shortHash(it)]));
  const live = {
    containers: Object.fromEntries(containers.map(({ name }) => [name, limits[name] ?? NO_LIMITS])),
    volumes: volumeBytes,
    ingressBps: null,
    egressBps: null,
  };
  return {
    template: { containers, volumes, network: { ip: "any", vlan: null }, ...rest },
    infraHash,
    containerHashes,
    specHash: shortHash({ infraHash, containerHashes }),
    live,
    liveHash: shortHash(live),
    resources: { ...NO_RESOURCES, cpuMillis: 100, memoryBytes: 16 * 2 ** 20 },
    hostPorts,
    exclusive: false,
    priority: "normal",
  };
}

export function startRequest(spec: InstanceSpec, change: Partial<StartRequest> = {}): StartRequest {
  return {
    fleet: "test",
    taskId: "0af7651916cd43dd8448eb211c80319c",
    spec,
    ip: "10.9.0.7",
    endpoint: NO_NETWORK,
    wire: () => Promise.resolve(),
    cpus: null,
    secrets: new Map(),
    volumes: new Map(),
    ...change,
  };
}
