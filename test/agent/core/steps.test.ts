import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { WatchLine } from "../../../reconciler/core/agent-wire.ts";
import type { Action, InstanceSpec } from "../../../reconciler/core/plan.ts";
import { StepError } from "../../../reconciler/agent/ports.ts";
import { bringUpSteps, spec, step } from "../../sim/fixtures.ts";
import { Bench, codeOf, exclusiveSpec } from "./bench.ts";

let at: Bench;
beforeEach(async () => {
  at = await new Bench().begin();
});
afterEach(async () => {
  await at.end();
});

const PORT = { ip: "10.0.0.10", vlan: null, ingressBps: null, egressBps: null };
const next = spec({ version: "2" });
const larger = spec({ memoryGiB: 2 });

describe("steps of an agent", () => {
  it("brings an Instance up and reports it", async () => {
    await at.bringUp();
    expect(await at.codes(step("awaitHealthy", {}))).toEqual(["done"]);
    const seen = await at.observe();
    expect(seen).toMatchObject({
      host: "a-1",
      capabilities: ["cgroup", "docker", "ovs", "tc"],
      images: ["shop/web:1"],
      ports: [{ set: "web", index: 0, generation: 1, ip: "10.0.0.10" }],
      instances: [
        {
          set: "web",
          index: 0,
          generation: 1,
          phase: "running",
          healthy: true,
          ip: "10.0.0.10",
          specHash: spec().specHash,
          liveHash: "live-1",
          message: "",
        },
      ],
    });
    // Limits of the one app container were written after its start.
    expect(at.host.limited).toHaveLength(1);
  });

  it("is idempotent: every step of a life twice changes nothing the second time", async () => {
    const life = [
      ...bringUpSteps(spec()),
      step("awaitHealthy", {}),
      step("updateLive", { live: larger.live, liveHash: larger.liveHash, spec: larger }),
      step("replaceContainers", { containers: ["web"], spec: next }),
      step("awaitHealthy", {}),
      step("stopInstance", { graceMs: 1000 }),
      step("removeInstance", {}),
      step("confirmGone", {}),
      step("detachPort", {}),
    ];
    for (const action of life) {
      const first = await at.run(action);
      expect([action.kind, codeOf(first)]).toEqual([action.kind, "done"]);
      const before = await at.observe();
      expect([action.kind, before.version >= first.version]).toEqual([action.kind, true]);
      expect([action.kind, codeOf(await at.run(action))]).toEqual([action.kind, "done"]);
      expect([action.kind, (await at.observe()) === before]).toEqual([action.kind, true]);
    }
    expect(await at.observe()).toMatchObject({ instances: [], ports: [], floors: { "web/0": 2 } });
  });

  it.each<[string, string, (at: Bench) => Promise<Action> | Action]>([
    ["pull of an image nobody has", "failed image-not-found", () => step("pullImage", { image: "a/b:missing" })],
    ["start without a port", "refused not-ready", () => step("startInstance", { spec: spec(), ip: "10.0.0.10" })],
    [
      "start without its image",
      "refused not-ready",
      async (it) => {
        await it.codes(step("attachPort", PORT));
        return step("startInstance", { spec: spec({ image: "shop/web:9" }), ip: "10.0.0.10" });
      },
    ],
    [
      "start with a volume",
      "refused not-ready",
      async (it) => {
        await it.codes(step("attachPort", PORT));
        return step("startInstance", { spec: spec({ volume: true }), ip: "10.0.0.10" });
      },
    ],
    [
      "start beyond the memory there is",
      "refused no-capacity",
      async (it) => {
        await it.codes(step("attachPort", PORT));
        return step("startInstance", { spec: spec({ memoryGiB: 9 }), ip: "10.0.0.10" });
      },
    ],
    [
      "start of an older generation",
      "refused stale-generation",
      async (it) => {
        await it.bringUp(spec(), { generation: 5 });
        return step("startInstance", { spec: spec(), ip: "10.0.0.10" }, { generation: 4 });
      },
    ],
    [
      "port of an older generation",
      "refused stale-generation",
      async (it) => {
        await it.bringUp(spec(), { generation: 5 });
        return step("attachPort", PORT, { generation: 4 });
      },
    ],
    [
      "port while another generation's containers use it",
      "refused in-use",
      async (it) => {
        await it.bringUp();
        return step("attachPort", { ...PORT, ip: "10.0.0.50" }, { generation: 2 });
      },
    ],
    [
      "address of another slot's containers",
      "refused ip-in-use",
      async (it) => {
        await it.bringUp();
        return step("attachPort", PORT, { index: 1 });
      },
    ],
    [
      "exclusive start beside another generation",
      "refused in-use",
      async (it) => {
        await it.bringUp(exclusiveSpec());
        it.host.network.wires.set("web/0", { set: "web", index: 0, generation: 2, ...PORT });
        return step("startInstance", { spec: exclusiveSpec(), ip: "10.0.0.10" }, { generation: 2 });
      },
    ],
    ["health of nothing", "refused not-found", () => step("awaitHealthy", {})],
    ["update of nothing", "refused not-found", () => step("updateLive", { live: larger.live, liveHash: larger.liveHash, spec: larger })],
    ["replacement in nothing", "refused not-found", () => step("replaceContainers", { containers: ["web"], spec: next })],
    [
      "replacement with another infra",
      "refused infra-differs",
      async (it) => {
        await it.bringUp();
        return step("replaceContainers", { containers: ["web"], spec: { ...next, infraHash: "other" } });
      },
    ],
    [
      "replacement without the image",
      "refused not-ready",
      async (it) => {
        await it.bringUp();
        return step("replaceContainers", { containers: ["web"], spec: spec({ image: "shop/web:9" }) });
      },
    ],
    [
      "update beyond the memory there is",
      "refused no-capacity",
      async (it) => {
        await it.bringUp();
        const huge = spec({ memoryGiB: 9 });
        return step("updateLive", { live: huge.live, liveHash: huge.liveHash, spec: huge });
      },
    ],
    [
      "update below use",
      "refused below-use",
      async (it) => {
        await it.bringUp();
        it.host.engine.failNext = { call: "updateLimits", error: new StepError("below-use", "too low", { outcome: "refused" }) };
        return step("updateLive", { live: larger.live, liveHash: larger.liveHash, spec: larger });
      },
    ],
    ["confirmation while it runs", "failed still-there", async (it) => (await it.bringUp(), step("confirmGone", {}))],
    ["detaching while it runs", "refused in-use", async (it) => (await it.bringUp(), step("detachPort", {}))],
    ["detaching nothing", "done", () => step("detachPort", {})],
    [
      "detaching after a newer one attached",
      "done",
      async (it) => (await it.codes(step("attachPort", PORT, { generation: 3 })), step("detachPort", {})),
    ],
    ["stopping nothing", "done", () => step("stopInstance", { graceMs: 1 })],
    ["removing nothing", "done", () => step("removeInstance", {})],
    ["confirming nothing", "done", () => step("confirmGone", {})],
    ["a volume made", "refused no-capability", () => step("createVolume", { volume: "data", filesystem: "ext4", sizeBytes: 1 })],
    ["a volume grown", "refused not-found", () => step("growVolume", { volume: "data", sizeBytes: 1 })],
    ["a volume trashed", "done", () => step("trashVolume", { volume: "data", commit: "c", trashedAtMs: 5 })],
    ["a volume restored", "refused not-found", () => step("restoreVolume", { volume: "data", trashId: "x", trashedAtMs: 5 })],
    ["a volume purged", "done", () => step("purgeVolume", { trashId: "x", trashedAtMs: 5 })],
  ])("%s: %s", async (_, expected, prepare) => {
    const action = await prepare(at);
    expect(codeOf(await at.run(action))).toBe(expected);
  });

  it("waits for health, and says why it does not come", async () => {
    const checked = { ...spec() };
    const health = { probe: { kind: "tcp", port: 1 }, intervalMs: 1000, timeoutMs: 500, failures: 2, startPeriodMs: 0 } as const;
    const sick = { ...checked, template: { ...checked.template, containers: [{ ...checked.template.containers[0]!, health }] } };
    at.host.sick.set("web", "connection refused");
    await at.bringUp(sick);
    const result = await at.run(step("awaitHealthy", {}));
    expect(result).toMatchObject({ outcome: "failed", code: "unhealthy" });
    expect(result.message).toContain("the health check of web fails: connection refused");
    // The same containers are made anew when they are known to be sick, and left alone right after that.
    const heal = step("replaceContainers", { containers: ["web"], spec: sick });
    expect(await at.codes(heal, heal)).toEqual(["done", "done"]);
    expect(at.host.engine.calls.filter((call) => call.startsWith("replace"))).toHaveLength(1);
    at.host.sick.clear();
    expect(await at.codes(step("awaitHealthy", {}))).toEqual(["done"]);
  });

  it("says that an Instance crashed while its health was awaited", async () => {
    await at.bringUp();
    const waiting = at.agent.apply(step("awaitHealthy", {}));
    at.host.engine.crash({ set: "web", index: 0, generation: 1 }, { exitCode: 137, oom: true });
    expect(await at.until(waiting)).toMatchObject({ outcome: "failed", code: "crashed", message: "web exited with 137, out of memory" });
  });

  it("pulls an image once however many ask", async () => {
    const pulls = [1, 2, 3, 4].map((index) => at.agent.apply(step("pullImage", { image: "shop/db:1" }, { index })));
    expect((await at.until(Promise.all(pulls))).map(codeOf)).toEqual(["done", "done", "done", "done"]);
    expect(at.host.engine.calls).toEqual(["pull shop/db:1"]);
  });

  it("runs steps of one slot one after another and of different slots side by side, a bounded number at once", async () => {
    const ups = Array.from({ length: 40 }, (_, index) =>
      bringUpSteps(spec({ memoryGiB: 0.1 }), { index }).map((action) => at.agent.apply(action)),
    ).flat();
    expect(new Set((await at.until(Promise.all(ups))).map(codeOf))).toEqual(new Set(["done"]));
    expect(at.host.engine.running()).toHaveLength(40);
    expect(at.host.engine.mostAtOnce).toBe(16);
    // Each start is looked at once, and nothing makes the engine list all others.
    expect(at.host.engine.inventories).toBeLessThan(5);
    expect(at.host.engine.looks).toBeLessThanOrEqual(80);
  });

  it("tells those who watch ten times a second while much changes, and in the end of all of it", async () => {
    const lines: WatchLine[] = [];
    await at.watch(lines);
    const begunMs = at.clock.monotonic();
    const ups = Array.from({ length: 40 }, (_, index) =>
      bringUpSteps(spec({ memoryGiB: 0.1 }), { index }).map((action) => at.agent.apply(action)),
    ).flat();
    const versions = (await at.until(Promise.all(ups))).map(({ version }) => version);
    await at.pass(100);
    const reports = lines.flatMap((line) => (line.type === "observation" ? [line.observation] : []));
    expect(reports.length).toBeLessThanOrEqual((at.clock.monotonic() - begunMs) / 100 + 2);
    expect(reports.at(-1)!.version).toBeGreaterThanOrEqual(Math.max(...versions));
    expect(reports.at(-1)!.instances.filter(({ phase }) => phase === "running")).toHaveLength(40);
  });

  it("answers before the deadline when the engine hangs, and does not begin what waited too long", async () => {
    await at.codes(step("attachPort", PORT));
    at.host.engine.hung = true;
    const begunMs = at.clock.monotonic();
    const starts = [1, 2].map(() => at.agent.apply(step("startInstance", { spec: spec(), ip: "10.0.0.10" }, { deadlineMs: 5_000 })));
    const results = await at.until(Promise.all(starts));
    expect(results.map(codeOf)).toEqual(["failed engine-silent", "refused host-busy"]);
    expect(at.clock.monotonic() - begunMs).toBeLessThan(5_000);
    await at.pass(15_000);
    expect((await at.observe()).capabilities).not.toContain("docker");
    expect(await at.codes(step("startInstance", { spec: spec(), ip: "10.0.0.10" }))).toEqual(["refused no-capability"]);
    at.host.engine.wake();
    await at.pass(10_000);
    expect((await at.observe()).capabilities).toContain("docker");
    expect(await at.codes(step("startInstance", { spec: spec(), ip: "10.0.0.10" }))).toEqual(["done"]);
  });

  it("refuses limits it can't enforce, unless the pool takes hosts without", async () => {
    at.host.capabilities = [];
    at.host.network.drivers = ["ovs"];
    const limited = { ...spec(), live: { ...spec().live, containers: { web: { ...spec().live.containers["web"]!, readBps: 1e6 } } } };
    const port = step("attachPort", { ...PORT, ingressBps: 1e6 });
    const start = step("startInstance", { spec: limited, ip: "10.0.0.10" });
    expect(await at.codes(port)).toEqual(["refused no-capability"]);
    expect(await at.codes(step("attachPort", PORT), start)).toEqual(["done", "refused no-capability"]);
    await at.until(at.agent.configure({ ...at.agent.settings!, limits: "best-effort" }));
    expect(await at.codes(port, start)).toEqual(["done", "done"]);
  });

  it("does nothing on a network that could not be set up", async () => {
    at.host.network.applyFails = new Error("10.0.0.0/16 overlaps docker0");
    await at.until(at.agent.configure({ ...at.agent.settings!, network: { ...at.agent.settings!.network, mtu: 1400 } }));
    expect(await at.run(step("attachPort", PORT))).toMatchObject({
      code: "not-ready",
      message: expect.stringContaining("overlaps docker0") as string,
    });
  });

  it("asks the engine for nothing while a secret is missing, and starts when it is there", async () => {
    await at.codes(step("pullImage", { image: "shop/web:1" }), step("attachPort", PORT));
    const start = step("startInstance", { spec: secretSpec(), ip: "10.0.0.10" });
    expect(await at.run(start)).toMatchObject({
      outcome: "refused",
      code: "secret-missing",
      retry: "transient",
      message: "no db/password",
    });
    expect(at.host.engine.calls).not.toContain("start web/0@1");
    at.secrets.values.set("db/password", "x");
    expect(await at.codes(start)).toEqual(["done"]);
  });

  it("leaves a container as it is when its successor lacks a secret", async () => {
    await at.bringUp();
    const replace = step("replaceContainers", { containers: ["web"], spec: secretSpec("2") });
    expect(await at.codes(replace)).toEqual(["refused secret-missing"]);
    expect(at.host.engine.running()).toEqual(["web/0@1"]);
    expect(at.host.engine.calls.some((call) => call.startsWith("replace"))).toBe(false);
    expect((await at.observe()).instances[0]).toMatchObject({ specHash: spec().specHash, phase: "running" });
  });
});

/** The fixtures' Set with a variable from a secret. */
function secretSpec(version = "1"): InstanceSpec {
  const plain = spec({ version });
  const env = { DB: { as: "value", secret: "db", key: "password" } } as const;
  return { ...plain, template: { ...plain.template, containers: plain.template.containers.map((it) => ({ ...it, env })) } };
}
