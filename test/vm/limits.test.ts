import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { ContainerResources } from "../../reconciler/core/manifest-types.ts";
import type { HostSample } from "../../reconciler/core/samples.ts";
import type { TrashRow } from "../../reconciler/api/types.ts";
import type { Counters } from "../../reconciler/agent/sampler/counters.ts";
import { createFleet, type TestFleet, type WorldContainer } from "../hosts/fleet.ts";
import type { Look } from "../hosts/measure/conforms.ts";
import { formatMeasurements, type Measurement, measurement } from "../hosts/measure/measurement.ts";
import { IMAGES } from "../hosts/rig/images.ts";
import { waitUntil } from "../hosts/rig/wait.ts";
import { limitConforms } from "./conforms.ts";
import { ledgerWriter, parseLedger, readVolume } from "./ledger.ts";
import { addVolumeGroup, poolManifest, setManifest, VOLUME_GROUP } from "./lab.ts";
import type { VmHost } from "./rig/host.ts";
import { createVmRig, type VmRig } from "./rig/rig.ts";

const SETTLE_MS = 600_000;
const MIB = 2 ** 20;
const CPU_MILLIS = 200;
const MEMORY_BYTES = 48 * MIB;
const WRITE_BPS = 2 * MIB;
/** Times of failure that no delay of an overloaded machine reaches. */
const FAILURE = { suspectAfter: "20s", lostAfter: "10m", leaseFor: "9m" };

/** Where a machine has what measures there. */
const INSIDE = "/root/measure";
const ROOT = join(import.meta.dirname, "../..");
const INSIDE_SOURCES = ["package.json", "reconciler/agent", "reconciler/core", "test/hosts/measure", "test/vm/inside"];

let rig: VmRig;
let host: VmHost;
let fleet: TestFleet;
const rows: (readonly [string, Measurement | string])[] = [];

beforeAll(async () => {
  rig = await createVmRig({ hosts: ["a"] });
  host = rig.host("a");
  await addVolumeGroup(host);
  await host.unpack(["-C", ROOT, ...INSIDE_SOURCES], INSIDE);
  fleet = createFleet(rig, { "lab.yaml": labManifest("1d"), "growing.yaml": growing("1Gi") });
  await fleet.startReconciler();
});
afterAll(async () => {
  if (rows.length > 0) process.stdout.write(`Limits on cgroup v2, as required and as measured:\n${formatMeasurements(rows)}\n`);
  await fleet?.close();
  await rig?.close();
});

function labManifest(keepFor: string): string {
  return poolManifest("lab", rig.hosts, { vni: 42, cidr: "10.70.0.0/24", gateway: "10.70.0.1", failure: FAILURE, keepFor });
}

function growing(size: string): string {
  const volumes = [{ name: "data", lvm: { size } }];
  const mounts = [{ volume: "data", path: "/data" }];
  return setManifest("growing", { replicas: 1, volumes }, { image: IMAGES.sleeper, command: [...ledgerWriter], mounts });
}

/** What test/vm/inside/limits.ts measures on the machine. */
async function measure<Answer>(...words: readonly string[]): Promise<Answer> {
  const { stdout } = await host.exec(["node", `${INSIDE}/test/vm/inside/limits.ts`, ...words]);
  return JSON.parse(stdout) as Answer;
}

test("a volume grows under a writing process: no error, no restart", async () => {
  const { id } = (await fleet.settled(SETTLE_MS)).get("growing/0")!;
  const size = async (): Promise<number> => {
    const [blocks, bytes] = (await host.docker("exec", id, "stat", "-f", "-c", "%b %S", "/data")).split(" ");
    return (Number(blocks) * Number(bytes)) / MIB;
  };
  const life = (): Promise<string> => host.docker("inspect", "--format", "{{.State.Status}} {{.State.StartedAt}} {{.RestartCount}}", id);
  const ledger = async (): Promise<number> => parseLedger(await readVolume(host, "growing/0", "data", "ledger")).length;
  const before = { size: await size(), life: await life(), lines: await ledger() };
  const startedAt = performance.now();
  fleet.commit({ "growing.yaml": growing("2Gi") });
  await waitUntil("the file system to grow", async () => (await size()) > 1.9 * before.size, { evidence: () => fleet.evidence() });
  rows.push(["volume grown 1 -> 2 GiB, as its file system says", measurement(2 * before.size, await size(), "MiB")]);
  process.stdout.write(`grown after ${((performance.now() - startedAt) / 1000).toFixed(1)} s\n`);
  const settled = await fleet.settled(SETTLE_MS);
  await waitUntil("more lines", async () => (await ledger()) > before.lines + 10);
  expect([await life(), settled.get("growing/0")!.id]).toEqual([before.life, id]);
});

