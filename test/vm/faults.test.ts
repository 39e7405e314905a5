import { afterAll, beforeAll, expect, test } from "vitest";
import type { TrashRow } from "../../reconciler/api/types.ts";
import { createFleet, inNetworkOf, type TestFleet, type WorldContainer } from "../hosts/fleet.ts";
import { IMAGES } from "../hosts/rig/images.ts";
import { waitFor, waitUntil } from "../hosts/rig/wait.ts";
import { watchLives } from "../hosts/timeline.ts";
import { expectKept, ledgerKeeper, ledgerWriter, ledgerWriterTo, parseHeard, parseLedger, readVolume, type LedgerLine } from "./ledger.ts";
import { addVolumeGroup, mountOf, poolManifest, setManifest } from "./lab.ts";
import { BRIDGE } from "./manifests.ts";
import type { VmHost } from "./rig/host.ts";
import { createVmRig, type VmRig } from "./rig/rig.ts";

const SETTLE_MS = 600_000;

/** A boot takes less than it takes to count as lost. */
const PATIENT = { suspectAfter: "20s", lostAfter: "10m", brake: "50%", leaseFor: "9m" };
const LEASE_SECONDS = 20;
const STRICT = { suspectAfter: "8s", lostAfter: "15s", brake: "50%", leaseFor: `${LEASE_SECONDS}s` };

let rig: VmRig;
let fleet: TestFleet;
let settled: ReadonlyMap<string, WorldContainer>;

function labManifest(failure: typeof PATIENT): string {
  return poolManifest("lab", rig.hosts, { vni: 42, cidr: "10.70.0.0/24", gateway: "10.70.0.1", failure });
}

/** One slot that owns a volume of its own and an address. `primary` and `backup` are in two zones, whatever happens. */
function ledgerManifest(name: string, command: readonly string[], filesystem: "ext4" | "xfs", placement = {}): string {
  const volumes = [{ name: "data", lvm: { size: filesystem === "xfs" ? "512Mi" : "128Mi", filesystem } }];
  const container = { image: IMAGES.sleeper, command: [...command], mounts: [{ volume: "data", path: "/data" }] };
  return setManifest(name, { replicas: 1, volumes, network: { ip: "reuse" }, placement }, container);
}

beforeAll(async () => {
  rig = await createVmRig({ hosts: ["a", "b"] });
  await Promise.all(rig.hosts.map(addVolumeGroup));
  const web = { image: IMAGES.web, health: { http: { port: 8080 }, interval: "1s", timeout: "5s" } };
  const limited = { replicas: 2, placement: { maxPerHost: 1 }, network: { ingress: "20mbit", egress: "10mbit" } };
  fleet = createFleet(rig, {
    "lab.yaml": labManifest(PATIENT),
    "web.yaml": setManifest("web", limited, web),
    "backup.yaml": ledgerManifest("backup", ledgerKeeper, "xfs"),
    "single.yaml": ledgerManifest("single", ledgerWriter, "ext4"),
  });
  await fleet.startReconciler();
  const { ip } = (await fleet.settled(SETTLE_MS)).get("backup/0")!;
  const apart = { apart: [{ set: "backup", within: "zone" }] };
  fleet.commit({ "primary.yaml": ledgerManifest("primary", ledgerWriterTo(ip), "ext4", apart) });
  settled = await fleet.settled(SETTLE_MS);
});
afterAll(async () => {
  await fleet?.close();
  await rig?.close();
});

function hostOf(slot: string): VmHost {
  return rig.host(settled.get(slot)!.host);
}

async function ledgerOf(slot: string): Promise<readonly LedgerLine[]> {
  return parseLedger(await readVolume(hostOf(slot), slot, "data", "ledger"));
}

async function heardByBackup(): Promise<ReturnType<typeof parseHeard>> {
  return parseHeard(await readVolume(hostOf("backup/0"), "backup/0", "data", "heard"));
}

/** Resolves when the backup heard this many more lines. */
async function hears(lines: number): Promise<void> {
  const before = (await heardByBackup()).length;
  const evidence = (): Promise<string> => fleet.evidence();
  await waitUntil(`the backup to hear ${lines} lines`, async () => (await heardByBackup()).length >= before + lines, {
    everyMs: 500,
    evidence,
  });
}

