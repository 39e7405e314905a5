import { expect, test } from "vitest";
import type { HostPool, Manifest } from "../../reconciler/core/manifest-types.ts";
import type { Desired, DesiredPool } from "../../reconciler/core/desired.ts";
import { buildDesired, createDesiredBuilder } from "../../reconciler/plan/desired/builder.ts";
import { createSettingsReader } from "../../reconciler/plan/desired/host-settings.ts";
import { manifestsOf, pool, set } from "./documents.ts";

type Spec = HostPool["spec"];
const NETWORK = { cidr: "10.0.0.0/24", gateway: "10.0.0.1" };
const CAPACITY = { cpu: 8, memory: "16Gi" };

function hostOf(more: Partial<Spec["hosts"][number]>): Spec["hosts"][number] {
  return { name: "h", zone: "a", capacity: CAPACITY, ...more };
}

function desired(spec: Partial<Spec>, ...sets: Manifest[]): Desired {
  const built = buildDesired(manifestsOf(pool("main", spec), ...sets));
  if (built.desired === null) throw new Error(JSON.stringify(built.problems));
  return built.desired;
}

test.each<[string, Partial<Spec>, DesiredPool["network"]["driver"]]>([
  ["one real host", { hosts: [hostOf({ agent: "unix:///run/a.sock" })] }, "bridge"],
  ["one simulated host", { hosts: [hostOf({})] }, "ovs"],
  ["several real hosts", { hosts: [hostOf({ name: "h-[1-2]", agent: "ssh://{host}" })] }, "ovs"],
  ["a VLAN", { network: { ...NETWORK, vlan: 7 }, hosts: [hostOf({ agent: "ssh://h" })] }, "ovs"],
  ["a word", { network: { ...NETWORK, driver: "ovs" }, hosts: [hostOf({ agent: "ssh://h" })] }, "ovs"],
])("the network driver of a pool with %s", (_, spec, driver) => {
  expect(desired(spec).pools.get("main")!.network).toMatchObject({ driver, bridge: "setpoint0", datapath: "system", mtu: 1500 });
});

test("an overlay takes its headers off the MTU, and every host hears of all the others", () => {
  const hosts = [hostOf({ name: "h-[1-3]", agent: "ssh://root@{host}:2222", address: "192.168.50.9-192.168.50.11" })];
  const wanted = desired({ network: { ...NETWORK, overlay: { vni: 42 } }, hosts });
  expect(wanted.hosts.map(({ agent, address }) => [agent, address])).toEqual([
    ["ssh://root@h-1:2222", "192.168.50.9"],
    ["ssh://root@h-2:2222", "192.168.50.10"],
    ["ssh://root@h-3:2222", "192.168.50.11"],
  ]);
  expect(createSettingsReader("shop")(wanted).get("h-2")).toEqual({
    fleet: "shop",
    host: "h-2",
    leaseForMs: null,
    network: {
      driver: "ovs",
      cidr: "10.0.0.0/24",
      gateway: "10.0.0.1",
      vlan: null,
      bridge: "setpoint0",
      datapath: "system",
      mtu: 1446,
      overlay: { vni: 42, peers: ["192.168.50.9", "192.168.50.11"] },
    },
    cpus: null,
    limits: "required",
    storage: { volumeGroup: null, thinPool: null, folder: "/var/lib/setpoint/folders" },
  });
});

test("Sets get the CPUs that nobody else has, and no more can be reserved", () => {
  const wanted = desired({ cpu: { overcommit: 2, isolation: { ovs: "1,0", vms: "3-4,4" } }, hosts: [hostOf({})] });
  expect(wanted.pools.get("main")!.isolation).toEqual({ ovs: "0-1", vms: "3-4" });
  expect(wanted.hosts[0]).toMatchObject({ cpus: "2,5-7", capacity: { cpuMillis: 8000 } });
});

test("nothing a pool says about its hosts changes what a Set is", () => {
  const before = desired({}, set("web")).sets.get("web")!;
  const spec = { limits: "best-effort", cpu: { isolation: { ovs: "0" } }, network: { ...NETWORK, driver: "ovs", mtu: 9000 } } as const;
  const after = desired({ ...spec, hosts: [hostOf({ agent: "ssh://h" })] }, set("web")).sets.get("web")!;
  expect(after).toMatchObject({ specHash: before.specHash, liveHash: before.liveHash, infraHash: before.infraHash });
});

test("settings stay the same object until something in them changes", () => {
  const builder = createDesiredBuilder();
  const read = createSettingsReader("shop");
  const overlay = { ...NETWORK, overlay: { vni: 1 } };
  const members = (count: number): Spec["hosts"] => [hostOf({ name: `h-[1-${count}]`, address: `192.168.0.1-192.168.0.${count}` })];
  const build = (spec: Partial<Spec>) => read(builder.build(manifestsOf(pool("main", spec))).desired!);
  const first = build({ network: overlay, hosts: members(2) });
  const budget = build({ network: overlay, hosts: members(2), budget: { count: 3 } });
  expect(budget.get("h-1")).toBe(first.get("h-1"));
  const grown = build({ network: overlay, hosts: members(3), budget: { count: 3 } });
  expect(grown.get("h-1")!.network.overlay!.peers).toEqual(["192.168.0.2", "192.168.0.3"]);
  const again = build({ network: overlay, hosts: members(3), budget: { count: 4 } });
  expect([...again.values()]).toEqual([...grown.values()]);
  expect(again.get("h-3")).toBe(grown.get("h-3"));
});
