import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { createServer, type Server } from "node:http";
import { once } from "node:events";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { createDockerNetworks } from "../../../reconciler/agent/network/docker-networks.ts";
import { readResolver } from "../../../reconciler/agent/network/resolver.ts";
import { portCookie } from "../../../reconciler/agent/network/ovs/flows.ts";
import { FakeDocker } from "./docker-calls.ts";
import { FakeHost, port, SETTINGS, soon } from "./fake-host.ts";

let host: FakeHost;
beforeEach(() => void (host = new FakeHost()));
afterEach(() => host.remove());

const BRIDGE_SETTINGS = { ...SETTINGS, driver: "bridge" as const };

describe("ports", () => {
  test("belong to slots, are told by address and generation, and outlive the agent", async () => {
    const network = host.agent();
    await network.apply(BRIDGE_SETTINGS, soon());
    await network.attach(port({ index: 1, ip: "10.99.1.8" }), soon());
    await network.attach(port(), soon());
    await network.attach(port({ generation: 2 }), soon());
    const told = [
      { set: "web", index: 0, generation: 2, ip: "10.99.1.7" },
      { set: "web", index: 1, generation: 1, ip: "10.99.1.8" },
    ];
    expect(network.ports()).toEqual(told);
    expect(host.agent().ports()).toEqual(told);
    await network.detach(port(), soon());
    await network.detach(port(), soon());
    expect(host.agent().ports()).toEqual(told.slice(1));
  });

  test.each([
    ["another slot's address", port({ index: 1 }), "ip-in-use", "10.99.1.7 is used by generation 2 of web/0"],
    ["an older generation", port({ generation: 1 }), "stale-generation", "the port of web/0 is generation 2's, newer than 1"],
    ["an address of elsewhere", port({ generation: 3, ip: "10.98.0.1" }), "network-failed", "10.98.0.1 of web/0 is not in 10.99.1.0/24"],
    [
      "a VLAN on Docker's bridge",
      port({ generation: 3, vlan: 7 }),
      "no-capability",
      "web/0 wants VLAN 7, which Docker's bridge does not have",
    ],
  ])("refuses %s", async (_name, request, code, message) => {
    const network = host.agent();
    await network.apply(BRIDGE_SETTINGS, soon());
    await network.attach(port({ generation: 2 }), soon());
    const refusal = network.attach(request, soon());
    await expect(refusal).rejects.toMatchObject({ code, outcome: "refused", message: expect.stringContaining(message) as string });
    expect(network.ports()).toEqual([{ set: "web", index: 0, generation: 2, ip: "10.99.1.7" }]);
  });

  test("need settings, and a generation that has them", async () => {
    const network = host.agent();
    await expect(network.attach(port(), soon())).rejects.toMatchObject({ code: "not-ready" });
    await network.apply(BRIDGE_SETTINGS, soon());
    expect(() => network.endpoint(port(), false)).toThrow("web/0 has no port of generation 1 on this host");
    await expect(network.shape(port(), 1e6, 1e6, soon())).rejects.toMatchObject({ code: "not-found" });
  });

  test("a slot whose container still has its wire does not change hands", async () => {
    const network = host.agent();
    await network.apply(SETTINGS, soon());
    await network.attach(port(), soon());
    const docker = new FakeDocker(host.pluginSocket);
    await docker.create("aaaabbbbccccdddd", network.endpoint(port(), false));
    await docker.join("aaaabbbbccccdddd");
    await expect(network.attach(port({ generation: 2 }), soon())).rejects.toMatchObject({ code: "in-use" });
    await network.detach(port(), soon());
    expect([host.ports.size, host.links.size, host.flowsOf(portCookie("lab", "10.99.1.7")).length]).toEqual([0, 0, 0]);
  });
});

