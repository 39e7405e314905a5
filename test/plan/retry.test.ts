import { expect, test } from "vitest";
import { createDesiredBuilder } from "../../reconciler/plan/desired/builder.ts";
import { manifestsOf, pool, set } from "../desired/documents.ts";
import { PureWorld } from "./pure-world.ts";

/** A Set of one slot that fails to start wherever it is put. */
function failingWorld(hostNames: readonly string[]): PureWorld {
  const hosts = hostNames.map((name) => ({ name, zone: "a", capacity: { cpu: 8, memory: "16Gi" } }));
  const containers = [{ name: "app", image: "r/web:1", resources: { cpu: { request: 1 }, memory: { request: "1Gi" } } }];
  const { desired, problems } = createDesiredBuilder().build(
    manifestsOf(pool("main", { hosts }), set("web", { replicas: 1, template: { containers } })),
  );
  if (desired === null) throw new Error(JSON.stringify(problems));
  const world = new PureWorld();
  world.fails = (action) => (action.kind === "startInstance" ? { code: "start-failed", message: "no such device" } : null);
  world.commit(desired);
  return world;
}

test.each([[["a-1"]], [["a-1", "a-2"]]])("a slot that failed on all of %s gets a new generation for a try, not for each pass", (names) => {
  const world = failingWorld(names);
  const tries = (): number => world.memory.sets.get("web")?.failures.get(0)?.tries ?? 0;
  for (let pass = 0; pass < 40 && tries() < 3; pass++) {
    world.pass();
    world.nowMs = Math.max(world.nowMs + 1_000, world.plan().plan.wakeAtMs ?? 0);
  }
  expect(tries()).toBe(3);

  // What it left behind may not be taken away now, so the next try has to wait.
  world.destroysFrozen = "the manifests can't be read";
  for (let pass = 0; pass < 3; pass++) {
    world.pass();
    world.nowMs += 60_000;
  }
  const waiting = world.memory.sets.get("web")!;
  for (let pass = 0; pass < 5; pass++) {
    expect(world.pass().plan.intents).toEqual([]);
    world.nowMs += 60_000;
  }
  expect(world.memory.sets.get("web")).toBe(waiting);

  world.destroysFrozen = null;
  world.fails = () => null;
  world.converge();
  expect(world.running()).toHaveLength(1);
});
