import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { describeForeign, makeForeign } from "./foreign.ts";
import { createFleet, inNetworkOf, type TestFleet, type WorldContainer } from "./fleet.ts";
import { fleetFiles, INSTANCES, webManifest } from "./manifests.ts";
import { IMAGES } from "./rig/images.ts";
import { createRig, type Rig } from "./rig/rig.ts";
import { waitFor } from "./rig/wait.ts";
import { watchLives } from "./timeline.ts";

const SETTLE_MS = 240_000;

let rig: Rig;
let fleet: TestFleet;
let settled: ReadonlyMap<string, WorldContainer>;
let foreign: readonly string[];

beforeAll(async () => {
  rig = await createRig({ hosts: ["a", "b", "c"], agents: true });
  await Promise.all(rig.hosts.map(makeForeign));
  foreign = await Promise.all(rig.hosts.map(describeForeign));
  fleet = createFleet(rig, fleetFiles(rig));
  await fleet.startReconciler();
  settled = await fleet.settled(SETTLE_MS);
});
afterAll(async () => {
  await fleet?.close();
  await rig?.close();
});

/** Containers of a Set, one per host. */
function onePerHost(set: string): readonly WorldContainer[] {
  const all = [...settled.values()].filter(({ slot }) => slot.startsWith(`${set}/`));
  return rig.hosts.map(({ name }) => all.find(({ host }) => host === name)!);
}

async function fetchFrom(from: WorldContainer, ip: string): Promise<string> {
  const { stdout } = await inNetworkOf(rig.host(from.host), from.id, [
    "busybox",
    "timeout",
    "30",
    "busybox",
    "wget",
    "-q",
    "-O",
    "-",
    `http://${ip}:8080/`,
  ]);
  return stdout;
}

async function pingFrom(from: WorldContainer, ip: string, ...more: readonly string[]): Promise<boolean> {
  const { exitCode } = await inNetworkOf(rig.host(from.host), from.id, ["ping", "-c", "2", "-i", "0.2", "-W", "2", ...more, ip]);
  return exitCode === 0;
}

/** The fleet when it has settled and all its app containers are so. */
function settledWith(what: string, holds: (world: readonly WorldContainer[]) => boolean): Promise<ReadonlyMap<string, WorldContainer>> {
  const look = async (): Promise<ReadonlyMap<string, WorldContainer> | null> => {
    const world = await fleet.settled(SETTLE_MS);
    return holds([...world.values()]) ? world : null;
  };
  return waitFor(what, look, { deadlineMs: SETTLE_MS, everyMs: 100, evidence: () => fleet.evidence() });
}

/** `setpoint host VERB NAME`. */
async function operate(verb: string, host: string): Promise<void> {
  const { exitCode, stderr } = await fleet.tell("host", verb, host, "--why", "a new disk");
  expect([stderr, exitCode]).toEqual(["", 0]);
}

/** Pings that arrived at a container so far, as its kernel counts. */
async function echoesHeard(container: WorldContainer): Promise<number> {
  const { stdout } = await inNetworkOf(rig.host(container.host), container.id, ["cat", "/proc/self/net/snmp"]);
  const [names, values] = stdout.split("\n").flatMap((line) => (line.startsWith("Icmp: ") ? [line.split(" ")] : []));
  return Number(values![names!.indexOf("InEchos")]);
}

