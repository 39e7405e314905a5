import * as fc from "fast-check";
import type { Capability, DesiredHost, DesiredPool, DesiredSet, PlacementRules } from "../../reconciler/core/desired.ts";
import type { Resources } from "../../reconciler/core/resources.ts";

/** Hosts, pools and Sets for placement tests: plain ones to change by hand, and random ones. */

const SOURCE = { file: "test.yaml", line: 1, column: 1 };
const GIB = 2 ** 30;

export function resources(cpuMillis: number, memoryGib: number, more: Partial<Resources> = {}): Resources {
  return { cpuMillis, memoryBytes: memoryGib * GIB, diskBytes: 0, ingressBps: 0, egressBps: 0, ...more };
}

export function makePool(name: string, more: Partial<DesiredPool> = {}): DesiredPool {
  return {
    name,
    network: {
      cidr: "10.0.0.0/16",
      gateway: "10.0.0.1",
      vlan: null,
      reserved: [],
      driver: "ovs",
      bridge: "setpoint0",
      datapath: "system",
      mtu: 1500,
      overlay: null,
    },
    storage: { volumeGroup: null, thinPool: null, folder: "/srv", trashKeepForMs: 0, trashReclaim: "never" },
    cpuOvercommit: 1,
    isolation: { ovs: null, vms: null },
    memoryReserveBytes: 0,
    watermark: 0.8,
    failure: { suspectAfterMs: 10_000, lostAfterMs: 60_000, brake: 0.3, leaseForMs: null },
    budget: { percent: 10, count: 20 },
    limits: "required",
    source: SOURCE,
    ...more,
  };
}

export function poolsOf(...names: string[]): ReadonlyMap<string, DesiredPool> {
  return new Map(names.map((name) => [name, makePool(name)]));
}

export function makeHost(name: string, more: Partial<DesiredHost> = {}): DesiredHost {
  return {
    name,
    pool: "main",
    zone: "a",
    rack: "1",
    labels: {},
    agent: "sim",
    address: null,
    cpus: null,
    capacity: resources(8000, 16, { diskBytes: 100 * GIB, ingressBps: 1e9, egressBps: 1e9 }),
    state: "active",
    ...more,
  };
}

export const NO_RULES: PlacementRules = {
  zones: [],
  zonesMin: 1,
  zonesSurvive: 0,
  hostLabels: {},
  strategy: "spread",
  maxPerHost: null,
  apart: [],
  near: [],
  maxCorePerHost: null,
};

export function makeSet(
  name: string,
  more: Partial<Omit<DesiredSet, "placement">> & { placement?: Partial<PlacementRules> } = {},
): DesiredSet {
  return {
    name,
    labels: {},
    pools: ["main"],
    count: { kind: "fixed", replicas: 1 },
    priority: "normal",
    template: { containers: [], volumes: [], network: { ip: "any", vlan: null } },
    infraHash: "",
    containerHashes: {},
    specHash: "",
    live: { containers: {}, volumes: {}, ingressBps: null, egressBps: null },
    liveHash: "",
    resources: resources(1000, 2),
    hostPorts: [],
    needs: [],
    images: [],
    maxUnavailable: { count: 1 },
    failover: "always",
    exclusive: false,
    source: SOURCE,
    ...more,
    placement: { ...NO_RULES, ...more.placement },
  };
}

const SET_NAMES = ["api", "cache", "db", "web"] as const;
const LABELS = [{}, { disk: "ssd" }, { disk: "hdd", gpu: "yes" }] as const;
const CAPABILITIES: readonly Capability[] = ["docker", "lvm", "ovs"];
const IMAGES = ["i1", "i2", "i3", "i4"] as const;

export interface FleetCase {
  readonly hosts: readonly DesiredHost[];
  readonly facts: readonly {
    readonly capabilities: readonly Capability[];
    readonly images: readonly string[];
    readonly held: boolean;
    readonly trashBytes: number;
  }[];
  readonly addresses: number;
}

