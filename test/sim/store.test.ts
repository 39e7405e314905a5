import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { observe } from "../../reconciler/sim/host-state.ts";
import { openSimStore } from "../../reconciler/sim/store.ts";
import { createVirtualClock } from "../../reconciler/sim/virtual-clock.ts";
import { SimWorld } from "../../reconciler/sim/world.ts";
import { bench, bringUpSteps, host, spec, step } from "./fixtures.ts";

let folder = "";

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "sim-store-"));
});

afterEach(() => {
  rmSync(folder, { recursive: true });
});

function reopen(seed: number): SimWorld {
  return new SimWorld({ clock: createVirtualClock(0), seed, store: openSimStore(join(folder, "world.db")) });
}

describe("a world on disk", () => {
  it("continues where it was, whatever was never closed", async () => {
    const at = await bench({ store: openSimStore(join(folder, "world.db")), count: 2 });
    for (const action of bringUpSteps(spec({ volume: true }))) await at.run(action);
    for (const action of bringUpSteps(spec(), { index: 1, generation: 4 })) await at.run(action);
    await at.run(step("trashVolume", { volume: "data", commit: "c", trashedAtMs: 3 }, { host: "a-2" }));
    await at.run(step("removeInstance", {}, { index: 2, generation: 6 }));
    at.world.addForeign("a-1", { kind: "container", name: "nginx" });
    at.world.inject("a-2", { kind: "crash" });
    await at.clock.advance(5000);

    const world = reopen(1);
    const { boot: oldBoot, version: oldVersion, ...before } = observe(at.world.state("a-1"));
    const { boot, version, ...after } = observe(world.state("a-1"));
    expect(after).toEqual(before);
    expect([boot, version]).toEqual(["a-1#2", 1]);
    expect([oldBoot, oldVersion > 1]).toEqual(["a-1#1", true]);
    expect(world.state("a-2").powered).toBe(false);
    expect(world.carryOut("a-1", bringUpSteps(spec(), { index: 2, generation: 6 })[1]!)).toMatchObject({ code: "stale-generation" });
    world.define([host("a-1"), host("a-3")]);
    expect(world.names()).toEqual(["a-1", "a-2", "a-3"]);
    world.close();
    at.world.close();
  });

  it("ends or drops a step that was under way: both happen, and never half", async () => {
    const outcomes = new Set<number>();
    for (let seed = 0; seed < 12; seed++) {
      const at = await bench({ store: openSimStore(join(folder, "world.db")) });
      void at.hosts.apply("a-1", { actions: [step("pullImage", { image: `x:${seed}` })] }, new AbortController().signal);
      await at.clock.advance(15);
      at.world.close();
      const clock = createVirtualClock(0);
      const world = new SimWorld({ clock, seed, store: openSimStore(join(folder, "world.db")) });
      await clock.advance(60_000);
      const pulled = observe(world.state("a-1")).images.includes(`x:${seed}`);
      outcomes.add(pulled ? 1 : 0);
      world.close();
    }
    expect(outcomes).toEqual(new Set([0, 1]));
  });
});
