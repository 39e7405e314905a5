import { describe, expect, test } from "vitest";
import { planOverhaul, readBack, type OverhaulInput } from "../../../reconciler/agent/network/ovs/overhaul.ts";
import { parseSnapshot, type SwitchPort, type SwitchSnapshot } from "../../../reconciler/agent/network/ovs/snapshot.ts";
import { tunnelName } from "../../../reconciler/agent/network/ovs/switch.ts";
import type { EndpointRecord } from "../../../reconciler/agent/network/state.ts";
import { port, SETTINGS } from "./fake-host.ts";

const BRIDGE = { name: "sp0", ids: { "setpoint-fleet": "lab" }, datapath: "netdev", failMode: "secure", ports: [] };

function endpoint(more: Partial<EndpointRecord> = {}): EndpointRecord {
  const slot = { set: "web", index: 0, generation: 1, ip: "10.99.1.7", mac: "02:5e:0a:63:01:07" };
  return { ...slot, id: "aaaabbbbccccdddd", sandbox: "/run/ns/a", wired: true, createdAtMs: 0, ...more };
}

function switchPort(more: Partial<SwitchPort> = {}): SwitchPort {
  return { name: "spaaaabbbbccc", bridge: "sp0", tag: 0, shielded: false, ids: {}, options: {}, ...more };
}

interface World {
  readonly endpoints?: readonly EndpointRecord[];
  readonly ports?: readonly SwitchPort[];
  readonly links?: readonly string[];
  readonly bridges?: SwitchSnapshot["bridges"];
  readonly settings?: OverhaulInput["settings"];
  readonly busy?: readonly string[];
  readonly nowMs?: number;
  readonly generation?: number;
}

function plan(world: World): ReturnType<typeof planOverhaul> {
  const { endpoints = [endpoint()], ports = [switchPort()], links = ["spaaaabbbbccc"], bridges = [BRIDGE] } = world;
  return planOverhaul({
    settings: world.settings ?? SETTINGS,
    state: {
      fleet: "lab",
      ports: new Map([["web/0", port({ generation: world.generation ?? 1 })]]),
      endpoints: new Map(endpoints.map((one) => [one.id, one])),
    },
    snapshot: { bridges, ports, qos: "q" },
    links: new Set(links),
    busy: new Set(world.busy),
    nowMs: world.nowMs ?? 1_000_000,
  });
}

const NOTHING = { makeBridge: false, unplug: [], forget: [], plug: [], tunnels: [] };

describe("what is to be done", () => {
  test.each<[string, World, Partial<typeof NOTHING> | object]>([
    ["nothing when all is as it should be", {}, {}],
    ["a port of an endpoint nobody knows goes", { endpoints: [] }, { unplug: ["spaaaabbbbccc"] }],
    ["a port whose link is gone goes, with its endpoint", { links: [] }, { unplug: ["spaaaabbbbccc"], forget: ["aaaabbbbccccdddd"] }],
    ["an endpoint at work is left alone", { links: [], busy: ["aaaabbbbccccdddd"] }, {}],
    ["so is the port of one that comes", { endpoints: [], busy: ["aaaabbbbccccdddd"] }, {}],
    [
      "one made a moment ago has time to be joined",
      { endpoints: [endpoint({ wired: false, createdAtMs: 990_000 })], links: [], ports: [] },
      {},
    ],
    [
      "one never joined goes after a minute, link and port too",
      { endpoints: [endpoint({ wired: false, createdAtMs: 900_000 })] },
      { unplug: ["spaaaabbbbccc"], forget: ["aaaabbbbccccdddd"] },
    ],
    [
      "so does one whose other end Docker never took",
      { links: ["spaaaabbbbccc", "scaaaabbbbccc"] },
      { unplug: ["spaaaabbbbccc"], forget: ["aaaabbbbccccdddd"] },
    ],
    ["a clock that jumped back makes nothing older than it is", { endpoints: [endpoint({ createdAtMs: 9e12 })] }, {}],
    ["a lost port is put back", { ports: [] }, { plug: ["aaaabbbbccccdddd"] }],
    ["so is one on another bridge", { ports: [switchPort({ bridge: "br9" })] }, { plug: ["aaaabbbbccccdddd"] }],
    ["or with another VLAN", { settings: { ...SETTINGS, vlan: 7 } }, { plug: ["aaaabbbbccccdddd"] }],
    ["an endpoint whose slot is another generation's by now is not", { ports: [], generation: 2 }, {}],
    ["a missing bridge is made", { bridges: [] }, { makeBridge: true }],
    ["our bridge is made secure again", { bridges: [{ ...BRIDGE, failMode: "" }] }, { makeBridge: true }],
    ["another's bridge keeps its ways", { bridges: [{ ...BRIDGE, ids: {}, failMode: "", datapath: "system" }] }, {}],
  ])("%s", (_name, world, work) => {
    expect(plan(world)).toEqual({ ...NOTHING, ...work });
  });

  test("tunnels follow the list of peers and the network's number", () => {
    const settings = { ...SETTINGS, overlay: { vni: 42, peers: ["192.0.2.1", "192.0.2.2", "192.0.2.3"] } };
    const tunnel = (peer: string, key: string): SwitchPort =>
      switchPort({ name: tunnelName(peer), shielded: true, tag: null, options: { key } });
    const ports = [switchPort(), tunnel("192.0.2.1", "42"), tunnel("192.0.2.2", "41"), tunnel("192.0.2.9", "42")];
    expect(plan({ settings, ports })).toEqual({ ...NOTHING, unplug: [tunnelName("192.0.2.9")], tunnels: ["192.0.2.2", "192.0.2.3"] });
    expect(plan({ settings: SETTINGS, ports }).unplug).toHaveLength(3);
  });
});

