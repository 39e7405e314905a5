import { createServer } from "node:net";
import { once } from "node:events";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { Network } from "../../../reconciler/agent/ports.ts";
import { portCookie } from "../../../reconciler/agent/network/ovs/flows.ts";
import { servePlugin } from "../../../reconciler/agent/docker-plugin/plugin-server.ts";
import { networkCalls } from "../../../reconciler/agent/network/plugin/protocol.ts";
import { callPlugin, FakeDocker } from "./docker-calls.ts";
import { FakeHost, port, SETTINGS, soon } from "./fake-host.ts";

const ID = "aaaabbbbccccddddeeee";
const [HOST_LINK, PEER] = ["spaaaabbbbccc", "scaaaabbbbccc"];
const COOKIE = portCookie("lab", "10.99.1.7");

let host: FakeHost;
let network: Network;
let docker: FakeDocker;

beforeEach(async () => {
  host = new FakeHost();
  network = host.agent();
  docker = new FakeDocker(host.pluginSocket);
  await network.apply(SETTINGS, soon());
  host.commands.length = 0;
});
afterEach(() => host.remove());

/** All that Docker does until the container runs. */
async function start(id = ID, ref = port()): Promise<void> {
  await docker.create(id, network.endpoint(ref, false));
  const joined = await docker.join(id);
  expect(joined).toMatchObject({ status: 200 });
  host.takePeer(`sc${id.slice(0, 11)}`);
}

