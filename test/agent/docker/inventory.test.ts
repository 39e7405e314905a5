import { afterEach, describe, expect, test } from "vitest";
import { createDockerEngine } from "../../../reconciler/agent/docker/engine.ts";
import { referencesOf, pullQuery } from "../../../reconciler/agent/docker/image-reference.ts";
import type { EngineEvent } from "../../../reconciler/agent/ports.ts";
import { createSystemClock } from "../../../reconciler/sys/clock.ts";
import { APP, failure, INFRA, never, REF, until, useEngine } from "./engine-fixture.ts";
import { container, instanceSpec, startRequest } from "./instance.ts";

const fixture = useEngine();
const request = startRequest(instanceSpec({ containers: [container("web")], hostPorts: [80] }));
const stops: AbortController[] = [];

afterEach(() => {
  for (const stop of stops.splice(0)) stop.abort();
});

/** Reads events in the background, as the agent does. */
async function follow(): Promise<EngineEvent[]> {
  const stop = new AbortController();
  stops.push(stop);
  const seen: EngineEvent[] = [];
  void (async () => {
    for await (const event of fixture.engine.events(stop.signal)) seen.push(event);
  })();
  await until(() => seen.length > 0);
  return seen;
}

function containerEvent(Action: string, ID: string, fleet = "test"): unknown {
  return { Type: "container", Action, Actor: { ID, Attributes: { "setpoint.fleet": fleet, name: "x" } } };
}

async function callsOf(work: () => Promise<unknown>): Promise<string[]> {
  fixture.fake.calls.length = 0;
  await work();
  return fixture.fake.calls.map(({ method, path }) => `${method} ${path}`);
}

