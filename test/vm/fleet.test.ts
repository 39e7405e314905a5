import { afterAll, beforeAll, expect, test } from "vitest";
import { createFleet, inNetworkOf, type TestFleet, type WorldContainer } from "../hosts/fleet.ts";
import { formatMeasurements, type Measurement } from "../hosts/measure/measurement.ts";
import { lookAtRate } from "../hosts/measure/rate.ts";
import { IMAGES } from "../hosts/rig/images.ts";
import { limitConforms } from "./conforms.ts";
import { addVolumeGroup, poolManifest, setManifest } from "./lab.ts";
import { BRIDGE } from "./manifests.ts";
import type { VmHost } from "./rig/host.ts";
import { createVmRig, type VmRig } from "./rig/rig.ts";

const SETTLE_MS = 600_000;
const TO_BPS = 20e6;
const FROM_BPS = 10e6;
/** Times of failure that no delay of an overloaded machine reaches. */
const FAILURE = { suspectAfter: "20s", lostAfter: "5m", brake: "50%", leaseFor: "3m" };

let rig: VmRig;
let fleet: TestFleet;
let settled: ReadonlyMap<string, WorldContainer>;
const rows: (readonly [string, Measurement | string])[] = [];

beforeAll(async () => {
  const startedAt = performance.now();
  rig = await createVmRig({ hosts: ["a", "b", "c"] });
  const upAt = performance.now();
  await Promise.all(rig.hosts.map(addVolumeGroup));
  const [a, b, c] = rig.hosts as [VmHost, VmHost, VmHost];
  const health = { http: { port: 8080 }, interval: "1s", timeout: "5s" };
  const two = { replicas: 2, placement: { maxPerHost: 1 } };
  fleet = createFleet(rig, {
    "lab.yaml": poolManifest("lab", [a, b], { vni: 42, cidr: "10.70.0.0/24", gateway: "10.70.0.1", failure: FAILURE }),
    // The same addresses, on the same wire.
    "other.yaml": poolManifest("other", [c], { vni: 43, cidr: "10.70.0.0/24", gateway: "10.70.0.1", failure: FAILURE }),
    "web.yaml": setManifest("web", two, { image: IMAGES.web, health }),
    "stranger.yaml": setManifest("stranger", { ...two, network: { vlan: 21 } }, { image: IMAGES.sleeper }),
    "free.yaml": setManifest("free", two, { image: IMAGES.sleeper }),
    "slow.yaml": setManifest("slow", { replicas: 1, network: { ingress: "20mbit", egress: "10mbit" } }, { image: IMAGES.sleeper }),
    "far.yaml": setManifest("far", { replicas: 1, pool: "other" }, { image: IMAGES.sleeper }),
  });
  await fleet.startReconciler();
  settled = await fleet.settled(SETTLE_MS);
  const seconds = (from: number, to: number): string => ((to - from) / 1000).toFixed(1);
  process.stdout.write(`three machines up in ${seconds(startedAt, upAt)} s, settled after ${seconds(upAt, performance.now())} s more\n`);
});
afterAll(async () => {
  if (rows.length > 0) process.stdout.write(`Limits between machines, as required and as measured:\n${formatMeasurements(rows)}\n`);
  await fleet?.close();
  await rig?.close();
});

/** A Set's container on a machine. */
function on(host: string, set: string): WorldContainer {
  const found = [...settled.values()].find((container) => container.host === host && container.slot.startsWith(`${set}/`));
  if (found === undefined) throw new Error(`no container of ${set} on ${host}`);
  return found;
}

function inside(from: WorldContainer, ...argv: readonly string[]): ReturnType<typeof inNetworkOf> {
  return inNetworkOf(rig.host(from.host), from.id, argv);
}

async function pings(from: WorldContainer, ip: string, ...more: readonly string[]): Promise<boolean> {
  return (await inside(from, "ping", "-c", "3", "-i", "0.3", "-W", "3", ...more, ip)).exitCode === 0;
}