/** What an Instance's host has for it besides containers: mounts, ports with their flows, limits; without what changes at each start. */
async function describeHost(host: VmHost): Promise<unknown> {
  const lines = async (...argv: readonly string[]): Promise<readonly string[]> =>
    (await host.exec(argv)).stdout.split("\n").filter((line) => line !== "");
  const flows = (await lines("ovs-ofctl", "dump-flows", "--no-stats", "--names", BRIDGE)).map((line) =>
    line.replaceAll(/"?sp[0-9a-f]{6,}"?/g, "PORT"),
  );
  const limits = (await lines("tc", "qdisc", "show")).filter((line) => line.includes("tbf"));
  return {
    flows: flows.map((line) => line.trim()).sort(),
    mounts: (await lines("findmnt", "--noheadings", "--output", "SOURCE,TARGET,FSTYPE", "--list", "--types", "ext4,xfs")).toSorted(),
    limits: limits.map((line) => /rate \S+/.exec(line)?.[0] ?? line).toSorted(),
    tunnels: (await lines("ovs-vsctl", "--bare", "--columns=options", "find", "interface", "type=vxlan")).toSorted(),
  };
}

async function insideLimits(container: WorldContainer): Promise<string> {
  const { stdout } = await inNetworkOf(rig.host(container.host), container.id, ["tc", "qdisc", "show", "dev", "eth0"]);
  return /tbf.*rate \S+/.exec(stdout)?.[0].replace(/^tbf \S+/, "tbf") ?? stdout;
}

async function serves(from: WorldContainer, to: WorldContainer): Promise<boolean> {
  const argv = ["busybox", "timeout", "10", "busybox", "wget", "-q", "-O", "-", `http://${to.ip}:8080/`];
  return (await inNetworkOf(rig.host(from.host), from.id, argv)).stdout === "hello from web\n";
}

/** Loses all that is in a machine's memory, and waits until the fleet is as it was: containers, addresses, mounts, flows, limits. */
async function comesBack(how: string, host: VmHost, restart: () => Promise<void>): Promise<void> {
  const webs = ["web/0", "web/1"] as const;
  const before = { host: await describeHost(host), limits: await Promise.all(webs.map((slot) => insideLimits(settled.get(slot)!))) };
  const former = settled;
  await hears(20);
  const startedAt = performance.now();
  await restart();
  const upAt = performance.now();
  settled = await fleet.settled(SETTLE_MS);
  const seconds = (from: number, to: number): string => ((to - from) / 1000).toFixed(1);
  process.stdout.write(`${how}: up after ${seconds(startedAt, upAt)} s, all healthy ${seconds(upAt, performance.now())} s later\n`);
  const places = (world: typeof settled): unknown =>
    [...world].map(([slot, it]) => [slot, it.host, it.ip, it.generation, it.name].join(" ")).toSorted();
  expect(places(settled)).toEqual(places(former));
  for (const [slot, { host: on, id }] of settled)
    expect([slot, id]).toEqual([slot, on === host.name ? expect.any(String) : former.get(slot)!.id]);
  const after = async (): Promise<unknown> => ({
    host: await describeHost(host),
    limits: await Promise.all(webs.map((slot) => insideLimits(settled.get(slot)!))),
  });
  expect(await after()).toEqual(before);
  for (const [from, to] of [webs, webs.toReversed()]) {
    await waitUntil(`${from} to reach ${to}`, () => serves(settled.get(from!)!, settled.get(to!)!), { evidence: () => fleet.evidence() });
  }
  await hears(5);
  expectKept(await ledgerOf("primary/0"), await heardByBackup());
  await ledgerOf("single/0");
}

test("a reboot under load: containers, addresses, mounts, flows and limits are back, and no acknowledged line is lost", async () => {
  const host = hostOf("primary/0");
  await comesBack("reboot", host, () => host.reboot());
  const { stdout } = await host.exec([
    "systemctl",
    "show",
    "--property=ActiveEnterTimestampMonotonic",
    "--value",
    "setpoint-agent",
    "docker",
  ]);
  const [agent, docker] = stdout
    .split("\n")
    .filter((line) => line !== "")
    .map(Number);
  expect(agent).toBeLessThan(docker!);
});

test("a power cut under load: the same", async () => {
  const host = hostOf("primary/0");
  await comesBack("power cut", host, async () => {
    await host.powerCut();
    await host.boot();
  });
});
/** The test's clock, seconds, when a machine's uptime was 0. */
async function bootTime(host: VmHost): Promise<number> {
  const before = performance.now();
  const uptime = Number((await host.exec(["cat", "/proc/uptime"])).stdout.split(" ")[0]);
  return (before + performance.now()) / 2000 - uptime;
}

