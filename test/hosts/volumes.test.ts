import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { createFleet, type TestFleet, type WorldContainer } from "./fleet.ts";
import { bridgePool, setManifest } from "./manifests.ts";
import type { RigHost } from "./rig/host.ts";
import { IMAGES } from "./rig/images.ts";
import { createRig, type Rig } from "./rig/rig.ts";
import { waitFor, waitUntil } from "./rig/wait.ts";

const SETTLE_MS = 120_000;
const MIB = 2 ** 20;

let rig: Rig;
let host: RigHost;
let fleet: TestFleet;
/** Where the pool has its volumes of kind dir. */
let storage: string;

beforeAll(async () => {
  rig = await createRig({ hosts: ["a"], docker: "plain", ovs: false });
  host = rig.host("a");
  // Not where the rest of the host is: data does not belong in a folder for what does not last.
  storage = join("/srv", `setpoint-${basename(rig.folder)}`);
  await host.startAgent();
  fleet = createFleet(rig, { "pool.yaml": bridgePool(rig, `storage: { folder: ${storage} }`), "web.yaml": webSet("8Mi", "one") });
  await fleet.startReconciler();
});
afterAll(async () => {
  await fleet?.close();
  await rig?.close();
  rmSync(storage, { recursive: true, force: true });
});

/** Notes each start in its volume, as far as it may write there. */
function webSet(softLimit: string, text: string): string {
  const volumes = [
    `{ name: cache, dir: { softLimit: ${softLimit} } }`,
    `{ name: etc, config: { files: { app.conf: "text = ${text}" } } }`,
    `{ name: shared, docker: { driver: local, options: { type: none, o: bind, device: ${host.folder}/shared } } }`,
  ];
  const container = [
    "mounts: [{ volume: cache, path: /var/cache/app }, { volume: etc, path: /etc/app }, { volume: shared, path: /shared }]",
    'command: [/bin/sh, -c, "echo >> /var/cache/app/starts; exec sleep 1000000"]',
    "lifecycle: { stopTimeout: 1s }",
    "user: '1000'",
  ];
  return setManifest("web", 1, IMAGES.sleeper, container.join("\n"), `volumes: [${volumes.join(", ")}]`);
}

async function inside({ id }: WorldContainer, script: string): Promise<{ readonly exitCode: number; readonly said: string }> {
  const { exitCode, stdout, stderr } = await host.exec(["docker", "exec", id, "/bin/sh", "-c", script], { anyExit: true });
  return { exitCode, said: `${stdout}${stderr}`.trim() };
}

async function app(): Promise<WorldContainer> {
  return (await fleet.settled(SETTLE_MS)).get("web/0")!;
}

async function canWrite(container: WorldContainer): Promise<boolean> {
  return (await inside(container, "echo x > /var/cache/app/probe")).exitCode === 0;
}

async function untilWritable(container: WorldContainer, expected: boolean): Promise<void> {
  await waitUntil(`the volume to be ${expected ? "writable" : "read-only"}`, async () => (await canWrite(container)) === expected, {
    evidence: () => fleet.evidence(),
  });
}

test("a folder, files of the manifest and a volume of a plugin are there, for the container's user", async () => {
  const container = await waitForShared();
  expect(await inside(container, "cat /etc/app/app.conf; stat -c %u /var/cache/app; cat /shared/file")).toEqual({
    exitCode: 0,
    said: "text = one1000\nof the host",
  });
  expect((await inside(container, "echo x > /etc/app/app.conf")).said).toMatch(/Read-only file system|Permission denied/);
  expect(await canWrite(container)).toBe(true);
  expect(readFileSync(join(storage, "web/0/cache/data/probe"), "utf8")).toBe("x\n");
});

/** What the plugin needs is missing at first: that is told, and it goes on by itself. */
async function waitForShared(): Promise<WorldContainer> {
  await fleet.says(["explain", "web/0"], "volume-driver-failed", "setpoint.setpoint.web-0.shared");
  await host.exec(["mkdir", join(host.folder, "shared")]);
  writeFileSync(join(host.folder, "shared/file"), "of the host");
  return await app();
}

test("other texts recreate the container that reads them, and nothing else", async () => {
  const before = await fleet.world();
  fleet.commit({ "web.yaml": webSet("8Mi", "two") });
  const container = await app();
  expect((await inside(container, "cat /etc/app/app.conf; wc -l < /var/cache/app/starts")).said).toBe("text = two2");
  const infra = (all: readonly WorldContainer[]): string => all.find(({ role }) => role === "infra")!.id;
  expect(infra(await fleet.world())).toBe(infra(before));
});

test("over its limit the folder can only be read, also after a power cut from the first instruction on; more room gives the right back without a restart", async () => {
  const container = await app();
  expect((await inside(container, "dd if=/dev/zero of=/var/cache/app/big bs=1M count=9 2>&1")).exitCode).toBe(0);
  await untilWritable(container, false);
  expect(Number((await inside(container, "wc -c < /var/cache/app/big")).said)).toBe(9 * MIB);
  await host.killAgent();
  await host.startAgent();
  expect(await canWrite(container)).toBe(false);
  await host.powerCut();
  await host.boot();
  const after = await app();
  // It tried to note this start.
  expect((await inside(after, "wc -l < /var/cache/app/starts")).said).toBe("2");
  expect(await canWrite(after)).toBe(false);
  fleet.commit({ "web.yaml": webSet("32Mi", "two") });
  await untilWritable(after, true);
  expect((await app()).id).toBe(after.id);
});

test("somebody frees room on the host, and the containers can write again", async () => {
  const container = await app();
  fleet.commit({ "web.yaml": webSet("4Mi", "two") });
  await untilWritable(container, false);
  rmSync(join(storage, "web/0/cache/data/big"));
  await untilWritable(container, true);
  expect((await app()).id).toBe(container.id);
});

test("a Set that is removed leaves its folder in the trash and the plugin's volume where it is; files of the manifest go", async () => {
  fleet.commit({ "web.yaml": null });
  const entry = await waitFor("the folder to be in the trash", () => {
    const [found] = existsSync(join(storage, ".trash/setpoint")) ? readdirSync(join(storage, ".trash/setpoint")) : [];
    return Promise.resolve(found ?? null);
  });
  expect(readFileSync(join(storage, ".trash/setpoint", entry, "data/probe"), "utf8")).toBe("x\n");
  expect(existsSync(join(storage, "web"))).toBe(false);
  expect(await host.docker("volume", "ls", "-q")).toBe("setpoint.setpoint.web-0.shared");
  expect(readFileSync(join(host.folder, "shared/file"), "utf8")).toBe("of the host");
  await waitUntil("files of the config to be gone", async () => {
    const found = await host.exec(["find", host.folder, "-name", "app.conf"]);
    return found.stdout.trim() === "";
  });
});