describe("three hosts and one commit", () => {
  test(`all ${INSTANCES} Instances are healthy, spread over all hosts, each with an address of its own`, async () => {
    expect(settled.size).toBe(INSTANCES);
    expect((await fleet.status()).problems).toEqual([]);
    for (const set of ["web", "single", "limited", "stranger"])
      expect(onePerHost(set).every((container) => container !== undefined)).toBe(true);
    expect(new Set([...settled.values()].map(({ ip }) => ip)).size).toBe(INSTANCES);
  });

  test("Instances on different hosts ping each other and serve http to each other", async () => {
    const webs = onePerHost("web");
    for (const from of webs) {
      for (const to of webs.filter(({ host }) => host !== from.host)) {
        const label = `${from.slot} on ${from.host} to ${to.slot} on ${to.host}`;
        expect([label, await pingFrom(from, to.ip)]).toEqual([label, true]);
        expect([label, await fetchFrom(from, to.ip)]).toEqual([label, "hello from web\n"]);
      }
    }
  });

  test("a foreign VLAN is reached neither on the same host nor on another, while its own members reach each other", async () => {
    const [web, strangers] = [onePerHost("web")[0]!, onePerHost("stranger")];
    const both = strangers.flatMap((stranger) => [pingFrom(web, stranger.ip), pingFrom(stranger, web.ip)]);
    expect(await Promise.all(both)).toEqual(both.map(() => false));
    expect(await pingFrom(strangers[0]!, strangers[1]!.ip)).toBe(true);
  });

  test("packets with a source that is not the Instance's own are dropped", async () => {
    const [from, to] = onePerHost("web") as [WorldContainer, WorldContainer];
    const spoofed = "10.70.0.250";
    const host = rig.host(from.host);
    const inside = (...argv: readonly string[]): Promise<unknown> => inNetworkOf(host, from.id, argv);
    await inside("ip", "addr", "add", `${spoofed}/24`, "dev", "eth0");
    try {
      const before = await echoesHeard(to);
      expect(await pingFrom(from, to.ip, "-I", spoofed)).toBe(false);
      expect(await echoesHeard(to)).toBe(before);
      expect(await pingFrom(from, to.ip)).toBe(true);
      expect(await echoesHeard(to)).toBe(before + 2);
    } finally {
      await inside("ip", "addr", "del", `${spoofed}/24`, "dev", "eth0");
    }
  });

  test("a container is as large as its Set says", async () => {
    const web = onePerHost("web")[0]!;
    const limits = await rig.host(web.host).docker("inspect", "--format", "{{.HostConfig.Memory}} {{.HostConfig.MemorySwap}}", web.id);
    expect(limits).toBe(`${64 * 2 ** 20} ${64 * 2 ** 20}`);
  });

  test("a new image is rolled out and every Instance serves it at the same address; nothing else moves", async () => {
    const addresses = new Map([...settled].map(([slot, { ip }]) => [slot, ip]));
    const others = [...settled].filter(([slot]) => !slot.startsWith("web/")).map(([, { id }]) => id);
    fleet.commit({ "web.yaml": webManifest(IMAGES.web2, 9) });
    settled = await fleet.settled(SETTLE_MS);
    for (const to of onePerHost("web")) expect(await fetchFrom(onePerHost("web")[0]!, to.ip)).toBe("hello from web 2\n");
    expect(
      [...settled]
        .filter(([slot]) => !slot.startsWith("web/"))
        .map(([, { id }]) => id)
        .sort(),
    ).toEqual(others.sort());
    for (const [slot, { ip }] of settled) expect([slot, ip]).toEqual([slot, addresses.get(slot)]);
  });

  test("a Set that is taken out of the repository goes, and only that", async () => {
    fleet.commit({ "limited.yaml": null });
    const gone = await settledWith("the Set to go", (world) => world.length === INSTANCES - 3);
    expect([...gone.keys()].filter((slot) => slot.startsWith("limited/"))).toEqual([]);
    settled = gone;
  });

  test("a drain empties a host: the new one starts first where two may run, stops first where not, never below the budget", async () => {
    const moving = [...settled.values()].filter(({ host }) => host === "a").map(({ slot }) => slot);
    const lives = await watchLives(fleet);
    await operate("drain", "a");
    settled = await settledWith("host a to be empty", (world) => world.every(({ host }) => host !== "a"));
    expect((await fleet.world()).filter(({ host }) => host === "a")).toEqual([]);
    const { slots, leastOf } = await lives();
    const told = Object.fromEntries(moving.map((slot) => [slot, slots.get(slot)]));
    const wanted = moving.map((slot) => [slot, slot.startsWith("single/") ? { least: 0, most: 1 } : { least: 1, most: 2 }]);
    expect(told).toEqual(Object.fromEntries(wanted));
    // maxUnavailable is 25 %: of six slots that is one.
    expect([leastOf("web"), leastOf("stranger"), leastOf("single")]).toEqual([9, 3, 5]);
    expect([...slots].filter(([slot]) => !moving.includes(slot)).every(([, { least, most }]) => least === 1 && most === 1)).toBe(true);
    await operate("uncordon", "a");
  });

  test("a cordoned host keeps what it has and gets nothing new", async () => {
    const before = new Map([...settled].map(([slot, { id }]) => [slot, id]));
    await operate("cordon", "b");
    fleet.commit({ "web.yaml": webManifest(IMAGES.web2, 12) });
    settled = await settledWith("the new Instances", (world) => world.filter(({ slot }) => slot.startsWith("web/")).length === 12);
    const added = [...settled.values()].filter(({ slot }) => !before.has(slot));
    expect(added.map(({ slot }) => slot).sort()).toEqual(["web/10", "web/11", "web/9"]);
    expect(added.filter(({ host }) => host === "b")).toEqual([]);
    for (const [slot, id] of before) expect([slot, settled.get(slot)?.id]).toEqual([slot, id]);
    await operate("uncordon", "b");
  });

  test("what belongs to others is as it was", async () => {
    expect(await Promise.all(rig.hosts.map(describeForeign))).toEqual(foreign);
  });
});
