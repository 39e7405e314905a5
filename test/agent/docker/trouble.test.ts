import { rmSync } from "node:fs";
import { createServer } from "node:net";
import { describe, expect, test } from "vitest";
import { ApiError, connectionError, toStepError } from "../../../reconciler/agent/docker/api-error.ts";
import { createGate } from "../../../reconciler/agent/docker/gate.ts";
import type { StepError } from "../../../reconciler/agent/ports.ts";
import { ERRORS } from "../../../reconciler/core/errors/catalogue.ts";
import { failure, INFRA, never, REF, until, useEngine } from "./engine-fixture.ts";
import { container, instanceSpec, startRequest } from "./instance.ts";

const fixture = useEngine();
const plain = startRequest(instanceSpec({ containers: [container("web")] }));

describe("the engine's words", () => {
  test.each([
    [500, "write /var/lib/docker/x: no space left on device", "disk-full", "transient", "failed"],
    [500, "Bind for 0.0.0.0:80 failed: port is already allocated", "port-taken", "transient", "failed"],
    [
      500,
      "driver failed programming external connectivity on endpoint web: Error starting userland proxy: listen tcp4 0.0.0.0:80: bind: address already in use",
      "port-taken",
      "transient",
      "failed",
    ],
    [404, "No such image: shop/web:1", "not-ready", "transient", "refused"],
    [400, 'OCI runtime create failed: exec: "docker-init": executable file not found in $PATH', "no-capability", "permanent", "refused"],
    [
      500,
      "failed to create endpoint c1 on network setpoint: NetworkDriver.CreateEndpoint: no bridge br0",
      "network-failed",
      "transient",
      "failed",
    ],
    [404, "network setpoint not found", "network-failed", "transient", "failed"],
    [500, 'legacy plugin: plugin "setpoint" not found', "network-failed", "transient", "failed"],
    [
      400,
      'OCI runtime create failed: unable to start container process: exec: "/x": stat /x: no such file or directory',
      "cannot-run",
      "permanent",
      "failed",
    ],
    [400, 'exec: "web": executable file not found in $PATH', "cannot-run", "permanent", "failed"],
    [400, "unable to find user web: no matching entries in passwd file", "cannot-run", "permanent", "failed"],
    [400, "failed to set rlimit type 7: operation not permitted", "option-refused", "permanent", "failed"],
    [500, "open /proc/sys/net/ipv4/nope: no such file or directory", "option-refused", "permanent", "failed"],
    [400, 'invalid CapAdd: unknown capability: "CAP_NOPE"', "option-refused", "permanent", "failed"],
    [409, "remove v: volume is in use - [abc]", "in-use", "transient", "failed"],
    [500, "error while mounting volume '/v': VolumeDriver.Mount: no such device", "volume-driver-failed", "transient", "failed"],
    [500, "create v: volume plugin nfs refused v: permission denied", "volume-driver-failed", "transient", "failed"],
    [404, "No such container: abc", "not-found", "transient", "refused"],
    [400, "invalid hostname", "engine-failed", "permanent", "failed"],
    [500, "something new", "engine-failed", "transient", "failed"],
  ] as const)("%i %s", (status, message, code, retry, outcome) => {
    const error = toStepError(new ApiError(status, message), "start of web/3", (text) => text) as StepError;
    expect(error).toMatchObject({ code, retry, outcome, message: `start of web/3: ${message}` });
    expect(ERRORS).toHaveProperty(code);
  });

  test.each([
    ["ENOENT", "engine-unreachable"],
    ["ECONNREFUSED", "engine-unreachable"],
    ["EAGAIN", "engine-unreachable"],
    ["ECONNRESET", "engine-unreachable"],
    ["EACCES", "engine-permission"],
  ])("a socket that says %s", (errno, code) => {
    const error = connectionError(Object.assign(new Error(errno), { code: errno }), "/run/docker.sock") as StepError;
    expect(error).toMatchObject({ code, message: expect.stringContaining("/run/docker.sock") as string });
    expect(ERRORS).toHaveProperty(code);
  });
});

