import { readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from "vitest";
import type { OwnedContainer, Volumes } from "../../reconciler/agent/ports.ts";
import { createHostVolumes } from "../../reconciler/agent/volumes/host-volumes.ts";
import { volumeUsers } from "../../reconciler/agent/volumes/users.ts";
import type { InstanceRecord } from "../../reconciler/agent/state/agent-state.ts";
import { createSystemClock } from "../../reconciler/sys/clock.ts";
import { container, instanceSpec, startRequest } from "../agent/docker/instance.ts";
import { OwnDocker } from "./own-docker.ts";
import { waitUntil } from "./rig/wait.ts";

const MB = 2 ** 20;
const REF = { set: "web", index: 0, generation: 1 };
const VOLUME = { set: "web", index: 0, name: "data" };
const MOUNTS = [{ volume: "data", path: "/srv/data", readOnly: false }];
/** `web` and `side` may write; `view` may not, whatever the limit says. */
const SPEC = instanceSpec({
  containers: [
    container("web", { mounts: MOUNTS, user: "1000:1000" }),
    container("side", { mounts: MOUNTS, command: ["/busybox", "sh", "-c", "echo >> /srv/data/starts; exec /busybox sleep inf"] }),
    container("view", { mounts: [{ volume: "data", path: "/view", readOnly: true }] }),
  ],
  volumes: [{ name: "data", kind: "dir" }],
  volumeBytes: { data: 4 * MB },
});

const docker = new OwnDocker();
const { engine } = docker;
const top = join(docker.folder, "storage");
let volumes: Volumes;
let told: string[];

beforeAll(() => docker.start());
beforeEach(async () => {
  told = [];
  volumes = await openVolumes();
});
afterEach(async () => {
  await docker.clear();
  await volumes.trashVolume(VOLUME, { trashedAtMs: Date.now(), commit: "c", taskId: "t" }, soon());
  await volumes.close();
});
afterAll(() => docker.close());

function soon(): AbortSignal {
  return AbortSignal.timeout(60_000);
}

/** As a new run of the agent. */
async function openVolumes(): Promise<Volumes> {
  const log = {
    info: () => undefined,
    error: () => undefined,
    warn: (fields: object, text: string) => void told.push(`${text} ${JSON.stringify(fields)}`),
  };
  const owner = { fleet: "test", host: "a-1" };
  const opened = createHostVolumes({
    folder: join(docker.folder, "mounted"),
    stateFolder: join(docker.folder, "state"),
    pluginSocket: null,
    told: () => owner,
    clock: createSystemClock(),
    log,
  });
  await opened.apply({ volumeGroup: null, thinPool: null, folder: top }, soon());
  return opened;
}

async function members(): Promise<readonly OwnedContainer[]> {
  return await engine.containersOf(REF, soon());
}

/** As the agent does when it looked at the engine. */
async function follow(): Promise<void> {
  const record = { spec: SPEC } as unknown as InstanceRecord;
  volumes.follow(volumeUsers(await members(), new Map([["web/0@1", record]])));
}

/** The Instance runs, and the agent knows. */
async function start(): Promise<void> {
  await volumes.create({ ...VOLUME, filesystem: null, sizeBytes: 4 * MB }, soon());
  const paths = await volumes.mount(VOLUME, SPEC.template, true, soon());
  await engine.startInstance(REF, startRequest(SPEC, { volumes: paths }), soon());
  await follow();
}

/** What a shell in a container says, and its exit code. */
async function ask(name: string, script: string): Promise<{ readonly exitCode: number; readonly output: string }> {
  const app = (await members()).find((it) => it.container === name)!;
  return await engine.exec(app.id, ["/busybox", "sh", "-c", script], soon());
}

async function canWrite(name: string, path = "/srv/data"): Promise<boolean> {
  return (await ask(name, `echo x > ${path}/probe`)).exitCode === 0;
}

/** Fills the volume with so many MiB in a file that is closed after. */
async function fill(name: string, file: string, megabytes: number): Promise<void> {
  expect(await ask(name, `/busybox dd if=/dev/zero of=/srv/data/${file} bs=1M count=${megabytes} 2>&1`)).toMatchObject({ exitCode: 0 });
}

async function untilReadOnly(expected: boolean): Promise<void> {
  await waitUntil(`the volume is ${expected ? "read-only" : "writable"}`, async () => {
    const writable = [await canWrite("web"), await canWrite("side")];
    return writable.every((it) => it === !expected);
  });
}

test("over the limit no container can write; freed from the host, all can again, and those the manifest keeps from writing never can", async () => {
  await start();
  expect([await canWrite("web"), await canWrite("side"), await canWrite("view", "/view")]).toEqual([true, true, false]);
  expect(readFileSync(join(top, "web/0/data/data/probe"), "utf8")).toBe("x\n");
  await fill("web", "big", 5);
  await untilReadOnly(true);
  expect((await ask("web", "echo x > /srv/data/probe")).output).toContain("Read-only file system");
  expect((await ask("web", "/busybox wc -c < /srv/data/big")).output.trim()).toBe(String(5 * MB));
  const [volume] = volumes.volumes();
  expect(volume).toMatchObject({ ...VOLUME, kind: "dir", sizeBytes: 4 * MB, readOnly: true });
  expect(volume!.usedBytes).toBeGreaterThan(5 * MB - 1);
  await volumes.grow(VOLUME, 8 * MB, soon());
  await untilReadOnly(false);
  expect(await canWrite("view", "/view")).toBe(false);
  expect(told.filter((line) => line.includes("soft limit")).map((line) => line.split(" {")[0])).toEqual([
    "a volume is over its soft limit and read-only now",
    "a volume is below its soft limit and can be written to again",
  ]);
});

test("a container that starts while it is over can't write from its first instruction on, and can when it was freed", async () => {
  await start();
  await fill("web", "big", 5);
  await untilReadOnly(true);
  const [, side] = await members();
  await docker.api.call({ method: "POST", path: `/containers/${side!.id}/restart`, query: { t: "0" }, signal: soon() });
  expect((await ask("side", "/busybox wc -l < /srv/data/starts")).output.trim()).toBe("1");
  expect(await canWrite("side")).toBe(false);
  await follow();
  await volumes.grow(VOLUME, 8 * MB, soon());
  await untilReadOnly(false);
});

test("after a restart of the agent, and of Docker, it is as it was before the first container starts", async () => {
  await start();
  await fill("web", "big", 5);
  await untilReadOnly(true);
  await volumes.close();
  volumes = await openVolumes();
  expect(await canWrite("web")).toBe(false);
  await follow();
  await docker.restart();
  await volumes.mount(VOLUME, SPEC.template, true, soon());
  await engine.resumeInstance(REF, () => Promise.resolve(), soon());
  expect([await canWrite("web"), await canWrite("side")]).toEqual([false, false]);
  await follow();
  await volumes.grow(VOLUME, 8 * MB, soon());
  await untilReadOnly(false);
});

test("who keeps a file open for writing is told by name; as soon as it is closed the mount is read-only", async () => {
  await start();
  await ask("web", "(exec 3> /srv/data/held; exec /busybox sleep 1000) > /dev/null 2>&1 &");
  await fill("side", "big", 5);
  await waitUntil("it is told", () => Promise.resolve(volumes.volumes()[0]?.message !== undefined));
  expect(volumes.volumes()[0]).toMatchObject({
    readOnly: true,
    message: expect.stringMatching(/^container web: (busybox|sleep) \(pid \d+\) has \/srv\/data\/held open for writing$/) as string,
  });
  process.kill(Number(/pid (\d+)/.exec(volumes.volumes()[0]!.message!)![1]), "SIGKILL");
  await untilReadOnly(true);
  await waitUntil("nothing is told any more", () => Promise.resolve(volumes.volumes()[0]?.message === undefined));
});

test("a container can't have another of its mounts made writable by leading the path astray", async () => {
  await start();
  await fill("side", "big", 5);
  await untilReadOnly(true);
  // /srv/data now leads to what the manifest keeps read-only.
  expect(await ask("side", "/busybox mv /srv /elsewhere && /busybox mkdir /srv && /busybox ln -s /proc/sys /srv/data")).toMatchObject({
    exitCode: 0,
  });
  await ask("side", "/busybox rm /elsewhere/data/big");
  await volumes.grow(VOLUME, 8 * MB, soon());
  await waitUntil("the volume is writable", async () => await canWrite("side", "/elsewhere/data"));
  expect((await ask("side", "/busybox grep ' /proc/sys ' /proc/mounts")).output).toContain(" ro,");
  expect((await ask("view", "echo x > /view/probe")).exitCode).not.toBe(0);
});