async function trash(): Promise<readonly TrashRow[]> {
  return JSON.parse((await fleet.tell("get", "trash", "-o", "json")).stdout) as readonly TrashRow[];
}

async function volumesOfGroup(): Promise<number> {
  return (await host.exec(["lvs", "--noheadings", VOLUME_GROUP])).stdout.split("\n").filter((line) => line.trim() !== "").length;
}

/** Waits until an entry is gone, also from the disk. */
async function isPurged(set: string): Promise<void> {
  const isGone = async (): Promise<boolean> => (await trash()).every((entry) => entry.set !== set);
  await waitUntil(`the data of ${set} to be purged`, isGone, { everyMs: 500, evidence: () => fleet.evidence() });
}

test("a Set deleted by a commit: its data waits in the trash and comes back with the same bytes; it is purged when somebody asks", async () => {
  const before = await readVolume(host, "growing/0", "data", "ledger");
  fleet.commit({ "growing.yaml": null });
  await fleet.settled(SETTLE_MS);
  const [entry, ...more] = await trash();
  expect(entry).toMatchObject({ host: "a", set: "growing", index: 0, volume: "data", kind: "lvm" });
  expect(more).toEqual([]);
  const restored = await fleet.tell("trash", "restore", entry!.id, "--why", "deleted by mistake");
  expect([restored.exitCode, restored.stderr]).toEqual([0, expect.any(String)]);
  fleet.commit({ "growing.yaml": growing("2Gi") });
  await fleet.settled(SETTLE_MS);
  await waitUntil("the writer to go on", async () => parseLedger(await readVolume(host, "growing/0", "data", "ledger")).length > 0);
  expect((await readVolume(host, "growing/0", "data", "ledger")).slice(0, before.length)).toBe(before);
  expect(await trash()).toEqual([]);
  fleet.commit({ "growing.yaml": null });
  await fleet.settled(SETTLE_MS);
  const [again] = await trash();
  expect([await volumesOfGroup(), again?.set]).toEqual([1, "growing"]);
  const purged = await fleet.tell("trash", "purge", again!.id, "--yes", "--why", "not needed any more");
  expect([purged.exitCode, purged.stderr]).toEqual([0, expect.any(String)]);
  await isPurged("growing");
  expect(await volumesOfGroup()).toBe(0);
});

test("limits hold on cgroup v2: CPU, memory, writes to the host's disk and to a volume; the agent's samples tell them", async () => {
  const of = (memory: string): ContainerResources => ({ cpu: { request: "10m" }, memory: { request: "8Mi", limit: memory } });
  const io = { ...of("64Mi"), io: { writeBps: WRITE_BPS } };
  const cpu = { ...of("32Mi"), cpu: { request: `${CPU_MILLIS}m`, limit: `${CPU_MILLIS}m` } };
  const side = { name: "side", image: IMAGES.sleeper };
  const mounts = [{ volume: "data", path: "/data" }];
  const volumes = [{ name: "data", lvm: { size: "512Mi" } }];
  fleet.commit({
    "busy.yaml": setManifest("busy", { replicas: 1 }, { image: IMAGES.busy, resources: cpu }),
    "hungry.yaml": setManifest("hungry", { replicas: 1 }, { name: "hog", image: IMAGES.sleeper, resources: of("48Mi") }, side),
    "writer.yaml": setManifest("writer", { replicas: 1, volumes }, { image: IMAGES.sleeper, resources: io, mounts }),
  });
  await fleet.settled(SETTLE_MS);
  const world = await fleet.world();
  const id = (name: string): string => world.find((container) => container.name === `setpoint.${name}`)!.id;
  await cpuHolds(id("busy-0.g1.app"));
  await memoryHolds(id("hungry-0.g1.hog"), world);
  await writesHold(id("writer-0.g1.app"));
  await samplesTell();
});