describe("an engine that does not answer", () => {
  test("ends each call at its deadline", async () => {
    fixture.fake.answer = ({ path }) => (path === "/containers/create" ? "hang" : null);
    const error = await fixture.hung(fixture.engine.startInstance(REF, plain, never()));
    expect(error).toMatchObject({ code: "engine-timeout", retry: "transient", outcome: "failed" });
    expect(error.message).toContain("POST /containers/create");
  });

  test("may carry a call out later; the next step finds that", async () => {
    let late: () => void = () => {};
    fixture.fake.answer = (call) => {
      if (call.path !== "/containers/create") return null;
      fixture.fake.answer = () => null;
      late = () => {
        const { Labels } = call.body as { Labels: Record<string, string> };
        fixture.fake.containers.set("late", { id: "late", name: INFRA, body: { Labels, HostConfig: {} }, status: "created", pid: 0 });
      };
      return "hang";
    };
    await fixture.hung(fixture.engine.startInstance(REF, plain, never()));
    late();
    await fixture.engine.startInstance(REF, plain, never());
    expect(fixture.fake.byName(INFRA)).toMatchObject({ id: "late", status: "running" });
    expect(fixture.fake.containers.size).toBe(2);
  });

  test("ends at the caller's deadline as at its own", async () => {
    fixture.fake.answer = () => "hang";
    expect(await failure(fixture.engine.inventory(AbortSignal.timeout(50)))).toMatchObject({ code: "engine-timeout" });
  });

  test("ends with the caller's own reason when that is another", async () => {
    fixture.fake.answer = () => "hang";
    const reason = new Error("the agent stops");
    const controller = new AbortController();
    setTimeout(() => controller.abort(reason), 20);
    await expect(fixture.engine.inventory(controller.signal)).rejects.toBe(reason);
  });

  test("answers a ping while all places are taken", async () => {
    fixture.fake.answer = ({ path }) => (path === "/_ping" || path === "/version" ? null : "hang");
    const stuck = Array.from({ length: 40 }, () => failure(fixture.engine.inventory(never())));
    await until(() => fixture.fake.hung === 16);
    await fixture.engine.ping(never());
    fixture.expire();
    expect(new Set((await Promise.all(stuck)).map(({ code }) => code))).toEqual(new Set(["engine-timeout"]));
  });

  test("fails its ping", async () => {
    fixture.fake.answer = () => "hang";
    expect(await fixture.hung(fixture.engine.ping(never()))).toMatchObject({ code: "engine-timeout" });
  });
});

describe("an engine that is not as it should be", () => {
  test("is too old", async () => {
    fixture.fake.version = { Version: "18.06.3", ApiVersion: "1.38", MinAPIVersion: "1.12" };
    const error = await failure(fixture.engine.facts(never()));
    expect(error).toMatchObject({ code: "engine-too-old", retry: "permanent", outcome: "refused" });
    expect(error.message).toContain("18.06.3 speaks API 1.38");
  });

  test("is not there", async () => {
    rmSync(fixture.fake.socketPath);
    const error = await failure(fixture.engine.inventory(never()));
    expect(error).toMatchObject({ code: "engine-unreachable", message: expect.stringContaining(fixture.fake.socketPath) as string });
  });

  test("closes the connection in the middle", async () => {
    fixture.fake.answer = ({ path }) => (path === "/containers/create" ? "drop" : null);
    expect(await failure(fixture.engine.startInstance(REF, plain, never()))).toMatchObject({ code: "engine-unreachable" });
  });

  test("is another one after a loss: its version is asked anew", async () => {
    await fixture.engine.inventory(never());
    fixture.fake.answer = ({ path }) => (path === "/containers/json" ? "drop" : null);
    await failure(fixture.engine.inventory(never()));
    fixture.fake.answer = () => null;
    fixture.fake.version = { Version: "29.0.0", ApiVersion: "1.52", MinAPIVersion: "1.44" };
    fixture.fake.calls.length = 0;
    await fixture.engine.inventory(never());
    expect(fixture.fake.calls.find(({ path }) => path === "/containers/json")?.version).toBe("1.44");
  });

  test("is no engine", async () => {
    const server = createServer((socket) => socket.on("error", () => {}).end("220 mail\r\n"));
    rmSync(fixture.fake.socketPath);
    await new Promise<void>((resolve) => {
      server.listen(fixture.fake.socketPath, resolve);
    });
    const error = await failure(fixture.engine.inventory(never()));
    expect(error).toMatchObject({ code: "engine-unreachable", message: expect.stringContaining("is no container engine") as string });
    server.close();
  });
});

describe("a gate", () => {
  test("lets so many through, in order, and refuses what finds the line full", async () => {
    const gate = createGate(2, 2);
    const order: string[] = [];
    const ends: (() => void)[] = [];
    const work = (name: string) => () => {
      order.push(name);
      return new Promise<void>((resolve) => {
        ends.push(resolve);
      });
    };
    const runs = ["a", "b", "c", "d"].map((name) => gate.run(never(), work(name)));
    await Promise.resolve();
    expect(order).toEqual(["a", "b"]);
    expect(await failure(gate.run(never(), work("e")))).toMatchObject({ code: "engine-busy", outcome: "refused" });
    for (let index = 0; index < 4; index++) {
      ends[index]!();
      await runs[index];
      await new Promise(setImmediate);
    }
    expect(order).toEqual(["a", "b", "c", "d"]);
  });

  test("frees the place of one that gave up waiting, and of one that failed", async () => {
    const gate = createGate(1, 1);
    const controller = new AbortController();
    const failing = gate.run(never(), () => Promise.reject(new Error("no")));
    const waiting = gate.run(controller.signal, () => Promise.resolve("never"));
    controller.abort(new Error("gone"));
    await expect(waiting).rejects.toThrow("gone");
    await expect(failing).rejects.toThrow("no");
    expect(await gate.run(never(), () => Promise.resolve("through"))).toBe("through");
  });
});
