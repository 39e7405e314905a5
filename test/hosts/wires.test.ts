import { afterAll, beforeAll, expect, test } from "vitest";
import { createFleet, inNetworkOf, type TestFleet, type WorldContainer } from "./fleet.ts";
import { bridgePool, setManifest } from "./manifests.ts";
import type { RigHost } from "./rig/host.ts";
import { IMAGES } from "./rig/images.ts";
import { createRig, type Rig } from "./rig/rig.ts";
import { waitUntil } from "./rig/wait.ts";

const SETTLE_MS = 120_000;
const REPAIR_MS = 30_000;
/** The default of a pool. */
const BRIDGE = "setpoint0";

let rig: Rig;
let host: RigHost;
let fleet: TestFleet;

/** Two Instances that the agent wires to Docker's bridge, and one that Docker does, since it publishes a port. */
function manifests(): Record<"pool.yaml" | "web.yaml" | "door.yaml", string> {
  const serving = (port: string): string =>
    `ports: [{ name: http, port: 8080${port} }]\nhealth: { http: { port: 8080 }, interval: 1s }\nlifecycle: { stopTimeout: 1s }`;
  return {
    "pool.yaml": bridgePool(rig),
    "web.yaml": setManifest("web", 2, IMAGES.web, serving("")),
    "door.yaml": setManifest("door", 1, IMAGES.web, serving(", hostPort: 8090")),
  };
}

beforeAll(async () => {
  rig = await createRig({ hosts: ["a"], docker: "plain", ovs: false });
  host = rig.host("a");
  await host.startAgent();
  fleet = createFleet(rig, manifests());
  await fleet.startReconciler();
});
afterAll(async () => {
  await fleet?.close();
  await rig?.close();
});

/** Infra containers by slot. */
async function infras(): Promise<ReadonlyMap<string, WorldContainer>> {
  const found = (await fleet.world()).filter(({ role }) => role === "infra");
  return new Map(found.map((container) => [container.slot, container]));
}

const GET = ["busybox", "timeout", "5", "busybox", "wget", "-q", "-O", "-"];

/** What a program of the host says in a container's network; empty when it fails. */
async function inside({ id }: WorldContainer, argv: readonly string[]): Promise<string> {
  return (await inNetworkOf(host, id, argv)).stdout;
}

async function reaches(from: WorldContainer, to: WorldContainer, deadlineMs = REPAIR_MS): Promise<void> {
  await waitUntil(
    `${from.slot} to reach ${to.slot}`,
    async () => (await inside(from, [...GET, `http://${to.ip}:8080/`])) === "hello from web\n",
    {
      deadlineMs,
      everyMs: 200,
      evidence: () => fleet.evidence(),
    },
  );
}

/** All reach each other, and the host's own port leads into the one that has it. */
async function allReachEachOther(): Promise<ReadonlyMap<string, WorldContainer>> {
  const apps = await fleet.settled(SETTLE_MS);
  const [one, two, door] = ["web/0", "web/1", "door/0"].map((slot) => apps.get(slot)!) as [WorldContainer, WorldContainer, WorldContainer];
  for (const [from, to] of [
    [one, two],
    [two, one],
    [one, door],
    [door, two],
  ] as const)
    await reaches(from, to);
  const page = await host.exec([...GET, "http://127.0.0.1:8090/"], { anyExit: true });
  expect(page.stdout).toBe("hello from web\n");
  return apps;
}

/** The one link of the host that leads into a slot's Instance. */
async function linkInto(container: WorldContainer): Promise<string> {
  const number = /eth0@if(\d+):/.exec(await inside(container, ["ip", "-o", "link", "show"]))![1]!;
  const links = (await host.exec(["ip", "-o", "link", "show"])).stdout;
  return new RegExp(`^${number}: ([^@:]+)`, "m").exec(links)![1]!;
}

async function startedAt({ id }: WorldContainer): Promise<string> {
  return await host.docker("inspect", "--format", "{{.State.StartedAt}}", id);
}