describe("inventory", () => {
  test("tells all that is on the labels, and whose the others are", async () => {
    await fixture.engine.startInstance(REF, request, never());
    for (const [id, Labels] of [
      ["x", {}],
      ["y", { "setpoint.fleet": "other" }],
    ] as const) {
      fixture.fake.containers.set(id, { id, name: `foreign-${id}`, body: { Labels, HostConfig: {} }, status: "running", pid: 1 });
    }
    const { containers, foreign, images } = await fixture.engine.inventory(never());
    const { specHash, infraHash, containerHashes, resources } = request.spec;
    const labels = {
      specHash,
      infraHash,
      taskId: request.taskId,
      ip: "10.9.0.7",
      exclusive: false,
      priority: "normal",
      hostPorts: [80],
      resources,
    };
    const both = {
      ...REF,
      state: "running",
      exitCode: null,
      oomKilled: false,
      pid: process.pid,
      startedAtMs: Date.UTC(2026, 0, 1),
      stranded: false,
      wiredByAgent: false,
    };
    expect(containers).toEqual([
      {
        ...both,
        id: "id1",
        role: "infra",
        container: "infra",
        wiredByAgent: true,
        hash: infraHash,
        labels: { ...labels, image: "test/busybox:1" },
      },
      { ...both, id: "id2", role: "app", container: "web", hash: containerHashes["web"], labels: { ...labels, image: "test/busybox:1" } },
    ]);
    expect(foreign).toEqual(["foreign-x", "foreign-y"]);
    expect(images).toEqual(["docker.io/test/busybox:1", "test/busybox:1"]);
  });

  test.each([
    ["created", "created", 0],
    ["exited", "exited", 0],
    ["dead", "exited", 0],
    ["removing", "exited", 0],
    ["paused", "running", process.pid],
  ])("reads %s as %s", async (status, state, pid) => {
    await fixture.engine.startInstance(REF, request, never());
    fixture.fake.byName(APP)!.status = status;
    const { containers } = await fixture.engine.inventory(never());
    expect(containers[1]).toMatchObject({ state, pid, exitCode: state === "exited" ? 0 : null });
  });

  test("leaves out a container that goes away meanwhile", async () => {
    await fixture.engine.startInstance(REF, request, never());
    fixture.fake.answer = ({ path }) => (path === "/containers/id2/json" ? { status: 404, body: { message: "No such container" } } : null);
    const { containers } = await fixture.engine.inventory(never());
    expect(containers.map(({ container }) => container)).toEqual(["infra"]);
  });

  test("counts a container with labels that nobody can read as foreign", async () => {
    await fixture.engine.startInstance(REF, request, never());
    fixture.fake.byName(APP)!.body.Labels["setpoint.resources"] = "{";
    delete fixture.fake.byName(INFRA)!.body.Labels["setpoint.role"];
    expect(await fixture.engine.inventory(never())).toMatchObject({ containers: [], foreign: [INFRA, APP].sort() });
  });

  test("goes by the fleet that the agent has now", async () => {
    const told = { fleet: "", host: "" };
    const { socketPath, folder } = fixture.fake;
    const parts = { socketPath, folder, clock: createSystemClock(), infraImage: "test/busybox:1" };
    const engine = createDockerEngine({
      ...parts,
      get fleet() {
        return told.fleet;
      },
      get host() {
        return told.host;
      },
    });
    await fixture.engine.startInstance(REF, request, never());
    expect(await engine.inventory(never())).toMatchObject({ containers: [], foreign: [INFRA, APP] });
    told.fleet = "test";
    expect((await engine.inventory(never())).containers).toHaveLength(2);
    engine.close();
  });

  test("believes the container, not the list, which shows the dead as alive for a moment", async () => {
    await fixture.engine.startInstance(REF, request, never());
    await follow();
    fixture.fake.answer = ({ path }) => {
      if (path !== "/containers/id2/json") return null;
      const State = { Status: "exited", Running: false, Pid: 0, ExitCode: 137, OOMKilled: true, StartedAt: "2026-01-01T00:00:00Z" };
      return { status: 200, body: { Id: "id2", Name: "x", State, Config: {}, HostConfig: {} } };
    };
    const { containers } = await fixture.engine.inventory(never());
    expect(containers[1]).toMatchObject({ state: "exited", exitCode: 137, oomKilled: true, pid: 0 });
    fixture.fake.answer = () => null;
    expect((await fixture.engine.inventory(never())).containers[1]).toMatchObject({ state: "running" });
  });

  test("is one call while nothing changes and events are heard", async () => {
    await fixture.engine.startInstance(REF, request, never());
    await follow();
    const first = await callsOf(() => fixture.engine.inventory(never()));
    expect(first.sort()).toEqual(["GET /containers/id1/json", "GET /containers/id2/json", "GET /containers/json", "GET /images/json"]);
    expect(await callsOf(() => fixture.engine.inventory(never()))).toEqual(["GET /containers/json"]);
    fixture.fake.emit(containerEvent("start", "id2"));
    fixture.fake.emit({ Type: "image", Action: "pull", Actor: { ID: "x", Attributes: {} } });
    await until(() => stops.length > 0);
    const after = await callsOf(async () => {
      await new Promise((resolve) => {
        setTimeout(resolve, 30);
      });
      await fixture.engine.inventory(never());
    });
    expect(after.sort()).toEqual(["GET /containers/id2/json", "GET /containers/json", "GET /images/json"]);
  });

  test("trusts nothing from before while no events are heard", async () => {
    await fixture.engine.startInstance(REF, request, never());
    await fixture.engine.inventory(never());
    expect(await callsOf(() => fixture.engine.inventory(never()))).toHaveLength(4);
  });
});