describe("Open vSwitch", () => {
  test("sets up bridge, flows and Docker's network once", async () => {
    const network = host.agent();
    expect(network.capabilities()).toEqual([]);
    await network.apply({ ...SETTINGS, overlay: { vni: 42, peers: ["192.0.2.1"] } }, soon());
    expect(network.capabilities()).toEqual(["ovs", "tc"]);
    expect(host.networks).toEqual([{ name: "setpoint-lab", driver: "setpoint", subnet: null, options: {} }]);
    const made = [...host.commands];
    await network.apply({ ...SETTINGS, overlay: { vni: 42, peers: ["192.0.2.1"] } }, soon());
    expect(host.commands).toEqual(made);
    expect(made).toMatchInlineSnapshot(`
      [
        "ovs-vsctl --timeout=4 -- create qos type=linux-noop external_ids:setpoint-fleet="lab"",
        "ovs-vsctl --timeout=4 -- --may-exist add-br sp0 -- set bridge sp0 datapath_type=netdev fail_mode=secure external_ids:setpoint-fleet="lab"",
        "ovs-vsctl --timeout=4 -- --if-exists del-port sx37fcff24bf6 -- add-port sp0 sx37fcff24bf6 -- set port sx37fcff24bf6 protected=true external_ids:setpoint-fleet="lab" external_ids:setpoint-peer="192.0.2.1" -- set interface sx37fcff24bf6 type=vxlan options:remote_ip="192.0.2.1" options:key=42 external_ids:setpoint-fleet="lab"",
        "ovs-ofctl -O OpenFlow14 bundle sp0 -",
      ]
    `);
    await network.apply({ ...SETTINGS, overlay: null }, soon());
    expect(host.ports.size).toBe(0);
  });

  test("an idle repair starts no program", async () => {
    const network = host.agent();
    await network.apply(SETTINGS, soon());
    host.before = (line) => {
      throw new Error(`ran ${line}`);
    };
    await network.repair(soon());
    host.nowMs += 61_000;
    await expect(network.repair(soon())).rejects.toThrow("ran ovs-vsctl");
  });

  test("after a restart of the switch flows and limits are put back, foreign ports stay", async () => {
    const network = host.agent();
    await network.apply(SETTINGS, soon());
    host.addForeignPort("tap0", "sp0");
    await network.attach(port({ ingressBps: 5e6 }), soon());
    const docker = new FakeDocker(host.pluginSocket);
    await docker.create("aaaabbbbccccdddd", network.endpoint(port(), false));
    await docker.join("aaaabbbbccccdddd");
    host.takePeer("scaaaabbbbccc");
    const sorted = (): string[] => host.flows.map(({ cookie, text }) => `${cookie} ${text}`).sort();
    const before = sorted();
    host.restartSwitch();
    host.limits.clear();
    await network.repair(soon());
    expect(sorted()).toEqual(before);
    expect([...host.limits]).toEqual([["spaaaabbbbccc", 5e6]]);
    expect(host.ports.has("tap0")).toBe(true);
  });

  test("trouble for less than a minute is no reason to avoid the host", async () => {
    const network = host.agent();
    await network.apply(SETTINGS, soon());
    host.switchRun = "";
    host.before = () => {
      throw new Error("database connection failed");
    };
    await expect(network.repair(soon())).rejects.toThrow("database connection failed");
    expect(network.capabilities()).toEqual(["ovs", "tc"]);
    host.nowMs += 61_000;
    expect(network.capabilities()).toEqual([]);
    await expect(network.attach(port(), soon())).rejects.toMatchObject({ code: "no-capability", message: /database connection failed/ });
  });

  test("counts what the Instance receives and sends", async () => {
    const network = host.agent();
    await network.apply(SETTINGS, soon());
    await network.attach(port(), soon());
    const docker = new FakeDocker(host.pluginSocket);
    await docker.create("aaaabbbbccccdddd", network.endpoint(port(), false));
    await docker.join("aaaabbbbccccdddd");
    expect([...network.counters()]).toEqual([["web/0@1", { receivedBytes: 200, sentBytes: 100 }]]);
  });

  test("a damaged state is put aside, and what is wired is read back", async () => {
    const first = host.agent();
    await first.apply(SETTINGS, soon());
    await first.attach(port({ vlan: 20, egressBps: 5e6 }), soon());
    const docker = new FakeDocker(host.pluginSocket);
    await docker.create("aaaabbbbccccdddd", first.endpoint(port(), false));
    await docker.join("aaaabbbbccccdddd");
    host.takePeer("scaaaabbbbccc");
    await first.close();
    const file = join(host.folder, "state/network.json");
    writeFileSync(file, readFileSync(file, "utf8").slice(0, 100));
    const again = host.agent();
    expect(again.ports()).toEqual([]);
    await again.apply(SETTINGS, soon());
    expect(again.ports()).toEqual([{ set: "web", index: 0, generation: 1, ip: "10.99.1.7" }]);
    expect([...host.ports.keys()]).toEqual(["spaaaabbbbccc"]);
    expect(existsSync(`${file}.damaged`)).toBe(true);
  });
});