/** Up to `most` hosts in two pools and up to three zones, of a few sizes, so that ties and full hosts are common. */
export function fleetCases(most: number): fc.Arbitrary<FleetCase> {
  const host = fc.record({
    pool: fc.constantFrom("main", "main", "main", "other"),
    zone: fc.constantFrom("a", "b", "c"),
    rack: fc.constantFrom("1", "2", "3"),
    labels: fc.constantFrom(...LABELS),
    cpu: fc.constantFrom(0, 2000, 4000, 8000, 7900),
    memory: fc.constantFrom(4, 8, 16),
    state: fc.constantFrom("active" as const, "active" as const, "active" as const, "cordoned" as const),
    capabilities: fc.subarray([...CAPABILITIES], { minLength: 1 }),
    images: fc.subarray([...IMAGES]),
    held: fc.constantFrom(false, false, false, true),
    trash: fc.constantFrom(0, 0, 7, 18),
  });
  return fc
    .record({ list: fc.array(host, { minLength: 1, maxLength: most, size: "max" }), addresses: fc.constantFrom(0, 3, 1000) })
    .map(({ list, addresses }) => ({
      // Names run against the order of zones and racks, so that the tie-break by name is not the order of blocks.
      hosts: list.map((drawn, number) =>
        makeHost(`h${(number * 37) % 1009}-${number}`, {
          pool: drawn.pool,
          zone: drawn.zone,
          rack: drawn.rack,
          labels: drawn.labels,
          state: drawn.state,
          capacity: resources(drawn.cpu, drawn.memory, { diskBytes: 20 * GIB, ingressBps: 1e9, egressBps: 1e9 }),
        }),
      ),
      facts: list.map(({ capabilities, images, held, trash }) => ({ capabilities, images, held, trashBytes: trash * GIB })),
      addresses,
    }));
}

/** A Set of one of four names, with any mixture of rules. */
export function setCases(): fc.Arbitrary<DesiredSet> {
  const rules = fc.record({
    zones: fc.constantFrom([], [], ["a"], ["a", "b"], ["nowhere"]),
    zonesMin: fc.constantFrom(1, 1, 2),
    zonesSurvive: fc.constantFrom(0, 0, 1),
    hostLabels: fc.constantFrom({}, {}, {}, { disk: "ssd" }, { disk: "hdd", gpu: "yes" }, { disk: "tape" }),
    strategy: fc.constantFrom("spread" as const, "spread" as const, "pack" as const),
    maxPerHost: fc.constantFrom(null, null, 1, 2),
    apart: fc.constantFrom<PlacementRules["apart"]>(
      [],
      [],
      [],
      ...SET_NAMES.flatMap((set) => [[{ set, within: "host" as const }], [{ set, within: "rack" as const }]]),
      [
        { set: "db", within: "zone" },
        { set: "web", within: "host" },
      ],
    ),
    near: fc.constantFrom([], [], ["db"], ["cache", "web"]),
    maxCorePerHost: fc.constantFrom(null, null, 1, 2),
  });
  return fc
    .record({
      name: fc.constantFrom(...SET_NAMES),
      pools: fc.constantFrom(["main"], ["main"], ["main", "other"], ["other"]),
      priority: fc.constantFrom("core" as const, "normal" as const),
      cpu: fc.constantFrom(0, 100, 500, 1000, 3000),
      memory: fc.constantFrom(0, 0.5, 1, 3),
      disk: fc.constantFrom(0, 0, 5),
      bandwidth: fc.constantFrom(0, 0, 2e8),
      hostPorts: fc.constantFrom([], [], [], [80], [80, 443]),
      needs: fc.constantFrom<readonly Capability[]>([], [], ["docker"], ["docker", "lvm"]),
      images: fc.constantFrom([], ["i1"], ["i1", "i2", "i3"], ["i4", "i5"]),
      placement: rules,
    })
    .map(({ cpu, memory, disk, bandwidth, ...rest }) =>
      makeSet(rest.name, {
        ...rest,
        resources: resources(cpu, memory, { diskBytes: disk * GIB, ingressBps: bandwidth, egressBps: bandwidth }),
      }),
    );
}
