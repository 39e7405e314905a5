import { statSync } from "node:fs";
import { loadavg } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type CgroupLocator, createCgroupLocator } from "../../reconciler/agent/cgroup/locate.ts";
import { createFleet, inNetworkOf, type TestFleet, type WorldContainer } from "./fleet.ts";
import { poolManifest } from "./manifests.ts";
import { canThrottle, measureCpuQuota, measureIoThrottle, measureMemoryLimit, readCounters } from "./measure/container.ts";
import { formatMeasurements, type Measurement } from "./measure/measurement.ts";
import { measureRate } from "./measure/network.ts";
import { DOCKER_SOCKET, type RigHost } from "./rig/host.ts";
import { IMAGES } from "./rig/images.ts";
import { RIG_PATH, startInNamespaces } from "./rig/process.ts";
import { createRig, type Rig } from "./rig/rig.ts";
import { waitFor, waitUntil } from "./rig/wait.ts";

const MIB = 2 ** 20;
const SETTLE_MS = 120_000;
/** Small, so that a machine short of CPU reaches a multiple of them. */
const TO_BPS = 20e6;
const FROM_BPS = 10e6;
const CPU_MILLIS = 200;
const MEMORY_BYTES = 48 * MIB;
const WRITE_BPS = 2 * MIB;

const MOST_ERROR_PERCENT = 10;
const MOST_LOOKS = 8;
/** Two Instances without limits move this much of what the limit allows where the machine has time for it. */
const ENOUGH_TIMES = 3;

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

/** One look at a limit. `fair`: the machine had the time to use up what is allowed. */
interface Look {
  readonly figure: Measurement;
  readonly fair: boolean;
}

/**
 * Looks until the machine had time for it, and the figure is right. More than is allowed is wrong, however busy the machine is; a limit that
 * is too low is so in each look, and one that is too high shows in those that are fair.
 */
async function conforms(name: string, look: () => Promise<Look>): Promise<void> {
  const seen: string[] = [];
  for (let looks = 0; looks < MOST_LOOKS; looks++) {
    const { figure, fair } = await look();
    rows.set(name, figure);
    seen.push(`${figure.errorPercent.toFixed(1)} %${fair ? "" : " on a busy machine"}`);
    if (figure.errorPercent > MOST_ERROR_PERCENT) break;
    if (fair && figure.errorPercent >= -MOST_ERROR_PERCENT) return;
  }
  throw new Error(`${name}: off by ${seen.join(", ")}`);
}

test("what a manifest allows is what a container gets: rates, CPU, memory, writes", async () => {
  await rates();
  await cpu();
  await memory();
  await writes();
});

async function rates(): Promise<void> {
  const [server, peer, slow] = [
    container("setpoint.free-0.g1.app"),
    container("setpoint.free-1.g1.app"),
    container("setpoint.slow-0.g1.app"),
  ];
  const pid = await host.docker("inspect", "--format", "{{.State.Pid}}", server.id);
  const argv = ["nsenter", `--net=/proc/${pid}/ns/net`, "iperf3", "--server"];
  const iperf = await startInNamespaces(host.initPid, argv, { log: join(host.folder, "log/iperf3.log"), env: { PATH: RIG_PATH } });
  const rateOf = async (client: WorldContainer, requiredBps: number, direction: "from" | "to", seconds: number): Promise<Measurement> => {
    const run = async (argv: readonly string[]): Promise<string> => (await inNetworkOf(host, client.id, argv, 30_000)).stdout;
    const measure = (): Promise<Measurement> => measureRate(run, { server: server.ip, seconds, requiredBps, direction });
    return await waitFor(`iperf3 from ${client.slot}`, measure, { everyMs: 200 });
  };
  try {
    for (const [name, bps, direction] of [
      ["rate to an Instance", TO_BPS, "to"],
      ["rate from an Instance", FROM_BPS, "from"],
    ] as const) {
      await conforms(name, async () => {
        const before = await rateOf(peer, bps, direction, 1);
        const figure = await rateOf(slow, bps, direction, 2);
        const after = await rateOf(peer, bps, direction, 1);
        return { figure, fair: Math.min(before.measured, after.measured) >= ENOUGH_TIMES * bps };
      });
    }
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