describe("events", () => {
  test("of our containers and of images come through, others do not", async () => {
    const seen = await follow();
    fixture.fake.emit(containerEvent("start", "a", "other"));
    fixture.fake.emit(containerEvent("create", "a"));
    for (const action of ["start", "die", "oom", "destroy"]) fixture.fake.emit(containerEvent(action, "a"));
    fixture.fake.emit({ Type: "image", Action: "untag", Actor: { ID: "x", Attributes: null } });
    await until(() => seen.length >= 6);
    expect(seen.map(({ kind, containerId }) => `${kind} ${containerId}`.trim())).toEqual([
      "restarted",
      "started a",
      "died a",
      "oom a",
      "destroyed a",
      "image",
    ]);
    const filters = JSON.parse(fixture.fake.calls.find(({ path }) => path === "/events")!.query["filters"]!) as unknown;
    expect(filters).toMatchObject({ type: ["container", "image"] });
  });

  test("say `lost`, and `restarted` when heard again", async () => {
    const seen = await follow();
    fixture.fake.dropAll();
    await until(() => seen.length >= 3);
    expect(seen.map(({ kind }) => kind)).toEqual(["restarted", "lost", "restarted"]);
    fixture.fake.emit(containerEvent("die", "b"));
    await until(() => seen.length >= 4);
  });

  test("end with the signal", async () => {
    await follow();
    expect(fixture.fake.listeners).toBe(1);
    stops[0]!.abort();
    await until(() => fixture.fake.listeners === 0);
  });
});

describe("pull", () => {
  test("asks no registry for what is here", async () => {
    expect(await callsOf(() => fixture.engine.pull("test/busybox:1", never()))).toEqual([
      "GET /version",
      "GET /images/test/busybox:1/json",
    ]);
  });

  test("reads the transfer to its end", async () => {
    await fixture.engine.pull("shop/web:1.4", never());
    expect(fixture.fake.calls.at(-1)).toMatchObject({ path: "/images/create", query: { fromImage: "shop/web", tag: "1.4" } });
    expect(fixture.fake.images).toContain("shop/web:1.4");
  });

  test.each([
    [404, "manifest for shop/web:1 not found: manifest unknown", "image-not-found", "permanent"],
    [404, "pull access denied for web, repository does not exist or may require 'docker login'", "image-not-found", "permanent"],
    [400, "invalid reference format", "image-not-found", "permanent"],
    [500, "Get https://r/v2/: unauthorized: authentication required", "registry-denied", "transient"],
    [500, "Get https://r/v2/: dial tcp: lookup r: no such host", "pull-failed", "transient"],
    [500, "Get https://r/v2/: net/http: request canceled (Client.Timeout exceeded while awaiting headers)", "pull-failed", "transient"],
    [500, "toomanyrequests: rate limit", "pull-failed", "transient"],
    [200, "write /data/x: no space left on device", "disk-full", "transient"],
    [200, "unexpected EOF", "pull-failed", "transient"],
  ])("%i %s", async (status, message, code, retry) => {
    fixture.fake.answer = ({ path }) => {
      if (path !== "/images/create") return null;
      return status === 200 ? { lines: [{ status: "Pulling" }, { error: message }] } : { status, body: { message } };
    };
    const error = await failure(fixture.engine.pull("shop/web:1", never()));
    expect(error).toMatchObject({ code, retry });
    expect(error.message).toContain("image shop/web:1");
  });
});

describe("image references", () => {
  test.each([
    ["nginx", "nginx", "latest"],
    ["nginx:1.25", "nginx", "1.25"],
    ["localhost:5000/shop/web", "localhost:5000/shop/web", "latest"],
    ["localhost:5000/shop/web:2", "localhost:5000/shop/web", "2"],
    ["r.example/web:1@sha256:abc", "r.example/web", "sha256:abc"],
    ["web@sha256:abc", "web", "sha256:abc"],
  ])("%s is pulled as %s, %s", (image, fromImage, tag) => expect(pullQuery(image)).toEqual({ fromImage, tag }));

  test("of an image are all by which a manifest may name it", () => {
    expect(referencesOf({ RepoTags: ["nginx:latest", "<none>:<none>"], RepoDigests: ["nginx@sha256:a", "<none>@<none>"] }).sort()).toEqual(
      ["nginx", "nginx:latest", "nginx@sha256:a", "nginx:latest@sha256:a"]
        .flatMap((name) => ["", "docker.io/", "library/", "docker.io/library/"].map((prefix) => prefix + name))
        .sort(),
    );
    expect(referencesOf({ RepoTags: ["r.example/web:1"], RepoDigests: null })).toEqual(["r.example/web:1"]);
    expect(referencesOf({ RepoTags: null, RepoDigests: null })).toEqual([]);
  });
});
