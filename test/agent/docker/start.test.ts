import { existsSync, readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { APP, failure, INFRA, never, REF, useEngine } from "./engine-fixture.ts";
import type { Endpoint } from "../../../reconciler/agent/ports.ts";
import type { FakeEngine, SeenCall } from "./fake-engine.ts";
import { container, instanceSpec, NO_LIMITS, NO_NETWORK, startRequest } from "./instance.ts";

const fixture = useEngine();
const plain = startRequest(instanceSpec({ containers: [container("web")] }));
const ON_NETWORK: Endpoint = { ...NO_NETWORK, networkMode: "setpoint" };
const HAPPY = ["POST /containers/create", "POST /containers/create", "POST /containers/id1/start", "POST /containers/id2/start"];

function created(fake: FakeEngine): SeenCall[] {
  return fake.calls.filter(({ path }) => path === "/containers/create");
}

describe("start on an empty host", () => {
  test("is one create and one start for each container, and no other call", async () => {
    await fixture.engine.startInstance(REF, { ...plain, endpoint: ON_NETWORK }, never());
    expect(fixture.fake.steps()).toEqual(HAPPY);
    expect(fixture.fake.calls.filter(({ path }) => path === "/version")).toHaveLength(1);
  });

  test("asks for exactly this", async () => {
    const limits = { ...NO_LIMITS, cpuLimitMillis: 1_500, memoryLimitBytes: 64 * 2 ** 20, swapBytes: 16 * 2 ** 20, ioWeight: 300 };
    const ports = [
      { name: "http", port: 80, protocol: "tcp" as const, hostPort: 8080 },
      { name: "inner", port: 81, protocol: "udp" as const, hostPort: null },
    ];
    const web = container("web", {
      args: ["-v"],
      env: { A: "1", B: "x=y" },
      user: "1000:1000",
      ports,
      preStop: ["/drain", "5"],
      stopTimeoutMs: 9_500,
      mounts: [{ volume: "cache", path: "/cache", readOnly: true }],
    });
    const spec = instanceSpec({
      containers: [web, container("side", { command: null })],
      limits: { web: limits },
      volumes: [{ name: "cache", kind: "tmpfs" }],
      volumeBytes: { cache: 4_194_304 },
      hostPorts: [8080],
    });
    const endpoint = {
      networkMode: "setpoint",
      settings: { DriverOpts: { ip: "10.9.0.7/24" } },
      publish: true,
      resolver: { nameservers: ["10.9.0.53"], search: ["lab.example"], options: ["ndots:2", "edns0"] },
    };
    await fixture.engine.startInstance(REF, startRequest(spec, { endpoint, cpus: "2-3" }), never());
    const sent = fixture.fake.calls.filter(({ body }) => body !== undefined).map(({ path, query, body }) => ({ path, query, body }));
    const text = JSON.stringify(sent, null, 2).replaceAll(fixture.fake.folder, "FOLDER");
    await expect(`${text}\n`).toMatchFileSnapshot("start.bodies.txt");
    const [{ Source }] = (created(fixture.fake)[0]!.body as { HostConfig: { Mounts: [{ Source: string }] } }).HostConfig.Mounts;
    expect(readFileSync(Source, "utf8")).toBe("nameserver 10.9.0.53\nsearch lab.example\noptions ndots:2 edns0\n");
  });

  test("speaks the API both know", async () => {
    fixture.fake.version = { Version: "29.0.0", ApiVersion: "1.52", MinAPIVersion: "1.44" };
    await fixture.engine.startInstance(REF, plain, never());
    expect(created(fixture.fake)[0]!.version).toBe("1.44");
  });

  test("binds the folders of volumes that are the host's, and infra holds none of them", async () => {
    const mounts = [{ volume: "data", path: "/var/lib/db", readOnly: false }];
    const spec = instanceSpec({
      containers: [{ ...container("web"), mounts }],
      volumes: [{ name: "data", kind: "lvm", filesystem: "ext4" }],
    });
    const volumes = new Map([["data", "/state/volumes/web/3/data/data"]]);
    await fixture.engine.startInstance(REF, startRequest(spec, { volumes }), never());
    const bodies = created(fixture.fake).map(({ body }) => (body as { HostConfig: { Mounts: unknown[] } }).HostConfig.Mounts);
    const atVolume = bodies.map((it) => it.filter((mount) => (mount as { Target: string }).Target === "/var/lib/db"));
    expect(atVolume).toEqual([[], [{ Type: "bind", Source: "/state/volumes/web/3/data/data", Target: "/var/lib/db", ReadOnly: false }]]);
  });
});

describe("start again", () => {
  test("changes nothing where all runs as asked", async () => {
    await fixture.engine.startInstance(REF, plain, never());
    fixture.fake.calls.length = 0;
    await fixture.engine.startInstance(REF, plain, never());
    expect(fixture.fake.calls.filter(({ method }) => method !== "GET").map(({ path }) => path)).toEqual([
      "/containers/create",
      "/containers/create",
    ]);
    expect(fixture.fake.containers.size).toBe(2);
  });

  test.each([0, 1, 2, 3])("goes on after %i calls of a start that was cut off", async (done) => {
    let left = done;
    fixture.fake.answer = ({ method }) => (method === "POST" && left-- <= 0 ? { status: 500, body: { message: "cut off" } } : null);
    expect(await failure(fixture.engine.startInstance(REF, plain, never()))).toMatchObject({ code: "engine-failed", retry: "transient" });
    fixture.fake.answer = () => null;
    await fixture.engine.startInstance(REF, plain, never());
    expect([INFRA, APP].map((name) => fixture.fake.byName(name)?.status)).toEqual(["running", "running"]);
    expect(fixture.fake.containers.size).toBe(2);
  });

  test("replaces what was made from something else", async () => {
    await fixture.engine.startInstance(REF, plain, never());
    const spec = instanceSpec({ containers: [container("web", { env: { A: "2" } })] });
    await fixture.engine.startInstance(REF, startRequest(spec), never());
    expect(fixture.fake.byName(INFRA)?.id).toBe("id1");
    expect(fixture.fake.byName(APP)).toMatchObject({ status: "running", body: { Env: ["A=2"] } });
    expect(fixture.fake.byName(APP)?.id).not.toBe("id2");
  });

  test("makes app containers anew when infra was lost, since they are in its network", async () => {
    await fixture.engine.startInstance(REF, plain, never());
    fixture.fake.containers.delete("id1");
    await fixture.engine.startInstance(REF, plain, never());
    const infra = fixture.fake.byName(INFRA)!;
    expect(fixture.fake.byName(APP)).toMatchObject({ status: "running", body: { HostConfig: { NetworkMode: `container:${infra.id}` } } });
    expect(fixture.fake.containers.size).toBe(2);
  });

  test("restarts an app container when infra had to be started", async () => {
    await fixture.engine.startInstance(REF, plain, never());
    fixture.fake.containers.get("id1")!.status = "exited";
    fixture.fake.calls.length = 0;
    await fixture.engine.startInstance(REF, plain, never());
    const acts = fixture.fake.calls.filter(({ method, path }) => method === "POST" && path !== "/containers/create");
    expect(acts.map(({ path }) => path)).toEqual(["/containers/id1/start", "/containers/id2/restart"]);
  });

  test("brings other limits of an existing container up to date", async () => {
    await fixture.engine.startInstance(REF, plain, never());
    const spec = instanceSpec({ containers: [container("web")], limits: { web: { ...NO_LIMITS, memoryLimitBytes: 2 ** 30 } } });
    await fixture.engine.startInstance(REF, startRequest(spec), never());
    expect(fixture.fake.byName(APP)?.body.HostConfig).toMatchObject({ Memory: 2 ** 30, MemorySwap: 2 ** 30 });
  });

  test("removes a container that the spec no longer has", async () => {
    const two = instanceSpec({ containers: [container("web"), container("old")] });
    await fixture.engine.startInstance(REF, startRequest(two), never());
    await fixture.engine.startInstance(REF, plain, never());
    expect([...fixture.fake.containers.values()].map(({ name }) => name)).toEqual([INFRA, APP]);
  });
});

describe("what is not ours", () => {
  test.each([{}, { "setpoint.fleet": "other" }, { "setpoint.fleet": "test" }])("is never touched: %j", async (Labels) => {
    fixture.fake.containers.set("x", { id: "x", name: APP, body: { Labels, HostConfig: {} }, status: "running", pid: 1 });
    const error = await failure(fixture.engine.startInstance(REF, plain, never()));
    expect(error).toMatchObject({ code: "not-ours", retry: "permanent", outcome: "refused" });
    expect(error.message).toContain(APP);
    for (const step of [
      fixture.engine.stopInstance(REF, 1_000, never()),
      fixture.engine.removeInstance(REF, never()),
      fixture.engine.killInstance(REF, never()),
    ]) {
      await step;
    }
    const writes = fixture.fake.calls.filter(({ method, path }) => method !== "GET" && /\/containers\/(x|setpoint)/.test(path));
    expect(writes).toEqual([]);
    expect(fixture.fake.containers.has("x")).toBe(true);
  });

  test("is a volume of our name, too", async () => {
    fixture.fake.volumes.set("setpoint.web-3.g2.tmp", { Name: "setpoint.web-3.g2.tmp", Labels: {} });
    const spec = instanceSpec({ containers: [container("web")], volumes: [{ name: "tmp", kind: "tmpfs" }], volumeBytes: { tmp: 1 } });
    expect(await failure(fixture.engine.startInstance(REF, startRequest(spec), never()))).toMatchObject({ code: "not-ours" });
  });
});

test("no file is written where Docker's own name servers are used", async () => {
  await fixture.engine.startInstance(REF, startRequest(plain.spec, { endpoint: NO_NETWORK }), never());
  expect(existsSync(`${fixture.fake.folder}/resolv`)).toBe(false);
});