describe("Docker's networks", () => {
  let server: Server;
  let present: Record<string, unknown> | null = null;
  const calls: string[] = [];
  const wanted = { name: "setpoint-lab", driver: "bridge", subnet: { cidr: "10.0.0.0/24", gateway: "10.0.0.1" }, options: {} };
  const ours = { Id: "n1", Driver: "bridge", Labels: { "setpoint.fleet": "lab" }, Options: {}, Containers: {} };
  const asWanted = { ...ours, IPAM: { Config: [{ Subnet: "10.0.0.0/24", Gateway: "10.0.0.1" }] } };

  beforeEach(async () => {
    calls.length = 0;
    server = createServer((request, response) => {
      calls.push(`${request.method} ${request.url}`);
      const status = { GET: present === null ? 404 : 200, POST: 201, DELETE: 204 }[request.method as "GET" | "POST" | "DELETE"];
      response.writeHead(status).end(status === 204 ? "" : JSON.stringify(present ?? { message: "not found" }));
    }).listen(join(host.folder, "docker.sock"));
    await once(server, "listening");
  });
  afterEach(() => server.close());

  const ensure = (more: Partial<typeof wanted> = {}): Promise<void> =>
    createDockerNetworks(join(host.folder, "docker.sock"), () => "lab").ensure({ ...wanted, ...more }, () => {}, soon());

  test("one that is missing is made, one that is right is left alone", async () => {
    present = null;
    await ensure();
    present = asWanted;
    await ensure();
    expect(calls).toEqual(["GET /networks/setpoint-lab", "POST /networks/create", "GET /networks/setpoint-lab"]);
  });

  test("one that differs is made anew, unless containers use it", async () => {
    present = asWanted;
    await ensure({ subnet: { cidr: "10.0.1.0/24", gateway: "10.0.1.1" } });
    expect(calls).toEqual(["GET /networks/setpoint-lab", "DELETE /networks/n1", "POST /networks/create"]);
    present = { ...asWanted, Containers: { c1: { Name: "setpoint-web-0" } } };
    await expect(ensure({ driver: "setpoint" })).rejects.toMatchObject({ code: "in-use", message: /still used by setpoint-web-0/ });
  });

  test("another's is not touched", async () => {
    present = { ...asWanted, Labels: {} };
    await expect(ensure({ driver: "setpoint" })).rejects.toMatchObject({ code: "not-ours" });
    expect(calls).toEqual(["GET /networks/setpoint-lab"]);
  });
});

test("name servers are those that an Instance can reach", () => {
  const files: Record<string, string> = {
    "/etc/resolv.conf": "search x\nnameserver 127.0.0.53\nnameserver ::1\n",
    "/run/systemd/resolve/resolv.conf":
      "nameserver 192.0.2.1\nnameserver 192.0.2.2\noptions edns0 trust-ad\ndomain old\nsearch lab.example .\n",
  };
  const read = (path: string): string => {
    const text = files[path];
    if (text === undefined) throw new Error("ENOENT");
    return text;
  };
  const nameservers = ["192.0.2.1", "192.0.2.2"];
  expect(readResolver(read)).toEqual({ nameservers, search: ["lab.example"], options: ["edns0", "trust-ad"] });
  delete files["/run/systemd/resolve/resolv.conf"];
  expect(readResolver(read)).toBeNull();
  delete files["/etc/resolv.conf"];
  expect(readResolver(read)).toEqual({ nameservers: [], search: [], options: [] });
});
