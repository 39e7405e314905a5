import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import type { Volume } from "../../reconciler/core/desired.ts";
import type { StartRequest } from "../../reconciler/agent/ports.ts";
import { failure } from "../agent/docker/engine-fixture.ts";
import { container, instanceSpec, startRequest } from "../agent/docker/instance.ts";
import { FakePlugin } from "./fake-plugin.ts";
import { OwnDocker } from "./own-docker.ts";

const REF = { set: "web", index: 0, generation: 1 };
const NAME = "setpoint.test.web-0.data";

const docker = new OwnDocker();
const { engine } = docker;
const source = join(docker.folder, "source");
let plugin: FakePlugin;

beforeAll(async () => {
  mkdirSync(source);
  plugin = await FakePlugin.listen(`setpoint-test-${process.pid}`, join(docker.folder, "plugin"));
  await docker.start();
});
afterEach(async () => {
  plugin.hung = false;
  plugin.refusal = "";
  await docker.clear();
  // Only a person removes it.
  await docker.api.call({ method: "DELETE", path: `/volumes/${NAME}`, signal: soon() }).catch(() => undefined);
});
afterAll(async () => {
  await docker.close();
  await plugin.close();
});

function soon(): AbortSignal {
  return AbortSignal.timeout(60_000);
}

/** An Instance whose one volume is of this driver. */
function request(driver: string, options: Readonly<Record<string, string>>): StartRequest {
  const volume: Volume = { name: "data", kind: "docker", driver, options, shared: false };
  const mounts = [{ volume: "data", path: "/data", readOnly: false }];
  return startRequest(instanceSpec({ containers: [container("web", { mounts })], volumes: [volume] }));
}

const LOCAL = request("local", { device: source, o: "bind", type: "none" });

async function ask(script: string, generation = 1): Promise<string> {
  const app = (await engine.containersOf({ ...REF, generation }, soon())).find(({ role }) => role === "app")!;
  return (await engine.exec(app.id, ["/busybox", "sh", "-c", script], soon())).output.trim();
}

test("a volume of the driver with its options, the same for each generation, and never removed", async () => {
  writeFileSync(join(source, "file"), "from outside");
  await engine.startInstance(REF, LOCAL, soon());
  expect(await ask("/busybox cat /data/file; echo bytes > /data/kept")).toBe("from outside");
  expect(readFileSync(join(source, "kept"), "utf8")).toBe("bytes\n");
  expect(await docker.api.call({ method: "GET", path: `/volumes/${NAME}`, signal: soon() })).toMatchObject({
    Driver: "local",
    Options: { device: source, o: "bind", type: "none" },
    Labels: { "setpoint.fleet": "test", "setpoint.set": "web", "setpoint.index": "0", "setpoint.volume": "data" },
  });
  await engine.removeInstance(REF, soon());
  await engine.startInstance({ ...REF, generation: 2 }, LOCAL, soon());
  expect(await ask("/busybox cat /data/kept", 2)).toBe("bytes");
});

test("one that is there with another driver, other options or for someone else is not used, and not removed", async () => {
  await engine.startInstance(REF, LOCAL, soon());
  await engine.removeInstance(REF, soon());
  const other = request("local", { device: "/elsewhere", o: "bind", type: "none" });
  expect(await failure(engine.startInstance(REF, other, soon()))).toMatchObject({
    code: "volume-differs",
    retry: "permanent",
    message: expect.stringContaining(`the volume ${NAME} on a-1 has other options (device)`) as string,
  });
  expect(await failure(engine.startInstance(REF, request(plugin.name, {}), soon()))).toMatchObject({
    code: "volume-differs",
    message: expect.stringContaining(`is of the driver local, not ${plugin.name}`) as string,
  });
  await docker.api.call({ method: "DELETE", path: `/volumes/${NAME}`, signal: soon() });
  await docker.api.call({ method: "POST", path: "/volumes/create", body: { Name: NAME }, signal: soon() });
  expect(await failure(engine.startInstance(REF, LOCAL, soon()))).toMatchObject({ code: "not-ours", retry: "permanent" });
});

test("a plugin: made with its options, mounted at each start, unmounted at each stop", async () => {
  const spec = request(plugin.name, { size: "10G" });
  await engine.startInstance(REF, spec, soon());
  expect(plugin.volumes.get(NAME)).toEqual({ size: "10G" });
  expect(await ask("echo x > /data/file; /busybox ls /data")).toBe("file");
  expect(plugin.mounted).toBe(1);
  await engine.startInstance(REF, spec, soon());
  await engine.removeInstance(REF, soon());
  expect(plugin.mounted).toBe(0);
  expect(plugin.calls.filter((call) => call.endsWith(".Create"))).toHaveLength(1);
  expect(plugin.calls.filter((call) => call.endsWith(".Remove"))).toHaveLength(0);
  await docker.api.call({ method: "DELETE", path: `/volumes/${NAME}`, signal: soon() });
});

test("a volume that was made on another host of the same plugin is taken", async () => {
  plugin.scope = "global";
  plugin.volumes.set(NAME, { size: "10G" });
  await docker.restart();
  await engine.startInstance(REF, request(plugin.name, { size: "10G" }), soon());
  expect(await ask("echo bytes > /data/file; /busybox cat /data/file")).toBe("bytes");
  plugin.scope = "local";
});

test("what the plugin refuses is told in its own words; one that is not there, as that", async () => {
  plugin.refusal = "no block device is free";
  expect(await failure(engine.startInstance(REF, request(plugin.name, {}), soon()))).toMatchObject({
    code: "volume-driver-failed",
    retry: "transient",
    message: expect.stringContaining("no block device is free") as string,
  });
  expect(await failure(engine.startInstance(REF, request("setpoint-nowhere", {}), soon()))).toMatchObject({
    code: "volume-driver-missing",
    outcome: "refused",
    message: expect.stringContaining("setpoint-nowhere") as string,
  });
}, 90_000);

test("one that hangs delays what needs it, and nothing else on the host", async () => {
  const spec = request(plugin.name, { size: "1G" });
  await engine.startInstance(REF, spec, soon());
  plugin.hung = true;
  const stuck = failure(engine.startInstance({ ...REF, index: 1 }, spec, AbortSignal.timeout(8_000)));
  const other = { ...REF, set: "other" };
  const tmpfs: Volume = { name: "tmp", kind: "tmpfs" };
  const plain = startRequest(instanceSpec({ containers: [container("web")], volumes: [tmpfs], volumeBytes: { tmp: 2 ** 20 } }));
  await engine.startInstance(other, plain, AbortSignal.timeout(30_000));
  await engine.removeInstance(other, AbortSignal.timeout(15_000));
  expect(await stuck).toMatchObject({ code: expect.stringMatching(/^(volume-driver-failed|engine-timeout)$/) as string });
  plugin.hung = false;
  plugin.dropAll();
  rmSync(join(source, "file"), { force: true });
}, 90_000);