/** Ids by slot: of what was not made anew. */
function idsOf(apps: ReadonlyMap<string, WorldContainer>): string[] {
  return [...apps.values()].map(({ slot, id }) => `${slot} ${id}`).sort();
}

test("Instances wired by the agent and by Docker share one network, resolve their own names, and are told apart by nobody", async () => {
  const apps = await allReachEachOther();
  const infra = await infras();
  const mode = (slot: string): Promise<string> => host.docker("inspect", "--format", "{{.HostConfig.NetworkMode}}", infra.get(slot)!.id);
  expect([await mode("web/0"), await mode("door/0")]).toEqual(["none", "setpoint-setpoint"]);
  const web = apps.get("web/0")!;
  expect(await host.docker("exec", web.id, "/bin/cat", "/etc/hosts")).toContain(`${web.ip}\tweb-0`);
  expect(await inside(web, ["ip", "addr", "show", "eth0"])).not.toContain("inet6");
});

test("infra restarted by hand: the Instance is wired again, and its containers join it there", async () => {
  const before = await fleet.settled(SETTLE_MS);
  const started = await startedAt(before.get("web/0")!);
  await host.docker("restart", "--time", "0", (await infras()).get("web/0")!.id);
  // Until then it is in the network that infra left behind, where it still has its old wire.
  const isAgain = async (): Promise<boolean> => (await startedAt(before.get("web/0")!)) !== started;
  await waitUntil("its container to be started again", isAgain, { deadlineMs: REPAIR_MS, everyMs: 100 });
  expect(idsOf(await allReachEachOther())).toEqual(idsOf(before));
});

test("a link removed by hand is made again, without a container being touched", async () => {
  const before = await fleet.settled(SETTLE_MS);
  const [link, started] = [await linkInto(before.get("web/0")!), await startedAt(before.get("web/0")!)];
  await host.exec(["ip", "link", "del", link]);
  expect(idsOf(await allReachEachOther())).toEqual(idsOf(before));
  expect(await startedAt(before.get("web/0")!)).toBe(started);
  expect(await linkInto(before.get("web/0")!)).toBe(link);
});

test("Docker's network pruned, which sees nobody on it: the bridge comes back, and all are on it again", async () => {
  fleet.commit({ "door.yaml": null });
  const before = await fleet.settled(SETTLE_MS);
  await waitUntil("the published Instance to go", async () => (await infras()).size === 2, { deadlineMs: SETTLE_MS, everyMs: 200 });
  expect(await host.docker("network", "prune", "--force")).toContain("setpoint-setpoint");
  await reaches(before.get("web/0")!, before.get("web/1")!);
  expect((await host.exec(["ip", "-o", "-4", "addr", "show", BRIDGE])).stdout).toContain("10.70.0.1/24");
  fleet.commit({ "door.yaml": manifests()["door.yaml"] });
  await allReachEachOther();
});

test.each(["the daemon killed", "a reboot"])("%s: all come back with their addresses", async (what) => {
  const before = await fleet.settled(SETTLE_MS);
  const ips = [...before.values()].map(({ slot, ip }) => `${slot} ${ip}`).sort();
  if (what === "a reboot") {
    await host.powerCut();
    await host.boot();
  } else {
    await host.killDocker();
    await host.startDocker();
  }
  const after = await allReachEachOther();
  expect([...after.values()].map(({ slot, ip }) => `${slot} ${ip}`).sort()).toEqual(ips);
});

test("no file and no link is left of Instances that are gone", async () => {
  fleet.commit({ "web.yaml": null });
  await waitUntil("all web Instances to go", async () => (await infras()).size === 1, { deadlineMs: SETTLE_MS, everyMs: 200 });
  await fleet.settled(SETTLE_MS);
  expect((await host.exec(["ls", `${host.folder}/agent/engine/hosts`])).stdout).toBe("");
  expect((await host.exec(["ls", `/sys/class/net/${BRIDGE}/brif`])).stdout.split("\n").filter((name) => name.startsWith("sp"))).toEqual([]);
});
