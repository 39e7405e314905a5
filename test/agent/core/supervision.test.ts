import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { InstanceSpec } from "../../../reconciler/core/plan.ts";
import { spec, step } from "../../sim/fixtures.ts";
import { Bench, exclusiveSpec } from "./bench.ts";

let at: Bench;
beforeEach(async () => {
  at = await new Bench().begin();
});
afterEach(async () => {
  await at.end();
});

const WEB = { set: "web", index: 0, generation: 1 };

function resumes(): number {
  return at.host.engine.calls.filter((call) => call.startsWith("resume")).length;
}

async function instance(): Promise<{ phase: string; healthy: boolean; message: string }> {
  const { phase, healthy, message } = (await at.observe()).instances[0]!;
  return { phase, healthy, message };
}

/** A start that the engine carries out when nobody waits for it any more. */
function startLate(wanted: InstanceSpec): void {
  const rest = {
    fleet: "shop",
    taskId: "t",
    ip: "10.0.0.10",
    cpus: null,
    secrets: new Map(),
    volumes: new Map(),
    wire: () => Promise.resolve(),
  };
  void at.host.engine.startInstance(WEB, { ...rest, spec: wanted, endpoint: at.host.network.endpoint() });
}

describe("supervision", () => {
  it("starts what crashed again, each time later, and forgives after ten minutes", async () => {
    await at.bringUp();
    await at.pass(2_000);
    const delays: number[] = [];
    for (let crash = 0; crash < 4; crash++) {
      const before = resumes();
      at.host.engine.crash(WEB, { exitCode: 3 });
      await at.pass(100);
      expect(await instance()).toEqual({ phase: "failed", healthy: false, message: "web exited with 3" });
      const diedMs = at.clock.monotonic();
      while (resumes() === before) await at.pass(100);
      delays.push(Math.round((at.clock.monotonic() - diedMs) / 1000));
      await at.pass(500);
      expect((await instance()).phase).toBe("running");
    }
    expect(delays).toEqual([1, 2, 4, 8]);
    await at.clock.advance(601_000);
    await at.pass(100);
    at.host.engine.crash(WEB);
    await at.pass(1_300);
    expect(resumes()).toBe(5);
  });

  it("counts a container that keeps crashing as healthy only after a while", async () => {
    await at.bringUp();
    await at.pass(1_000);
    expect((await instance()).healthy).toBe(true);
    at.host.engine.crash(WEB);
    await at.pass(1_200);
    expect(await instance()).toMatchObject({ phase: "running", healthy: false });
    await at.pass(2_000);
    expect(await instance()).toMatchObject({ phase: "running", healthy: true });
  });

  it("calls an Instance stopped, not failed, that ended with its infra: the machine did it, however often it takes to come back", async () => {
    await at.bringUp();
    await at.pass(1_000);
    const phases = new Set<string>();
    at.host.engine.failNext = { call: "resumeInstance", error: new Error("network tools did not finish within 5 s") };
    at.host.engine.restart();
    for (let step = 0; step < 40; step++) {
      await at.pass(100);
      phases.add((await instance()).phase);
    }
    expect([...phases].sort()).toEqual(["running", "stopped"]);
    expect((await instance()).phase).toBe("running");
    expect(resumes()).toBe(2);
  });

  it("tells why an Instance can't be started again, and goes on trying", async () => {
    await at.bringUp();
    at.host.engine.failNext = { call: "resumeInstance", error: new Error("no space left on device") };
    at.host.engine.crash(WEB);
    await at.pass(1_500);
    expect((await instance()).message).toContain("could not be started again: no space left on device");
    await at.pass(3_000);
    expect(await instance()).toMatchObject({ phase: "running", message: "" });
  });

  it("starts everything that should run after the engine restarted, at once", async () => {
    for (const index of [0, 1, 2]) await at.bringUp(spec(), { index });
    await at.codes(step("stopInstance", { graceMs: 1 }, { index: 2 }));
    at.host.engine.restart();
    await at.pass(400);
    expect(at.host.engine.running()).toEqual(["web/0@1", "web/1@1"]);
  });

  it("starts a container again that runs in a network its infra left behind", async () => {
    await at.bringUp();
    await at.pass(1_000);
    const app = at.host.engine.of(WEB).find(({ role }) => role === "app")!;
    at.host.engine.containers.set(app.id, { ...app, stranded: true });
    at.host.engine.emit("started", app);
    await at.pass(1_500);
    expect(resumes()).toBe(1);
    expect(at.host.engine.of(WEB).map(({ stranded }) => stranded)).toEqual([false, false]);
    await at.pass(20_000);
    expect(resumes()).toBe(1);
  });

  it("wires an Instance again whose wire of our own somebody removed", async () => {
    at.host.network.byAgent = true;
    await at.bringUp();
    at.host.network.wired.add("web/0");
    await at.pass(1_000);
    expect(resumes()).toBe(0);
    at.host.network.wired.clear();
    const phases = new Set<string>();
    for (let look = 0; look < 400; look++) {
      await at.pass(50);
      phases.add((await instance()).phase);
    }
    // Nothing crashed, so it never says so.
    expect([...phases].sort()).toEqual(["running", "stopped"]);
    const infra = at.host.engine.of(WEB).find(({ role }) => role === "infra")!;
    expect(at.host.network.calls.at(-1)).toBe(`wire web/0@1 ${infra.pid}`);
    expect(resumes()).toBe(1);
  });

  it("leaves stopped what was stopped on purpose, over restarts of agent and machine", async () => {
    await at.bringUp();
    await at.codes(step("stopInstance", { graceMs: 1 }));
    await at.restart(() => at.host.reboot());
    await at.pass(70_000);
    expect(await instance()).toEqual({ phase: "stopped", healthy: false, message: "stopped as asked" });
    expect(at.host.engine.running()).toEqual([]);
    // Only a step starts it.
    expect(await at.codes(step("startInstance", { spec: spec(), ip: "10.0.0.10" }))).toEqual(["done"]);
  });

  it("finishes no start that a step could not", async () => {
    await at.codes(step("attachPort", { ip: "10.0.0.10", vlan: null, ingressBps: null, egressBps: null }));
    at.host.engine.failNext = { call: "startInstance", error: new Error("port is already allocated") };
    expect(await at.codes(step("startInstance", { spec: spec(), ip: "10.0.0.10" }))).toEqual(["failed step-trouble"]);
    await at.pass(30_000);
    expect(resumes()).toBe(0);
  });

  it("removes what an abandoned call brings back after it was removed", async () => {
    await at.bringUp();
    await at.codes(step("stopInstance", { graceMs: 1 }), step("removeInstance", {}), step("confirmGone", {}));
    startLate(spec());
    await at.pass(1_000);
    expect((await at.observe()).instances).toEqual([]);
    expect(at.host.engine.running()).toEqual([]);
  });

  it("keeps its Instances' identity in reports while only others change", async () => {
    for (const index of [0, 1]) await at.bringUp(spec(), { index });
    await at.pass(1_000);
    const before = await at.observe();
    at.host.engine.crash({ ...WEB, index: 1 });
    await at.pass(100);
    const after = await at.observe();
    expect(after.version).toBeGreaterThan(before.version);
    expect(after.instances[0]).toBe(before.instances[0]);
    expect(after.images).toBe(before.images);
    expect(after.instances[1]).not.toBe(before.instances[1]);
  });

  it("says within two seconds that the engine is gone, and nothing of one that is back at once", async () => {
    const die = (): void => {
      at.host.engine.down = true;
      at.host.engine.emit("lost");
    };
    await at.bringUp();
    die();
    await at.pass(500);
    at.host.engine.down = false;
    await at.pass(2_000);
    expect((await instance()).message).toBe("");
    die();
    await at.pass(1_900);
    expect((await instance()).message).toContain("the container engine can't be used");
    expect((await at.observe()).capabilities).not.toContain("docker");
    at.host.engine.down = false;
    await at.pass(1_900);
    expect((await instance()).message).toBe("");
  });

  it("says what it knows while the engine hangs, and counts nothing as gone", async () => {
    await at.bringUp();
    at.host.engine.hung = true;
    await at.pass(20_000);
    expect(await at.observe()).toMatchObject({ capabilities: ["cgroup", "ovs", "tc"], instances: [{ phase: "running" }] });
    expect((await instance()).message).toContain("the container engine can't be used");
    // Neither does an agent that starts meanwhile.
    await at.restart();
    expect(await at.observe()).toMatchObject({ instances: [{ phase: "running", healthy: false, specHash: spec().specHash }] });
    at.host.engine.wake();
    await at.pass(10_000);
    expect(await instance()).toEqual({ phase: "running", healthy: true, message: "" });
  });

  it("puts files of secrets back before it starts containers again", async () => {
    await at.bringUp();
    at.host.engine.crash(WEB);
    await at.pass(3_000);
    expect(at.secrets.calls).toContain("restore web/0@1");
    expect(at.host.engine.running()).toEqual(["web/0@1"]);
  });

  it("brings files of secrets up to date every few seconds, and keeps those of what is there", async () => {
    await at.bringUp();
    const before = at.secrets.calls.length;
    await at.pass(11_000);
    expect(at.secrets.calls.slice(before)).toEqual(["refresh 1", "refresh 1"]);
    expect(at.secrets.kept.map(({ set, index, generation }) => `${set}/${index}@${generation}`)).toContain("web/0@1");
    await at.codes(step("stopInstance", { graceMs: 1 }), step("removeInstance", {}));
    expect(at.secrets.kept).toEqual([]);
  });

  it("probes all containers a few at a time, on one timer", async () => {
    const health = {
      probe: { kind: "http", port: 80, path: "/" },
      intervalMs: 10_000,
      timeoutMs: 1000,
      failures: 3,
      startPeriodMs: 0,
    } as const;
    const checked = withHealth(health);
    for (let index = 0; index < 30; index++) await at.bringUp(checked, { index });
    // A new agent has them all to ask at once.
    await at.restart();
    await at.pass(10_000);
    expect((await at.observe()).instances.every((it) => it.healthy)).toBe(true);
    expect(at.host.mostProbesAtOnce).toBe(8);
    const before = at.host.probes;
    at.host.sick.set("web", "status 500");
    await at.pass(15_000);
    expect((await at.observe()).instances.every((it) => it.healthy)).toBe(true);
    await at.pass(16_000);
    expect((await at.observe()).instances.map((it) => it.message)).toEqual(
      Array.from({ length: 30 }, () => "the health check of web fails: status 500"),
    );
    expect(at.host.probes - before).toBeLessThanOrEqual(30 * 4);
  });
});

