import { spawn } from "node:child_process";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { isStatic } from "../../../reconciler/agent/docker/infra-image.ts";
import { hasLimits, updateBody } from "../../../reconciler/agent/docker/limits.ts";
import { isProcessOf, memoryInUse, sharesNetwork } from "../../../reconciler/agent/docker/processes.ts";
import { APP, failure, INFRA, never, REF, useEngine } from "./engine-fixture.ts";
import { container, instanceSpec, NO_LIMITS, startRequest } from "./instance.ts";

const fixture = useEngine();
const web = container("web");
const side = container("side", { stopTimeoutMs: 9_000 });
const wire = (): Promise<void> => Promise.resolve();
const both = startRequest(instanceSpec({ containers: [web, side] }));

async function started(request = both): Promise<void> {
  await fixture.engine.startInstance(REF, request, never());
  fixture.fake.calls.length = 0;
}

function writes(): string[] {
  return fixture.fake.calls.filter(({ method }) => method !== "GET").map(({ method, path }) => `${method} ${path}`);
}

describe("stop", () => {
  test("ends app containers with their own timeouts, at most the grace, and infra last", async () => {
    await started();
    await fixture.engine.stopInstance(REF, 5_000, never());
    const stops = fixture.fake.calls.filter(({ path }) => path.endsWith("/stop")).map(({ path, query }) => `${path} ${query["t"]}`);
    expect(stops.slice(0, 2).sort()).toEqual(["/containers/id2/stop 2", "/containers/id3/stop 5"]);
    expect(stops.slice(2)).toEqual(["/containers/id1/stop 2"]);
    fixture.fake.calls.length = 0;
    await fixture.engine.stopInstance(REF, 5_000, never());
    expect(writes()).toEqual([]);
  });

  test("goes on when the hook fails", async () => {
    await started(startRequest(instanceSpec({ containers: [container("web", { preStop: ["/drain"] })] })));
    await fixture.engine.stopInstance(REF, 5_000, never());
    expect(writes()).toEqual(["POST /containers/id2/exec", "POST /containers/id2/stop", "POST /containers/id1/stop"]);
    expect(fixture.fake.calls.find(({ path }) => path.endsWith("/exec"))?.body).toMatchObject({ Cmd: ["/drain"] });
  });
});

describe("remove", () => {
  test("leaves nothing of the generation, and all of others", async () => {
    const spec = instanceSpec({ containers: [web], volumes: [{ name: "tmp", kind: "tmpfs" }], volumeBytes: { tmp: 4_096 } });
    await started(startRequest(spec));
    await fixture.engine.startInstance({ ...REF, generation: 3 }, startRequest(spec), never());
    await fixture.engine.startInstance({ ...REF, index: 33 }, startRequest(spec), never());
    await fixture.engine.removeInstance(REF, never());
    const names = [...fixture.fake.containers.values(), ...[...fixture.fake.volumes.values()].map(({ Name }) => ({ name: Name }))];
    expect(names.map(({ name }) => name).filter((name) => name.startsWith("setpoint.web-3.g2"))).toEqual([]);
    expect(names).toHaveLength(6);
    await fixture.engine.removeInstance(REF, never());
  });

  test("waits for a removal that is under way", async () => {
    await started();
    let asked = 0;
    fixture.fake.answer = ({ method, path }) => {
      if (method === "DELETE" && path === "/containers/id2") {
        return { status: 409, body: { message: "removal of container id2 is already in progress" } };
      }
      if (path === "/containers/id2/json" && ++asked > 2) fixture.fake.containers.delete("id2");
      return null;
    };
    await fixture.engine.removeInstance(REF, never());
    expect(asked).toBe(3);
    expect(fixture.fake.containers.size).toBe(0);
  });

  test("says so when a volume is still used", async () => {
    await started(startRequest(instanceSpec({ containers: [web], volumes: [{ name: "t", kind: "tmpfs" }], volumeBytes: { t: 1 } })));
    fixture.fake.answer = ({ method, path }) =>
      method === "DELETE" && path.startsWith("/volumes") ? { status: 409, body: { message: "remove t: volume is in use - [x]" } } : null;
    expect(await failure(fixture.engine.removeInstance(REF, never()))).toMatchObject({ code: "in-use" });
  });
});

