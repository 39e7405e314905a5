import { describe, expect, it } from "vitest";
import type { HostObservation } from "../../reconciler/core/observation.ts";
import { observe } from "../../reconciler/sim/host-state.ts";
import { createSimHosts } from "../../reconciler/sim/world.ts";
import { createVirtualClock } from "../../reconciler/sim/virtual-clock.ts";
import { bench, bringUpSteps, host, spec, step, type Bench, settings } from "./fixtures.ts";

async function bringUp(at: Bench, wanted = spec(), slot: Parameters<typeof bringUpSteps>[1] = {}): Promise<void> {
  for (const action of bringUpSteps(wanted, slot)) expect(await at.run(action)).toMatchObject({ outcome: "done" });
}

function phase(at: Bench, name = "a-1"): string | undefined {
  return observe(at.world.state(name)).instances[0]?.phase;
}

const never = new AbortController().signal;

describe("a simulated world behind its port", () => {
  it("pushes what changed, and heartbeats between", async () => {
    const at = await bench();
    expect(at.log.slice(0, 2)).toEqual(["a-1 observed", "a-1 heard"]);
    await bringUp(at);
    await at.clock.advance(100);
    expect(at.seen.get("a-1")?.instances).toMatchObject([{ phase: "running", healthy: true }]);
    const before = at.log.filter((line) => line === "a-1 observed").length;
    await at.clock.advance(10_000);
    expect(at.log.filter((line) => line === "a-1 observed")).toHaveLength(before);
    expect(at.log.filter((line) => line === "a-1 heard").length).toBeGreaterThan(10);
  });

  it("names in each result the version that contains the effect", async () => {
    const at = await bench();
    const result = await at.run(step("pullImage", { image: "shop/web:1" }));
    const fresh = await observeNow(at);
    expect(result).toMatchObject({ outcome: "done", version: fresh.version });
    expect(fresh.images).toEqual(["shop/web:1"]);
  });

  it("keeps the identity of what did not change", async () => {
    const at = await bench();
    await bringUp(at, spec(), { index: 0 });
    await at.clock.advance(1000);
    const before = at.seen.get("a-1")!;
    await bringUp(at, spec(), { index: 1 });
    await at.clock.advance(1000);
    const after = at.seen.get("a-1")!;
    expect(after).not.toBe(before);
    expect(after.instances[0]).toBe(before.instances[0]);
  });

  it("loses a crashed host after three heartbeats, and reports it again after the boot", async () => {
    const at = await bench();
    await bringUp(at);
    at.world.inject("a-1", { kind: "crash" });
    await at.clock.advance(5000);
    expect(at.log.at(-1)).toBe("a-1 lost: no heartbeat for 3 s");
    at.world.inject("a-1", { kind: "boot" });
    await at.clock.advance(3000);
    expect(at.seen.get("a-1")).toMatchObject({ boot: "a-1#2", instances: [{ phase: "running", healthy: true }] });
  });

  it("fails the open request of a crashed host and forgets the step", async () => {
    const at = await bench();
    const slow = at.run(step("pullImage", { image: "shop/web:slow" }));
    await at.clock.advance(1000);
    at.world.inject("a-1", { kind: "crash" });
    expect(await slow).toBeInstanceOf(Error);
    at.world.inject("a-1", { kind: "boot" });
    await at.clock.advance(120_000);
    expect(at.seen.get("a-1")?.images).toEqual([]);
  });

  it("carries out what a hung engine was asked after the hang, though nobody waits any more", async () => {
    const at = await bench();
    const giveUp = new AbortController();
    at.world.inject("a-1", { kind: "hang", forMs: 30_000 });
    const results = collect(at, giveUp.signal);
    await at.clock.advance(5000);
    giveUp.abort(new Error("too late"));
    await expect(results).rejects.toThrow("too late");
    expect(at.log.at(-1)).toBe("a-1 heard");
    await at.clock.advance(60_000);
    expect(at.seen.get("a-1")?.images).toEqual(["shop/web:1"]);
  });

  it("loses a reply after success", async () => {
    const at = await bench();
    at.world.inject("a-1", { kind: "loseReply", count: 1 });
    expect(await at.run(step("pullImage", { image: "shop/web:1" }))).toBeInstanceOf(Error);
    expect((await observeNow(at)).images).toEqual(["shop/web:1"]);
  });

  it("delivers twice without a second effect", async () => {
    const at = await bench();
    at.world.inject("a-1", { kind: "deliverTwice", count: 1 });
    await bringUp(at);
    await at.clock.advance(10_000);
    expect(at.seen.get("a-1")?.instances).toHaveLength(1);
  });

  it("refuses a late second delivery of a start after the removal", async () => {
    const at = await bench();
    await bringUp(at);
    at.world.inject("a-1", { kind: "deliverTwice", count: 1 });
    await at.run(bringUpSteps(spec()).at(-1)!);
    await at.run(step("removeInstance", {}));
    await at.clock.advance(10_000);
    expect(observe(at.world.state("a-1")).instances).toEqual([]);
  });

  it("begins a new run of versions when the agent restarts, and the containers go on", async () => {
    const at = await bench();
    await bringUp(at);
    at.world.inject("a-1", { kind: "restartAgent" });
    await at.clock.advance(5000);
    expect(at.log.filter((line) => line.startsWith("a-1 lost"))).toEqual(["a-1 lost: the agent closed the connection"]);
    expect(at.seen.get("a-1")).toMatchObject({ boot: "a-1#2", instances: [{ phase: "running", healthy: true }] });
  });

  it("crashes and fails health as the tags of its images say", async () => {
    const at = await bench();
    await bringUp(at, spec({ image: "x:crash" }), { index: 0 });
    await bringUp(at, spec({ image: "x:unhealthy" }), { index: 1 });
    await at.clock.advance(5000);
    expect(at.seen.get("a-1")?.instances).toMatchObject([
      { phase: "failed", healthy: false, message: "exited with 1 right after the start" },
      { phase: "running", healthy: false, message: "the health check fails: connection refused" },
    ]);
    expect(await at.run(step("awaitHealthy", {}, { index: 0 }))).toMatchObject({ outcome: "failed", code: "crashed" });
    expect(await at.run(step("awaitHealthy", {}, { index: 1 }))).toMatchObject({ outcome: "failed", code: "unhealthy" });
  });

  it("answers for hosts it does not have", async () => {
    const at = await bench();
    at.hosts.follow([{ name: "nowhere", agent: "sim", settings: settings("nowhere", null) }], {
      observed() {},
      heard() {},
      lost: (name, why) => at.log.push(`${name} ${why}`),
    });
    await at.clock.advance(1000);
    expect(at.log.at(-1)).toBe("nowhere the simulated world has no host nowhere");
    await expect(at.hosts.observe("a-1", never)).rejects.toThrow("a-1 is not among the hosts followed");
  });

  it("runs without latency at infinite speed", async () => {
    const clock = createVirtualClock(0);
    const hosts = createSimHosts({ clock, seed: 1, speed: Infinity });
    hosts.world.define([host("a-1")]);
    let seen: HostObservation | null = null;
    hosts.follow([{ name: "a-1", agent: "sim", settings: settings("a-1", null) }], {
      observed: (_, now) => void (seen = now),
      heard() {},
      lost() {},
    });
    await clock.advance(1);
    const results = hosts.apply("a-1", { actions: [step("pullImage", { image: "x:slow" })] }, never)[Symbol.asyncIterator]();
    const first = results.next();
    await clock.advance(1);
    expect(await first).toMatchObject({ value: { outcome: "done" } });
    expect(seen).toMatchObject({ images: ["x:slow"] });
    await hosts.close();
  });
});

