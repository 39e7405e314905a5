import { statSync } from "node:fs";
import { loadavg } from "node:os";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type CgroupLocator, createCgroupLocator } from "../../reconciler/agent/cgroup/locate.ts";
import { createFleet, type TestFleet, type WorldContainer } from "./fleet.ts";
import { poolManifest } from "./manifests.ts";
import { conforms as looksRight, type Look } from "./measure/conforms.ts";
import { canThrottle, measureCpuQuota, measureIoThrottle, measureMemoryLimit, readCounters } from "./measure/container.ts";
import { formatMeasurements, type Measurement } from "./measure/measurement.ts";
import { lookAtRate, startIperf } from "./measure/rate.ts";
import { DOCKER_SOCKET, type RigHost } from "./rig/host.ts";
import { IMAGES } from "./rig/images.ts";
import { createRig, type Rig } from "./rig/rig.ts";
import { waitUntil } from "./rig/wait.ts";

const MIB = 2 ** 20;
const SETTLE_MS = 120_000;
/** Small, so that a machine short of CPU reaches a multiple of them. */
const TO_BPS = 20e6;
const FROM_BPS = 10e6;
const CPU_MILLIS = 200;
const MEMORY_BYTES = 48 * MIB;
const WRITE_BPS = 2 * MIB;

let rig: Rig;
let host: RigHost;
let fleet: TestFleet;
let locator: CgroupLocator;
let world: readonly WorldContainer[];
const rows = new Map<string, Measurement | string>();

beforeAll(async () => {
  rig = await createRig({ hosts: ["a"], agents: true });
  host = rig.host("a");
  locator = createCgroupLocator({ parents: [host.cgroupParent] });
  fleet = createFleet(rig, {
    "pool.yaml": poolManifest(rig),
    "free.yaml": setOf("free", 2, [{ name: "app" }]),
    "slow.yaml": setOf("slow", 1, [{ name: "app" }], "network: { ingress: 20mbit, egress: 10mbit }"),
    "busy.yaml": setOf("busy", 1, [{ name: "app", image: IMAGES.busy, cpu: `request: ${CPU_MILLIS}m, limit: ${CPU_MILLIS}m` }]),
    "hungry.yaml": setOf("hungry", 2, [{ name: "hog", memory: `request: 16Mi, limit: ${MEMORY_BYTES / MIB}Mi` }, { name: "side" }]),
  });
  await fleet.startReconciler();
  await fleet.settled(SETTLE_MS);
  world = await fleet.world();
});
afterAll(async () => {
  const load = loadavg()[0]!.toFixed(1);
  process.stdout.write(`Limits, as required by manifests and as measured (load ${load}):\n${formatMeasurements([...rows])}\n`);
  await fleet?.close();
  await rig?.close();
});

interface ContainerLine {
  readonly name: string;
  readonly image?: string;
  readonly cpu?: string;
  readonly memory?: string;
  readonly io?: string;
}

function setOf(name: string, replicas: number, containers: readonly ContainerLine[], ofTemplate = ""): string {
  const lines = containers.map(({ name, image = IMAGES.sleeper, cpu = "request: 10m", memory = "request: 16Mi, limit: 64Mi", io = "" }) => {
    const resources = `cpu: { ${cpu} }, memory: { ${memory} }${io === "" ? "" : `, io: { ${io} }`}`;
    return `      - { name: ${name}, image: "${image}", resources: { ${resources} } }`;
  });
  return `apiVersion: setpoint/v1
kind: Set
metadata: { name: ${name} }
spec:
  pool: lab
  replicas: ${replicas}
  template:
    containers:
${lines.join("\n")}
    ${ofTemplate}
`;
}

function container(name: string): WorldContainer {
  const found = world.find((candidate) => candidate.name === name);
  if (found === undefined) throw new Error(`no container ${name}, only ${world.map((candidate) => candidate.name).join(", ")}`);
  return found;
}