async function cpuHolds(id: string): Promise<void> {
  const look = async (): Promise<Look> => {
    const seen = await measure<{ readonly quota: Measurement; readonly heldBack: number; readonly counters: Counters }>(
      "cpu",
      id,
      String(CPU_MILLIS),
    );
    expect(seen.counters.throttledNs).toBeGreaterThan(10_000_000);
    return { figure: seen.quota, fair: seen.heldBack > 0.9 };
  };
  rows.push(["cpu quota", await limitConforms("cpu quota", look)]);
}

/** Who wants too much is killed; the container beside it in its Instance, and all others, run on. */
async function memoryHolds(id: string, world: readonly WorldContainer[]): Promise<void> {
  const ids = world.map((container) => container.id);
  const lives = (): Promise<string> => host.docker("inspect", "--format", "{{.Name}} {{.State.Pid}} {{.State.StartedAt}}", ...ids);
  const before = await lives();
  const { exitCode } = await host.exec(["docker", "exec", id, "sh", "-c", "x=0123456789abcdef; while :; do x=$x$x; done"], {
    anyExit: true,
  });
  expect(exitCode).toBe(137);
  const others = ids.filter((other) => other !== id);
  const { peak, killed } = await measure<{ readonly peak: Measurement; readonly killed: readonly string[] }>(
    "memory",
    id,
    String(MEMORY_BYTES),
    ...others,
  );
  rows.push(["memory limit, most ever used", peak]);
  expect(killed).toEqual([id]);
  expect(peak.measured).toBeLessThanOrEqual(MEMORY_BYTES);
  expect(peak.errorPercent).toBeGreaterThan(-5);
  expect(await lives()).toBe(before);
}

/** Direct writes: what is in memory first reaches the disk in somebody else's name. */
async function writesHold(id: string): Promise<void> {
  for (const [where, path] of [
    ["the host's disk", "/fill"],
    ["a volume", "/data/fill"],
  ] as const) {
    await host.docker("exec", "--detach", id, "dd", "if=/dev/zero", `of=${path}`, "bs=64k", "count=4000", "oflag=direct");
    const look = async (): Promise<Look> => ({ figure: await measure<Measurement>("io", id, String(WRITE_BPS)), fair: true });
    rows.push([`write throttle, ${where}`, await limitConforms(`writes to ${where}`, look)]);
    await host.docker("exec", id, "sh", "-c", "kill -9 $(pidof dd)");
  }
}

test("data in the trash is purged when its time is over, not before", async () => {
  fleet.commit({ "writer.yaml": null });
  await fleet.settled(SETTLE_MS);
  expect((await trash()).map(({ set }) => set)).toEqual(["writer"]);
  fleet.commit({ "lab.yaml": labManifest("1s") });
  await isPurged("writer");
  expect(await volumesOfGroup()).toBe(0);
});

/** What the agent reports each second, beside what the test made happen. */
async function samplesTell(): Promise<void> {
  const samples = await measure<readonly HostSample[]>("samples", "/run/setpoint/agent.sock", "4");
  const [first, last] = [samples[0]!, samples.at(-1)!];
  const seconds = (last.atMs - first.atMs) / 1000;
  expect(seconds).toBeGreaterThan(1);
  const counters = (sample: HostSample, set: string, name: string): Counters =>
    sample.instances.find((it) => it.set === set)!.containers.find((it) => it.name === name)!;
  const busy = (counters(last, "busy", "app").cpuNs - counters(first, "busy", "app").cpuNs) / 1e6 / seconds;
  rows.push(["cpu, as the agent samples it", measurement(CPU_MILLIS, busy, "millicores")]);
  expect(busy).toBeLessThan(1.1 * CPU_MILLIS);
  expect(busy).toBeGreaterThan(0);
  expect(counters(last, "hungry", "hog").oomKills).toBe(1);
  expect(counters(last, "hungry", "side").oomKills).toBe(0);
  expect(counters(last, "writer", "app").writtenBytes).toBeGreaterThan(4 * MIB);
  expect(counters(last, "hungry", "side").memoryBytes).toBeLessThan(8 * MIB);
}