describe("the lease", () => {
  const exclusive = spec({ volume: true });

  it.each(["both", "toHost", "fromHost"] as const)("fences exclusive Instances in time when the line is cut (%s)", async (direction) => {
    const at = await bench({ leaseForMs: 15_000 });
    await bringUp(at, exclusive);
    await at.clock.advance(5000);
    at.world.inject("a-1", { kind: "partition", direction, forMs: 60_000 });
    await at.clock.advance(12_000);
    expect(phase(at)).toBe("running");
    await at.clock.advance(3000);
    expect(phase(at)).toBe("fenced");
    await at.clock.advance(60_000);
    expect(await at.run(bringUpSteps(exclusive).at(-1)!)).toMatchObject({ outcome: "done" });
    expect(phase(at)).toBe("running");
  });

  it("fences when the reconciler is gone, also while the engine hangs, and leaves others alone", async () => {
    const at = await bench({ leaseForMs: 15_000 });
    await bringUp(at, exclusive, { index: 0 });
    await bringUp(at, spec(), { index: 1 });
    await at.hosts.close();
    at.world.inject("a-1", { kind: "hang", forMs: 600_000 });
    await at.clock.advance(20_000);
    expect(observe(at.world.state("a-1")).instances.map((instance) => instance.phase)).toEqual(["fenced", "running"]);
  });

  it("is not taken for granted after a boot, nor by a request that comes late", async () => {
    const at = await bench({ leaseForMs: 15_000 });
    await bringUp(at, exclusive);
    at.world.inject("a-1", { kind: "crash" });
    await at.clock.advance(1000);
    at.world.inject("a-1", { kind: "boot" });
    expect(phase(at)).toBe("fenced");
    await at.clock.advance(5000);
    expect(phase(at)).toBe("fenced");
  });

  it("refuses to start what must not run twice once it is over", async () => {
    const at = await bench({ leaseForMs: 10_000 });
    for (const action of bringUpSteps(exclusive).slice(0, -1)) await at.run(action);
    at.world.inject("a-1", { kind: "hang", forMs: 40_000 });
    const late = at.run(bringUpSteps(exclusive).at(-1)!);
    await at.clock.advance(500);
    at.world.inject("a-1", { kind: "partition", direction: "both", forMs: 600_000 });
    expect(await late).toBeInstanceOf(Error);
    await at.clock.advance(60_000);
    expect(phase(at)).toBeUndefined();
  });
});

async function observeNow(at: Bench): Promise<HostObservation> {
  const answer = at.hosts.observe("a-1", never);
  await at.clock.advance(1000);
  return answer;
}

async function collect(at: Bench, signal: AbortSignal): Promise<void> {
  for await (const result of at.hosts.apply("a-1", { actions: [step("pullImage", { image: "shop/web:1" })] }, signal)) {
    expect(result.outcome).toBe("done");
  }
}