async function fetches(from: WorldContainer, to: WorldContainer): Promise<string> {
  return (await inside(from, "busybox", "timeout", "30", "busybox", "wget", "-q", "-O", "-", `http://${to.ip}:8080/`)).stdout;
}

test("containers on two machines ping each other and serve http to each other, through the kernel's switch and VXLAN", async () => {
  for (const [from, to] of [
    [on("a", "web"), on("b", "web")],
    [on("b", "web"), on("a", "web")],
  ] as const) {
    expect([from.slot, await pings(from, to.ip)]).toEqual([from.slot, true]);
    expect([from.slot, await fetches(from, to)]).toEqual([from.slot, "hello from web\n"]);
  }
  const { stdout: datapaths } = await rig.host("a").exec(["ovs-appctl", "dpctl/show"]);
  expect(datapaths).toContain("system@ovs-system");
  expect(datapaths).toContain("vxlan");
  const { stdout: type } = await rig.host("a").exec(["ovs-vsctl", "get", "bridge", BRIDGE, "datapath_type"]);
  expect(type.trim()).toBe("system");
});

test("a foreign VLAN and another pool are not reached, though they use the same wire; a VLAN's own members are", async () => {
  const [web, far] = [on("a", "web"), on("c", "far")];
  const strangers = [on("a", "stranger"), on("b", "stranger")] as const;
  expect(await pings(strangers[0], strangers[1].ip)).toBe(true);
  const closed = [
    pings(web, strangers[0].ip),
    pings(web, strangers[1].ip),
    pings(strangers[1], web.ip),
    ...[...settled.values()].filter(({ host }) => host !== "c").map(({ ip }) => (ip === far.ip ? Promise.resolve(false) : pings(far, ip))),
  ];
  expect(await Promise.all(closed)).toEqual(closed.map(() => false));
});

test("packets with an address that is not the Instance's own are dropped by the kernel's switch", async () => {
  const [from, to] = [on("a", "web"), on("b", "web")];
  const heard = async (): Promise<number> => {
    const lines = (await inside(to, "cat", "/proc/self/net/snmp")).stdout.split("\n").filter((line) => line.startsWith("Icmp: "));
    const [names, values] = lines.map((line) => line.split(" "));
    return Number(values![names!.indexOf("InEchos")]);
  };
  await inside(from, "ip", "addr", "add", "10.70.0.250/24", "dev", "eth0");
  try {
    const before = await heard();
    expect(await pings(from, to.ip, "-I", "10.70.0.250")).toBe(false);
    expect(await heard()).toBe(before);
    expect(await pings(from, to.ip)).toBe(true);
    expect(await heard()).toBe(before + 3);
  } finally {
    await inside(from, "ip", "addr", "del", "10.70.0.250/24", "dev", "eth0");
  }
});

test("rates of a Set hold both ways between machines, also over a wire with a delay", async () => {
  const limited = [...settled.values()].find(({ slot }) => slot === "slow/0")!;
  const here = rig.host(limited.host);
  const there = rig.host(limited.host === "a" ? "b" : "a");
  const server = on(there.name, "free");
  await inside(server, "iperf3", "--server", "--daemon");
  const lab = { host: here, server: server.ip, free: on(here.name, "free").id, limited: limited.id };
  const measure = async (name: string, requiredBps: number, direction: "from" | "to"): Promise<void> => {
    rows.push([name, await limitConforms(name, () => lookAtRate(lab, requiredBps, direction))]);
  };
  await measure("rate to an Instance", TO_BPS, "to");
  await measure("rate from an Instance", FROM_BPS, "from");
  await there.exec(["tc", "qdisc", "add", "dev", "eth1", "root", "netem", "delay", "10ms"]);
  await measure("rate to an Instance, 10 ms away", TO_BPS, "to");
});