describe("the switch's database", () => {
  test("is read as ovs-vsctl prints it", () => {
    const answer = `{"data":[["br0",["map",[]],"",["set",[]],["set",[]]],["sp0",["map",[["setpoint-fleet","lab"]]],"netdev","secure",["set",[["uuid","u1"],["uuid","u2"]]]]],"headings":["name","external_ids","datapath_type","fail_mode","ports"]}
{"data":[[["uuid","u2"],"spaaaabbbbccc",20,false,["uuid","q1"],["map",[["setpoint-ip","10.99.1.7"]]]],[["uuid","u3"],"sxaaa",["set",[]],true,["set",[]],["map",[]]]],"headings":["_uuid","name","tag","protected","qos","external_ids"]}
{"data":[["spaaaabbbbccc",["map",[]]],["sxaaa",["map",[["key","42"],["remote_ip","192.0.2.1"]]]]],"headings":["name","options"]}
{"data":[[["uuid","q1"],"linux-noop"]],"headings":["_uuid","type"]}`;
    expect(parseSnapshot(answer)).toEqual({
      bridges: [
        { name: "br0", ids: {}, datapath: "system", failMode: "", ports: [] },
        { name: "sp0", ids: { "setpoint-fleet": "lab" }, datapath: "netdev", failMode: "secure", ports: ["u1", "u2"] },
      ],
      ports: [
        switchPort({ tag: 20, ids: { "setpoint-ip": "10.99.1.7" } }),
        switchPort({ name: "sxaaa", bridge: "", tag: null, shielded: true, options: { key: "42", remote_ip: "192.0.2.1" } }),
      ],
      qos: "q1",
    });
  });

  test("tells ports and endpoints when the agent's own state is lost; what has no link is not believed", () => {
    const ids = {
      "setpoint-set": "web",
      "setpoint-index": "3",
      "setpoint-generation": "2",
      "setpoint-endpoint": "aaaabbbbccccdddd",
      "setpoint-sandbox": "/run/ns/a",
      "setpoint-ip": "10.99.1.7",
      "setpoint-mac": "02:5e:0a:63:01:07",
      "setpoint-ingress": "50000000",
      "setpoint-egress": "",
    };
    const ports = [switchPort({ ids, tag: 20 }), switchPort({ name: "spgone", ids }), switchPort({ name: "sxaaa" })];
    expect(readBack({ bridges: [BRIDGE], ports, qos: null }, new Set(["spaaaabbbbccc", "sxaaa"]), 5)).toEqual([
      {
        port: port({ index: 3, generation: 2, vlan: 20, ingressBps: 50e6 }),
        endpoint: endpoint({ index: 3, generation: 2, createdAtMs: 5 }),
      },
    ]);
  });
});
