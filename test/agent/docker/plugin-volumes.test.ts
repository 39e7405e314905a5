import { expect, test } from "vitest";
import type { StartRequest } from "../../../reconciler/agent/ports.ts";
import type { Volume } from "../../../reconciler/core/desired.ts";
import { APP, failure, INFRA, never, REF, useEngine } from "./engine-fixture.ts";
import { container, instanceSpec, startRequest } from "./instance.ts";

const NAME = "setpoint.test.web-3.data";
const OPTIONS = { o: "addr=10.0.0.9", type: "nfs" };
const LABELS = { "setpoint.fleet": "test", "setpoint.index": "3", "setpoint.set": "web", "setpoint.volume": "data" };

const fixture = useEngine();

function request(volumes: readonly Volume[], folders: StartRequest["volumes"] = new Map()): StartRequest {
  const mounts = volumes.map(({ name }) => ({ volume: name, path: `/${name}`, readOnly: false }));
  return startRequest(instanceSpec({ containers: [container("web", { mounts })], volumes }), { volumes: folders });
}

const NFS = request([{ name: "data", kind: "docker", driver: "local", options: OPTIONS, shared: true }]);

function mountsOf(name: string): readonly { readonly Target: string }[] {
  const mounts = fixture.fake.byName(name)!.body.HostConfig["Mounts"] as readonly { readonly Target: string }[];
  return mounts.filter(({ Target }) => Target !== "/etc/hosts");
}

test("a volume of the slot: made once, bound by name, made again by Docker itself if somebody removes it, and never removed by us", async () => {
  await fixture.engine.startInstance(REF, NFS, never());
  expect(fixture.fake.volumes.get(NAME)).toEqual({ Name: NAME, Driver: "local", DriverOpts: OPTIONS, Labels: LABELS });
  const VolumeOptions = { DriverConfig: { Name: "local", Options: OPTIONS }, Labels: LABELS };
  expect(mountsOf(APP)).toEqual([{ Type: "volume", Source: NAME, Target: "/data", ReadOnly: false, VolumeOptions }]);
  expect(mountsOf(INFRA)).toEqual([]);
  await fixture.engine.startInstance({ ...REF, generation: 3 }, NFS, never());
  await fixture.engine.removeInstance(REF, never());
  await fixture.engine.removeInstance({ ...REF, generation: 3 }, never());
  expect([...fixture.fake.volumes.keys()]).toEqual([NAME]);
  expect(fixture.fake.calls.filter(({ path }) => path === "/volumes/create")).toHaveLength(1);
});

test.each([
  [{ Driver: "nfs" }, "volume-differs", `the volume ${NAME} on a-1 is of the driver nfs, not local`],
  [{ Options: { ...OPTIONS, o: "addr=10.0.0.8,password=hunter2" } }, "volume-differs", "has other options (o)"],
  [{ Labels: null }, "not-ours", "belongs to someone else"],
])("one that is there otherwise is refused: %j", async (change, code, said) => {
  const found = { Driver: "local", Options: OPTIONS, Labels: LABELS, Scope: "local", ...change };
  fixture.fake.answer = ({ path }) => (path === `/volumes/${NAME}` ? { status: 200, body: found } : null);
  const error = await failure(fixture.engine.startInstance(REF, NFS, never()));
  expect(error).toMatchObject({ code, retry: "permanent", outcome: "refused", message: expect.stringContaining(said) as string });
  expect(error.message).not.toContain("hunter2");
  expect(fixture.fake.byName(INFRA)).toBeUndefined();
});

test("a plugin that is silent is told by name", async () => {
  fixture.fake.answer = ({ path }) => (path === "/volumes/create" ? "hang" : null);
  expect(await fixture.hung(fixture.engine.startInstance(REF, NFS, never()))).toMatchObject({
    code: "volume-driver-failed",
    message: expect.stringContaining(`Docker's volume plugin local did not answer for the volume ${NAME}`) as string,
  });
});

test("a plugin that Docker does not have is told as that, with what to do", async () => {
  const message = `create ${NAME}: error looking up volume plugin nfs: plugin "nfs" not found`;
  fixture.fake.answer = ({ path }) => (path === "/volumes/create" ? { status: 404, body: { message } } : null);
  expect(await failure(fixture.engine.startInstance(REF, NFS, never()))).toMatchObject({
    code: "volume-driver-missing",
    retry: "transient",
    outcome: "refused",
    message: expect.stringContaining(`${message}; install the plugin on that host and start it`) as string,
  });
});

test("folders are bound; files of the manifest can only be read", async () => {
  const volumes: Volume[] = [
    { name: "cache", kind: "dir" },
    { name: "etc", kind: "config", files: { a: "b" } },
  ];
  const folders = new Map([
    ["cache", "/host/cache/data"],
    ["etc", "/host/etc"],
  ]);
  await fixture.engine.startInstance(REF, request(volumes, folders), never());
  expect(mountsOf(APP)).toEqual([
    { Type: "bind", Source: "/host/cache/data", Target: "/cache", ReadOnly: false },
    { Type: "bind", Source: "/host/etc", Target: "/etc", ReadOnly: true },
  ]);
});