const LOST_TOUCH = "stopped: the host lost touch with its reconciler for longer than its lease";
const YEAR_MS = 365 * 86_400_000;

describe("the lease", () => {
  const lease = { leaseForMs: 15_000 };

  /** An exclusive Instance runs, and its reconciler was heard. */
  async function beginLeased(): Promise<void> {
    await at.until(at.agent.configure({ ...at.agent.settings!, ...lease }));
    await speak(1_000);
    await at.bringUp(exclusiveSpec());
  }

  /** Echoes each heartbeat for a while. */
  async function speak(forMs: number): Promise<void> {
    let beat: { boot: string; beat: number } | null = null;
    const stop = await at.until(
      at.agent.watch((line) => {
        if (line.type === "heartbeat") beat = { boot: line.boot, beat: line.beat };
      }),
    );
    for (let left = forMs; left > 0; left -= 500) {
      expect(at.agent.renewLease(beat!)).toBe(true);
      await at.pass(Math.min(500, left));
    }
    at.agent.renewLease(beat!);
    stop();
  }

  it("starts nothing exclusive before its reconciler was heard", async () => {
    await at.until(at.agent.configure({ ...at.agent.settings!, ...lease }));
    await expect(at.bringUp(exclusiveSpec())).rejects.toThrow("refused lease-over");
    await speak(1_000);
    await at.bringUp(exclusiveSpec());
  });

  it("ends exclusive Instances in time, others not, and leaves them so until a step comes", async () => {
    await beginLeased();
    await at.bringUp(spec(), { index: 1 });
    await speak(5_000);
    await at.pass(12_000);
    expect(at.host.engine.running()).toEqual(["web/0@1", "web/1@1"]);
    await at.pass(3_000);
    expect(at.host.engine.running()).toEqual(["web/1@1"]);
    expect(await instance()).toEqual({ phase: "fenced", healthy: false, message: LOST_TOUCH });
    await at.pass(60_000);
    await speak(5_000);
    expect(at.host.engine.running()).toEqual(["web/1@1"]);
    expect(await at.codes(step("startInstance", { spec: exclusiveSpec(), ip: "10.0.0.10" }))).toEqual(["done"]);
    expect((await instance()).phase).toBe("running");
  });

  it("kills through the kernel while the engine hangs, and again what a late call brings back", async () => {
    await beginLeased();
    at.host.engine.hung = true;
    await at.pass(16_000);
    expect(at.host.engine.running()).toEqual([]);
    startLate(exclusiveSpec());
    at.host.engine.wake();
    await at.pass(5_000);
    expect(at.host.engine.running()).toEqual([]);
    expect((await instance()).phase).toBe("fenced");
  });

  it("is not prolonged by a restart of the agent", async () => {
    await beginLeased();
    await speak(500);
    const spokeMs = at.clock.monotonic();
    await at.pass(8_000);
    await at.restart();
    while (at.host.engine.running().length > 0) await at.pass(100);
    expect(at.clock.monotonic() - spokeMs).toBeLessThanOrEqual(15_000);
    expect(at.clock.monotonic() - spokeMs).toBeGreaterThan(12_000);
  });

  it("is over after a boot of the machine: exclusive Instances wait, others start", async () => {
    await beginLeased();
    await at.bringUp(spec(), { index: 1 });
    await at.restart(() => at.host.reboot());
    await at.pass(10_000);
    expect(at.host.engine.running()).toEqual(["web/1@1"]);
    const message = "not started: the host did not hear its reconciler since it booted";
    expect(await instance()).toEqual({ phase: "fenced", healthy: false, message });
  });

  it("outlives the agent within its term: nothing is stopped, and the next echo prolongs it", async () => {
    await beginLeased();
    await speak(500);
    const calls = at.host.engine.calls.length;
    await at.until(at.agent.close());
    await at.pass(12_000);
    at.abandon();
    await at.pass(1_000);
    await speak(20_000);
    expect(at.host.engine.running()).toEqual(["web/0@1"]);
    expect(at.host.engine.calls.slice(calls)).toEqual([]);
    expect((await instance()).message).toBe("");
  });

  it("that ran out while there was no agent ends what runs as soon as there is one, and says why", async () => {
    await beginLeased();
    await at.until(at.agent.close());
    await at.pass(16_000);
    at.abandon();
    await at.pass(1_000);
    expect(at.host.engine.running()).toEqual([]);
    expect(await instance()).toEqual({ phase: "fenced", healthy: false, message: LOST_TOUCH });
  });

  it("does not depend on the wall clock, which may jump or be wrong by years", async () => {
    await beginLeased();
    for (const byMs of [10 * YEAR_MS, -20 * YEAR_MS]) {
      at.clock.jump(byMs);
      await speak(3_000);
      expect(at.host.engine.running()).toEqual(["web/0@1"]);
      expect((await instance()).healthy).toBe(true);
    }
    at.clock.jump(-YEAR_MS);
    await at.pass(16_000);
    expect(at.host.engine.running()).toEqual([]);
  });

  it("does not count an echo of another run, or of a heartbeat that was never sent", async () => {
    await at.until(at.agent.configure({ ...at.agent.settings!, ...lease }));
    expect(at.agent.renewLease({ boot: "other", beat: 1 })).toBe(false);
    expect(at.agent.renewLease({ boot: at.agent.boot, beat: 99 })).toBe(false);
  });
});

function withHealth(health: NonNullable<InstanceSpec["template"]["containers"][number]["health"]>): InstanceSpec {
  const plain = spec({ memoryGiB: 0.1 });
  return { ...plain, template: { ...plain.template, containers: [{ ...plain.template.containers[0]!, health }] } };
}