/** The lines of `single/0` on a machine, once there are some. */
async function writesOn(host: VmHost): Promise<readonly LedgerLine[]> {
  const look = async (): Promise<readonly LedgerLine[] | null> => {
    const { exitCode, stdout } = await host.exec(["cat", `${mountOf("single/0", "data")}/data/ledger`], { anyExit: true });
    const lines = exitCode === 0 ? parseLedger(stdout) : [];
    return lines.length > 10 ? lines : null;
  };
  return await waitFor("the slot to write elsewhere", look, { deadlineMs: SETTLE_MS, everyMs: 500, evidence: () => fleet.evidence() });
}

test("no network between the reconciler and a host: what owns a volume stops there before it starts elsewhere, and nothing is written twice", async () => {
  fleet.commit({ "lab.yaml": labManifest(STRICT) });
  settled = await fleet.settled(SETTLE_MS);
  const former = settled;
  const host = hostOf("single/0");
  const other = rig.hosts.find((it) => it !== host)!;
  const boots = { there: await bootTime(host), elsewhere: await bootTime(other) };
  const lives = await watchLives(fleet);
  const cutAt = performance.now() / 1000;
  await host.cut();
  const written = await writesOn(other);
  const stopped = parseLedger(await readVolume(host, "single/0", "data", "ledger"));
  const lastAt = boots.there + stopped.at(-1)!.uptime - cutAt;
  const firstAt = boots.elsewhere + written[0]!.uptime - cutAt;
  process.stdout.write(
    `cut off at 0 s with a lease of ${LEASE_SECONDS} s: last line there at ${lastAt.toFixed(1)} s, first line elsewhere at ${firstAt.toFixed(1)} s\n`,
  );
  expect(lastAt).toBeGreaterThan(0);
  expect(lastAt).toBeLessThan(LEASE_SECONDS + 1);
  expect(firstAt).toBeGreaterThan(LEASE_SECONDS);
  const pair = ["primary/0", "backup/0"].map((slot) => [slot, former.get(slot)!] as const);
  const present = (await fleet.world()).filter(({ role, running }) => role === "app" && running);
  // The one that was cut off too has no place beside the other one, which does not notice.
  for (const [slot, { id, host: on }] of pair) {
    expect([slot, present.filter((it) => it.slot === slot).map((it) => it.id)]).toEqual([slot, on === host.name ? [] : [id]]);
  }
  await host.mend();
  settled = await fleet.settled(SETTLE_MS);
  const { slots } = await lives();
  for (const slot of ["single/0", "primary/0", "backup/0"]) expect([slot, slots.get(slot)?.most]).toEqual([slot, 1]);
  for (const [slot, { host: on, ip }] of pair) expect([slot, settled.get(slot)!.host, settled.get(slot)!.ip]).toEqual([slot, on, ip]);
  expect([settled.get("single/0")!.host, settled.get("single/0")!.ip]).toEqual([other.name, former.get("single/0")!.ip]);
  await hears(5);
  expectKept(await ledgerOf("primary/0"), await heardByBackup());
  expect((await ledgerOf("single/0")).slice(0, written.length)).toEqual(written);
});

test("a host without power that somebody confirms dead: its slots start elsewhere at once; it comes back and does not start them", async () => {
  const host = hostOf("single/0");
  const other = rig.hosts.find((it) => it !== host)!;
  const former = settled;
  const startedAt = performance.now();
  await host.powerCut();
  const confirm = async (): Promise<boolean> =>
    (await fleet.tell("host", "confirm-dead", host.name, "--why", "it burnt down")).exitCode === 0;
  await waitUntil("the host to be silent", confirm, { everyMs: 500, evidence: () => fleet.evidence() });
  const written = await writesOn(other);
  process.stdout.write(
    `confirmed dead: it writes elsewhere ${((performance.now() - startedAt) / 1000).toFixed(1)} s after the power was cut\n`,
  );
  await host.boot();
  settled = await fleet.settled(SETTLE_MS);
  for (const slot of ["primary/0", "backup/0"]) expect([slot, settled.get(slot)!.host]).toEqual([slot, former.get(slot)!.host]);
  expect([settled.get("single/0")!.host, settled.get("single/0")!.ip]).toEqual([other.name, former.get("single/0")!.ip]);
  expect((await ledgerOf("single/0")).slice(0, written.length)).toEqual(written);
  await hears(5);
  expectKept(await ledgerOf("primary/0"), await heardByBackup());
  // What each of the two moves left behind.
  const left = JSON.parse((await fleet.tell("get", "trash", "-o", "json")).stdout) as readonly TrashRow[];
  expect(left.map((entry) => `${entry.host} ${entry.set}`).sort()).toEqual([`${other.name} single`, `${host.name} single`].sort());
});
