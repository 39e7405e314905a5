import { existsSync } from "node:fs";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { FakeHost, port, SETTINGS, soon } from "./fake-host.ts";

const BRIDGE = { ...SETTINGS, driver: "bridge" as const, mtu: 1500 };
const PID = 4242;
const BY_DOCKER = {
  networkMode: "setpoint-lab",
  settings: { IPAMConfig: { IPv4Address: "10.99.1.7" } },
  publish: true,
  resolver: null,
};

let host: FakeHost;
beforeEach(() => void (host = new FakeHost()));
afterEach(() => host.remove());

/** Links of Instances. */
function wires(): string[] {
  return [...host.links.keys()].filter((name) => name !== "sp0");
}

test("is one network of Docker's, which gives those their addresses whose ports it publishes", async () => {
  const network = host.agent();
  await network.apply(BRIDGE, soon());
  const options = { "com.docker.network.bridge.name": "sp0", "com.docker.network.driver.mtu": "1500" };
  expect(host.networks).toEqual([
    { name: "setpoint-lab", driver: "bridge", subnet: { cidr: "10.99.1.0/24", gateway: "10.99.1.1" }, options },
  ]);
  await network.attach(port({ ingressBps: 1e6 }), soon());
  expect(network.endpoint(port(), true)).toEqual(BY_DOCKER);
  expect([network.capabilities(), existsSync(host.pluginSocket)]).toEqual([[], false]);
});

test("Docker wires all Instances of an agent that does not stay, as nobody would mend their wires", async () => {
  const network = host.agent({ stays: false });
  await network.apply(BRIDGE, soon());
  await network.attach(port(), soon());
  expect(network.endpoint(port(), false)).toEqual(BY_DOCKER);
});

test("Docker wires all Instances where the agent can't: not root, no such programs, name servers on the host's loopback alone, or Docker on another machine", async () => {
  host.before = (line) => {
    if (line.startsWith("nsenter")) throw host.fails(line, "nsenter: reassociate to namespace failed: Operation not permitted");
  };
  const network = host.agent();
  await network.apply(BRIDGE, soon());
  await network.attach(port(), soon());
  expect(network.endpoint(port(), false)).toEqual(BY_DOCKER);
  host.before = () => {};
  await network.apply(BRIDGE, soon());
  expect(network.endpoint(port(), false).networkMode).toBe("none");
  host.resolver = null;
  expect(network.endpoint(port(), false)).toEqual(BY_DOCKER);
  host.dockerIsHere = false;
  host.links.clear();
  const other = host.agent();
  await other.apply(BRIDGE, soon());
  expect(other.endpoint(port(), false)).toEqual(BY_DOCKER);
});

describe("wires of the agent's own", () => {
  test("reach from the bridge into infra's namespace, made once", async () => {
    const network = host.agent();
    await network.apply(BRIDGE, soon());
    await network.attach(port(), soon());
    expect(network.endpoint(port(), false)).toEqual({ networkMode: "none", settings: {}, publish: false, resolver: host.resolver });
    expect(network.isWired(port())).toBe(false);
    await network.wire(port(), PID, soon());
    expect(network.isWired(port())).toBe(true);
    expect(host.masters.get(wires()[0]!)).toBe("sp0");
    expect(host.inside.get(PID)).toBe(
      "link set eth0 addrgenmode none\naddr add 10.99.1.7/24 dev eth0\nlink set eth0 up\nroute add default via 10.99.1.1 dev eth0\n",
    );
    const before = [...host.commands];
    await network.wire(port(), PID, soon());
    expect(host.commands).toEqual(before);
    expect([...network.counters()]).toEqual([["web/0@1", { receivedBytes: 200, sentBytes: 100 }]]);
  });

  test("are made anew for a new namespace, and where one broke off halfway", async () => {
    const network = host.agent();
    await network.apply(BRIDGE, soon());
    await network.attach(port(), soon());
    await network.wire(port(), PID, soon());
    await network.wire(port(), PID + 1, soon());
    expect([wires().length, host.inside.get(PID + 1)]).toEqual([1, host.inside.get(PID)]);
    host.inside.set(PID + 1, "");
    await network.wire(port(), PID + 1, soon());
    expect([wires().length, host.inside.get(PID + 1)]).toEqual([1, host.inside.get(PID)]);
  });

  test("outlive the agent, and end with the port", async () => {
    const first = host.agent();
    await first.apply(BRIDGE, soon());
    await first.attach(port(), soon());
    await first.wire(port(), PID, soon());
    const second = host.agent();
    expect(second.isWired(port())).toBe(true);
    await expect(second.attach(port({ generation: 2 }), soon())).rejects.toMatchObject({ code: "in-use" });
    await second.detach(port(), soon());
    expect([wires(), second.isWired(port())]).toEqual([[], false]);
  });

  test("come back to a bridge that somebody removed together with Docker's network", async () => {
    const network = host.agent();
    await network.apply(BRIDGE, soon());
    for (const index of [0, 1]) {
      await network.attach(port({ index, ip: `10.99.1.${7 + index}` }), soon());
      await network.wire(port({ index }), PID + index, soon());
    }
    host.links.delete("sp0");
    host.masters.clear();
    await network.repair(soon());
    expect([host.networks.length, ...host.masters.values()]).toEqual([2, "sp0", "sp0"]);
    host.links.delete("sp0");
    host.masters.clear();
    await network.wire(port(), PID, soon());
    expect([host.networks.length, host.masters.size]).toEqual([3, 2]);
  });

  test("need the port: it is what they are made from", async () => {
    const network = host.agent();
    await network.apply(BRIDGE, soon());
    await expect(network.wire(port(), PID, soon())).rejects.toMatchObject({ code: "not-ready" });
  });
});

test("a host that changed to Open vSwitch says what to do with containers that the agent wired to the bridge", async () => {
  const network = host.agent();
  await network.apply(SETTINGS, soon());
  await network.attach(port(), soon());
  await expect(network.wire(port(), PID, soon())).rejects.toMatchObject({
    code: "network-failed",
    retry: "permanent",
    message: "the containers of web/0 were made for Docker's bridge, the host has Open vSwitch now: replace the Instance",
  });
});