/** As measure/conforms.ts says; the last look at it is shown in the table. */
async function conforms(name: string, look: () => Promise<Look>): Promise<void> {
  await looksRight(name, async () => {
    const seen = await look();
    rows.set(name, seen.figure);
    return seen;
  });
}

test("what a manifest allows is what a container gets: rates, CPU, memory, writes", async () => {
  await rates();
  await cpu();
  await memory();
  await writes();
});

async function rates(): Promise<void> {
  const [server, free, limited] = [
    container("setpoint.free-0.g1.app"),
    container("setpoint.free-1.g1.app"),
    container("setpoint.slow-0.g1.app"),
  ];
  const iperf = await startIperf(host, server.id);
  const lab = { host, server: server.ip, free: free.id, limited: limited.id };
  try {
    await conforms("rate to an Instance", () => lookAtRate(lab, TO_BPS, "to"));
    await conforms("rate from an Instance", () => lookAtRate(lab, FROM_BPS, "from"));
  } finally {
    await iperf.kill();
  }
}

async function cpu(): Promise<void> {
  const owner = { id: container("setpoint.busy-0.g1.app").id, pid: 0 };
  await conforms("cpu quota", async () => {
    const { quota, heldBack } = await measureCpuQuota(locator, owner, CPU_MILLIS, 3);
    return { figure: quota, fair: heldBack > 0.9 };
  });
  expect(readCounters(locator, owner).throttledNs).toBeGreaterThan(10_000_000);
}

/** Who wants too much is killed; the container beside it in its Instance, and all others, run on. */
async function memory(): Promise<void> {
  const hog = container("setpoint.hungry-0.g1.hog");
  const lives = (): Promise<string> =>
    host.docker("inspect", "--format", "{{.Name}} {{.State.Pid}} {{.State.StartedAt}}", ...world.map(({ id }) => id));
  const before = await lives();
  const script = "x=0123456789abcdef; while :; do x=$x$x; done";
  const exec = ["docker", "-H", `unix://${DOCKER_SOCKET}`, "exec", hog.id, "sh", "-c", script];
  expect((await host.exec(exec, { anyExit: true })).exitCode).toBe(137);
  const owners = Object.fromEntries(world.map(({ name, id }) => [name, { id, pid: 0 }]));
  const { peak, killed } = measureMemoryLimit(locator, owners, hog.name, MEMORY_BYTES);
  rows.set("memory limit", peak);
  expect(killed).toEqual([hog.name]);
  expect(peak.measured).toBeLessThanOrEqual(MEMORY_BYTES);
  expect(peak.errorPercent).toBeGreaterThan(-5);
  expect(await lives()).toBe(before);
  expect((await fleet.status()).instances).toEqual({ wanted: 6, ready: 6 });
}

/** Where the kernel can't hold writes back, a Set that asks for it is not started, and told why. */
async function writes(): Promise<void> {
  fleet.commit({ "writer.yaml": setOf("writer", 1, [{ name: "app", io: `writeBps: ${WRITE_BPS / MIB}Mi` }]) });
  // Numbers up to 255 are of file systems without a disk.
  const enforced = canThrottle(locator, { id: container("setpoint.busy-0.g1.app").id, pid: 0 }) && statSync(rig.folder).dev > 255;
  if (!enforced) {
    rows.set("write throttle", "not on this machine: its kernel has none, or there is no disk below Docker");
    return await fleet.says(["explain", "writer/0"], "1 without cgroup");
  }
  await fleet.settled(SETTLE_MS);
  world = await fleet.world();
  const { id } = container("setpoint.writer-0.g1.app");
  await host.docker("exec", "--detach", id, "dd", "if=/dev/zero", "of=/fill", "bs=64k", "count=3200", "oflag=direct");
  await waitUntil("the first write", () => readCounters(locator, { id, pid: 0 }).writtenBytes > 0);
  await conforms("write throttle", async () => ({ figure: await measureIoThrottle(locator, { id, pid: 0 }, WRITE_BPS, 3), fair: true }));
}