/** Looks until it holds; what follows a reply takes a few turns. */
async function eventually(holds: () => boolean): Promise<void> {
  for (let look = 0; !holds(); look++) {
    if (look > 500) throw new Error(`does not hold; commands were\n${host.commands.join("\n")}\n${host.lines.join("\n")}`);
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
}

describe("the protocol", () => {
  test("answers the handshake, and calls that need nothing", async () => {
    expect((await docker.call("/Plugin.Activate")).body).toEqual({ Implements: ["NetworkDriver"] });
    expect((await docker.call("/NetworkDriver.GetCapabilities")).body).toEqual({ Scope: "local", ConnectivityScope: "local" });
    const created = { NetworkID: "net", Options: { "com.docker.network.generic": {} }, IPv4Data: [{ Pool: "0.0.0.0/0" }], IPv6Data: [] };
    for (const name of [
      "CreateNetwork",
      "ProgramExternalConnectivity",
      "RevokeExternalConnectivity",
      "DiscoverNew",
      "DiscoverDelete",
      "DeleteNetwork",
    ]) {
      expect(await docker.call(`/NetworkDriver.${name}`, created)).toEqual({ status: 200, body: {} });
    }
    expect((await docker.call("/NetworkDriver.EndpointOperInfo", { EndpointID: ID })).body).toEqual({ Value: {} });
  });

  test("a container's start: address and MAC at CreateEndpoint, link and route at Join", async () => {
    await network.attach(port({ vlan: 20, ingressBps: 50e6, egressBps: 20e6 }), soon());
    expect((await docker.create(ID, network.endpoint(port(), false))).body).toEqual({
      Interface: { Address: "10.99.1.7/24", MacAddress: "02:5e:0a:63:01:07" },
    });
    expect(host.commands).toEqual([]);
    expect((await docker.join(ID)).body).toEqual({
      InterfaceName: { SrcName: PEER, DstPrefix: "eth" },
      Gateway: "10.99.1.1",
      DisableGatewayService: true,
    });
    await eventually(() => host.announced.length === 2);
    expect([...host.commands.slice(0, 1), ...host.commands.slice(1, 4).sort(), ...host.commands.slice(4)]).toMatchInlineSnapshot(`
      [
        "ip -batch -",
        "ethtool -K scaaaabbbbccc tx off",
        "ovs-vsctl --timeout=4 -- --if-exists del-port spaaaabbbbccc -- add-port sp0 spaaaabbbbccc tag=20 vlan_mode=access qos=11111111-2222 external_ids:setpoint-fleet="lab" external_ids:setpoint-set="web" external_ids:setpoint-index="0" external_ids:setpoint-generation="1" external_ids:setpoint-endpoint="aaaabbbbccccddddeeee" external_ids:setpoint-sandbox="/run/docker/netns/aaaa" external_ids:setpoint-ip="10.99.1.7" external_ids:setpoint-mac="02:5e:0a:63:01:07" external_ids:setpoint-ingress="50000000" external_ids:setpoint-egress="20000000" -- set interface spaaaabbbbccc external_ids:setpoint-fleet="lab"",
        "tc qdisc replace dev spaaaabbbbccc root tbf rate 50000000bit burst 250000b latency 50ms",
        "ovs-ofctl -O OpenFlow14 bundle sp0 -",
        "nsenter --net=/run/docker/netns/aaaa tc qdisc replace dev eth0 root tbf rate 20000000bit burst 100000b latency 50ms",
        "ovs-ofctl -O OpenFlow14 bundle sp0 -",
        "ovs-ofctl -O OpenFlow14 bundle sp0 -",
      ]
    `);
  });

  test("what Docker gave itself is not answered, and must fit", async () => {
    await network.attach(port(), soon());
    const given = { Address: "10.99.1.7/24", AddressIPv6: "", MacAddress: "02:42:00:00:00:09" };
    expect((await docker.create(ID, network.endpoint(port(), false), given)).body).toEqual({ Interface: {} });
    await docker.join(ID);
    await eventually(() => host.flowsOf(COOKIE).length === 3);
    expect(host.flowsOf(COOKIE)[0]).toContain("dl_src=02:42:00:00:00:09");
    const other = await docker.create("ffff", network.endpoint(port(), false), { ...given, Address: "10.99.1.8/24" });
    expect(other).toEqual({ status: 500, body: { Err: "the port of web/0@1 has the address 10.99.1.7/24, not 10.99.1.8/24" } });
  });

  test("every call may come twice", async () => {
    await network.attach(port(), soon());
    await docker.create(ID, network.endpoint(port(), false));
    const first = await docker.create(ID, network.endpoint(port(), false));
    expect(first.body).toEqual({ Interface: { Address: "10.99.1.7/24", MacAddress: "02:5e:0a:63:01:07" } });
    expect((await docker.join(ID)).status).toBe(200);
    expect((await docker.join(ID)).status).toBe(200);
    expect([...host.ports.keys()]).toEqual([HOST_LINK]);
    await eventually(() => host.flowsOf(COOKIE).length === 3);
    await docker.stop(ID);
    await docker.stop(ID);
    expect([host.ports.size, host.links.size, host.flowsOf(COOKIE).length]).toEqual([0, 0, 0]);
    expect(network.ports()).toHaveLength(1);
  });

  test("unknown calls and broken bodies are refused", async () => {
    expect(await docker.call("/NetworkDriver.Fly", {})).toEqual({
      status: 404,
      body: { Err: "Setpoint's network driver does not know /NetworkDriver.Fly" },
    });
    expect((await docker.join("never-made")).body).toEqual({ Err: "endpoint never-made serves no port of this host; start again" });
  });
});

describe("refusals are sentences", () => {
  test.each([
    ["no port", {}, "web/0@1 has no port on this host; Setpoint attaches one before it starts the Instance"],
    ["another fleet", { "setpoint.fleet": "prod" }, "the container is of fleet prod, this host's network of lab"],
    [
      "not ours",
      { "setpoint.set": "" },
      "this network is for Instances that Setpoint starts; use another network for containers of your own",
    ],
  ])("%s", async (_name, more, sentence) => {
    await network.attach(port(), soon());
    const endpoint = network.endpoint(port(), false);
    await network.detach(port(), soon());
    const options = { ...(endpoint.settings["DriverOpts"] as object), ...more };
    const answer = await docker.create(ID, { ...endpoint, settings: { DriverOpts: options } });
    expect(answer).toEqual({ status: 500, body: { Err: sentence } });
  });

  test("an older generation and another address", async () => {
    await network.attach(port(), soon());
    const old = network.endpoint(port(), false);
    await network.attach(port({ generation: 2, ip: "10.99.1.8" }), soon());
    expect((await docker.create(ID, old)).body).toEqual({ Err: "the port of web/0 is generation 2's; generation 1 may not use it" });
    const options = { ...(network.endpoint(port({ generation: 2 }), false).settings["DriverOpts"] as object), "setpoint.ip": "10.99.1.7" };
    expect((await docker.create(ID, { ...old, settings: { DriverOpts: options } })).body).toEqual({
      Err: "the container was made for 10.99.1.7, the port of web/0@2 has 10.99.1.8",
    });
  });

  test("a tool that fails is told in its own words, and the next try succeeds", async () => {
    await network.attach(port(), soon());
    await docker.create(ID, network.endpoint(port(), false));
    host.before = (line) => {
      if (line.includes("add-port")) throw new Error("ovs-vsctl: unix:/run/openvswitch/db.sock: database connection failed");
    };
    const failed = await docker.join(ID);
    expect(failed).toEqual({ status: 500, body: { Err: "ovs-vsctl: unix:/run/openvswitch/db.sock: database connection failed" } });
    host.before = () => {};
    await docker.stop(ID);
    expect([host.ports.size, host.links.size]).toEqual([0, 0]);
    await start("bbbbccccddddeeee");
    expect([...host.ports.keys()]).toEqual(["spbbbbccccddd"]);
  });

  test("a handler that hangs is answered at its deadline", async () => {
    const socket = `${host.folder}/other.sock`;
    const never = (): Promise<never> => new Promise(() => {});
    const handler = { create: never, join: never, leave: never, remove: never, joined: () => {} };
    const log = { info: () => {}, warn: () => {}, error: () => {} };
    const server = await servePlugin(socket, networkCalls(handler, 50), log);
    const answer = await callPlugin(socket, "/NetworkDriver.Leave", { EndpointID: ID });
    expect(answer).toEqual({ status: 500, body: { Err: "the host's network tools did not finish within 0.05 s" } });
    await server.close();
  });

  test("a socket left by an earlier run is replaced", async () => {
    const socket = `${host.folder}/stale.sock`;
    const earlier = createServer().listen(socket);
    await once(earlier, "listening");
    const handler = { create: null, join: null, leave: null, remove: null, joined: null } as never;
    const server = await servePlugin(socket, networkCalls(handler), { info: () => {}, warn: () => {}, error: () => {} });
    expect((await callPlugin(socket, "/Plugin.Activate")).status).toBe(200);
    await server.close();
    earlier.close();
  });
});

describe("limits before traffic", () => {
  test("an Instance with a limit sends nothing until it is in place", async () => {
    await network.attach(port({ egressBps: 20e6 }), soon());
    await docker.create(ID, network.endpoint(port(), false));
    let tries = 0;
    host.before = (line) => {
      if (line.startsWith("nsenter") && ++tries < 4) throw new Error('Cannot find device "eth0"');
      if (line.startsWith("nsenter")) expect(host.flowsOf(COOKIE)).toEqual([`table=0,priority=100,in_port=${HOST_LINK},actions=drop`]);
    };
    await docker.join(ID);
    await eventually(() => host.flowsOf(COOKIE).length === 3);
    expect(tries).toBe(4);
  });

  test("a port's limit to the Instance is there before Docker gets the link", async () => {
    await network.attach(port({ ingressBps: 50e6 }), soon());
    await start();
    expect(host.limits.get(HOST_LINK)).toBe(50e6);
    expect(host.ports.get(HOST_LINK)!.columns["qos"]).toBe("11111111-2222");
  });

  test("rates change on the wire, and stay in the switch's database", async () => {
    await network.attach(port({ ingressBps: 50e6, egressBps: 20e6 }), soon());
    await start();
    await network.shape(port(), 10e6, null, soon());
    expect(host.limits.get(HOST_LINK)).toBe(10e6);
    expect(host.commands.filter((line) => line.startsWith("nsenter")).at(-1)).toBe(
      "nsenter --net=/run/docker/netns/aaaa tc qdisc replace dev eth0 root noqueue",
    );
    expect(host.ports.get(HOST_LINK)!.ids).toMatchObject({ "setpoint-ingress": "10000000", "setpoint-egress": "" });
    await network.attach(port({ ingressBps: null, egressBps: null }), soon());
    expect(host.limits.get(HOST_LINK)).toBeUndefined();
  });
});

describe("what a crash leaves", () => {
  test("a restart whose stop was lost: the new endpoint takes the address over, with its flows", async () => {
    await network.attach(port(), soon());
    await start();
    await start("bbbbccccddddeeee");
    expect([...host.ports.keys()]).toEqual(["spbbbbccccddd"]);
    await eventually(() => host.flowsOf(COOKIE).length === 3);
    await docker.stop(ID);
    expect(host.flowsOf(COOKIE).filter((text) => text.includes("in_port=spbbbbccccddd"))).toHaveLength(3);
  });

  test.each([1, 2, 3, 4, 5])("the agent dies at command %i of a Join: all of it is collected, and a new start works", async (at) => {
    await network.attach(port({ ingressBps: 50e6 }), soon());
    await docker.create(ID, network.endpoint(port(), false));
    let count = 0;
    host.before = () => {
      if (++count >= at) throw new Error("the agent is gone");
    };
    expect((await docker.join(ID)).status).toBe(500);
    await network.close();
    host.before = () => {};
    const again = host.agent();
    await again.apply(SETTINGS, soon());
    // Docker's word that the start failed was lost, too.
    host.nowMs += 70_000;
    await again.repair(soon());
    expect([host.ports.size, [...host.links.keys()].filter((name) => name.startsWith("sp")).length]).toEqual([0, 0]);
    network = again;
    await start("bbbbccccddddeeee");
    expect([...host.ports.keys()]).toEqual(["spbbbbccccddd"]);
    expect(host.limits.get("spbbbbccccddd")).toBe(50e6);
  });

  test("after its restart the agent serves Leave for endpoints of before", async () => {
    await network.attach(port(), soon());
    await start();
    await network.close();
    network = host.agent();
    await network.apply(SETTINGS, soon());
    expect(network.ports()).toEqual([{ set: "web", index: 0, generation: 1, ip: "10.99.1.7" }]);
    expect([...host.ports.keys()]).toEqual([HOST_LINK]);
    await docker.stop(ID);
    expect([host.ports.size, host.links.size]).toEqual([0, 0]);
  });
});