describe("kill", () => {
  test("asks the engine, and takes a container that is dead already for killed", async () => {
    await started();
    fixture.fake.answer = ({ path }) => (path === "/containers/id2/kill" ? { status: 409, body: { message: "is not running" } } : null);
    await fixture.engine.killInstance(REF, never());
    expect(writes().sort()).toEqual(["POST /containers/id1/kill", "POST /containers/id2/kill", "POST /containers/id3/kill"]);
  });

  test("is done through the kernel when the engine hangs, and touches no process that is not the container's", async () => {
    await started();
    const sleeper = spawn("sleep", ["60"]);
    for (const { id, body } of fixture.fake.containers.values()) {
      mkdirSync(join(fixture.fake.folder, "containers", id), { recursive: true });
      const record = { State: { Pid: sleeper.pid }, Config: { Labels: body.Labels } };
      writeFileSync(join(fixture.fake.folder, "containers", id, "config.v2.json"), JSON.stringify(record));
    }
    fixture.fake.answer = () => "hang";
    await expect(fixture.hung(fixture.engine.killInstance(REF, never()))).rejects.toThrow("the step was done");
    expect(sleeper.exitCode ?? sleeper.signalCode).toBe(null);
    sleeper.kill("SIGKILL");
  });

  test("fails when neither engine nor its records tell what runs", async () => {
    fixture.fake.answer = () => "hang";
    expect(await fixture.hung(fixture.engine.killInstance(REF, never()))).toMatchObject({ code: "engine-timeout" });
  });
});

describe("replace", () => {
  const changed = startRequest(instanceSpec({ containers: [container("web", { image: "test/busybox:2" }), side] }));

  test("makes just that container anew", async () => {
    await started();
    fixture.fake.images.add("test/busybox:2");
    await fixture.engine.replaceContainers(REF, ["web"], changed, never());
    expect(fixture.fake.byName(APP)).toMatchObject({ id: "id4", status: "running", body: { Image: "test/busybox:2" } });
    expect([fixture.fake.byName(INFRA)?.id, fixture.fake.byName("setpoint.web-3.g2.side")?.id]).toEqual(["id1", "id3"]);
    fixture.fake.calls.length = 0;
    await fixture.engine.replaceContainers(REF, ["web"], changed, never());
    expect(writes()).toEqual(["POST /containers/create"]);
  });

  test("removes one that the spec no longer has", async () => {
    await started();
    await fixture.engine.replaceContainers(REF, ["side"], startRequest(instanceSpec({ containers: [web] })), never());
    expect(fixture.fake.byName("setpoint.web-3.g2.side")).toBeUndefined();
  });

  test("refuses where infra must be replaced too, where there is none, and without the image", async () => {
    expect(await failure(fixture.engine.replaceContainers(REF, ["web"], changed, never()))).toMatchObject({ code: "not-found" });
    await started();
    const other = startRequest(instanceSpec({ containers: [web, side], hostPorts: [80] }));
    expect(await failure(fixture.engine.replaceContainers(REF, ["web"], other, never()))).toMatchObject({ code: "infra-differs" });
    expect(await failure(fixture.engine.replaceContainers(REF, ["web"], changed, never()))).toMatchObject({ code: "not-ready" });
  });
});

describe("resume", () => {
  test("starts infra before the others, in launch order", async () => {
    await started();
    await fixture.engine.stopInstance(REF, 1_000, never());
    fixture.fake.calls.length = 0;
    await fixture.engine.resumeInstance(REF, wire, never());
    expect(writes()).toEqual(["POST /containers/id1/start", "POST /containers/id2/start", "POST /containers/id3/start"]);
    fixture.fake.calls.length = 0;
    await fixture.engine.resumeInstance(REF, wire, never());
    expect(writes()).toEqual([]);
  });

  test("restarts one whose network is not infra's", async () => {
    await started();
    fixture.fake.byName(APP)!.pid = 2 ** 22;
    await fixture.engine.resumeInstance(REF, wire, never());
    expect(writes()).toEqual(["POST /containers/id2/restart"]);
  });

  test("needs infra", async () => {
    expect(await failure(fixture.engine.resumeInstance(REF, wire, never()))).toMatchObject({ code: "not-found", outcome: "refused" });
  });
});

describe("limits", () => {
  const tight = { ...NO_LIMITS, cpuLimitMillis: 5, memoryLimitBytes: 4_096, swapBytes: 4_096, ioWeight: 100 };

  test("are changed where they differ, and taken away", async () => {
    await started();
    const wide = { ...tight, memoryLimitBytes: 2 ** 40 };
    await fixture.engine.updateLimits(REF, { web: wide, side: NO_LIMITS }, never());
    expect(writes()).toEqual(["POST /containers/id2/update"]);
    const update = fixture.fake.calls.find(({ path }) => path.endsWith("/update"))!;
    expect(update.body).toEqual({
      CpuShares: 102,
      CpuPeriod: 100_000,
      CpuQuota: 1_000,
      Memory: 2 ** 40,
      MemorySwap: 2 ** 40 + 4_096,
      BlkioWeight: 100,
    });
    fixture.fake.calls.length = 0;
    await fixture.engine.updateLimits(REF, { web: wide }, never());
    expect(writes()).toEqual([]);
    await fixture.engine.updateLimits(REF, { web: NO_LIMITS }, never());
    expect(fixture.fake.byName(APP)!.body.HostConfig).toMatchObject({
      CpuQuota: -1,
      Memory: 2 ** 52,
      MemorySwap: 2 ** 52,
      BlkioWeight: 500,
    });
  });

  test("below present use are refused, all of them", async () => {
    await started();
    const error = await failure(fixture.engine.updateLimits(REF, { side: { ...NO_LIMITS, cpuLimitMillis: 1 }, web: tight }, never()));
    expect(error).toMatchObject({ code: "below-use", outcome: "refused" });
    expect(error.message).toMatch(/^\d+ bytes of memory are in use by web, the new limit is 4096$/);
    expect(writes()).toEqual([]);
  });

  test("that the kernel refuses are below use, too", async () => {
    await started();
    const message = "Cannot update container x: runc did not terminate successfully: unable to set memory limit to 5 (current usage: 9)";
    fixture.fake.answer = ({ path }) => (path.endsWith("/update") ? { status: 500, body: { message } } : null);
    const wanted = { ...NO_LIMITS, memoryLimitBytes: 2 ** 40 };
    expect(await failure(fixture.engine.updateLimits(REF, { web: wanted }, never()))).toMatchObject({ code: "below-use" });
  });

  test("of a container that is not there are not found", async () => {
    expect(await failure(fixture.engine.updateLimits(REF, { web: NO_LIMITS }, never()))).toMatchObject({ code: "not-found" });
  });

  test("read back as what was asked for", () => {
    for (const limits of [NO_LIMITS, tight, { ...tight, memoryLimitBytes: null }]) expect(hasLimits(updateBody(limits), limits)).toBe(true);
    expect(hasLimits(updateBody(NO_LIMITS), tight)).toBe(false);
    expect(hasLimits(updateBody(tight), { ...tight, swapBytes: 0 })).toBe(false);
  });
});

describe("the kernel's word", () => {
  test("on processes", () => {
    expect([sharesNetwork(process.pid, process.pid), sharesNetwork(process.pid, 2 ** 22), sharesNetwork(0, 0)]).toEqual([
      true,
      false,
      false,
    ]);
    expect([isProcessOf(process.pid, "0123456789abcdef"), isProcessOf(0, ""), isProcessOf(2 ** 22, "x")]).toEqual([false, false, false]);
    expect([memoryInUse(process.pid) ?? 1, memoryInUse(2 ** 22)]).toEqual([expect.any(Number), null]);
  });
});

describe("the infra image", () => {
  test("takes only programs that need no library", () => {
    expect(isStatic(readFileSync(process.execPath))).toBe(false);
    expect(isStatic(Buffer.from("#!/bin/sh\n".repeat(10)))).toBe(false);
  });
});
