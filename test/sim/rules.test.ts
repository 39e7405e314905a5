import { expect, it } from "vitest";
import { checkPlan } from "./plan-rules.ts";
import { Repository, type Tree } from "./repository.ts";
import { createRandom } from "../../reconciler/sim/random.ts";
import { createVirtualClock } from "../../reconciler/sim/virtual-clock.ts";
import { bench, bringUpSteps, spec, step } from "./fixtures.ts";
import { firstTree } from "./generate.ts";
import { Simulation } from "./simulation.ts";
import { WorldRules, type RuleContext, type Violation } from "./world-rules.ts";
import { DONE } from "../../reconciler/sim/step.ts";
import type { Action, Plan, PlanInput } from "../../reconciler/core/plan.ts";

/** Rules that collect what is broken. */
function watch(overrides: Partial<RuleContext> = {}): { rules: WorldRules; broken: string[] } {
  const broken: string[] = [];
  const context: RuleContext = {
    nowMs: () => 1000,
    monotonicMs: () => 1000,
    keepForMs: () => 500,
    reclaims: () => false,
    confirmedDead: () => false,
    isWished: () => false,
    wasWished: () => false,
    isToPurge: () => false,
    capacityChanged: () => false,
    note: () => undefined,
    broken: (violation: Violation) => void broken.push(violation.rule),
    ...overrides,
  };
  return { rules: new WorldRules(context), broken };
}

/** Carries a step out, and says that it ended. */
function carry(at: Awaited<ReturnType<typeof bench>>, rules: WorldRules, action: Action): void {
  at.world.carryOut("a-1", action);
  rules.stepEnded(at.world.state("a-1"), action, DONE);
}

it("sees an exclusive slot live twice", async () => {
  const { rules, broken } = watch();
  const at = await bench({ count: 2, witness: rules });
  for (const action of bringUpSteps(spec({ volume: true }), { host: "a-1" })) at.world.carryOut("a-1", action);
  expect(broken).toEqual([]);
  for (const action of bringUpSteps(spec({ volume: true }), { host: "a-2", generation: 2 })) at.world.carryOut("a-2", action);
  expect(broken).toContain("1 two live Instances");
});

it("sees an address used twice, and a volume purged too soon", async () => {
  const { rules, broken } = watch();
  const at = await bench({ count: 2, witness: rules });
  for (const action of bringUpSteps(spec(), { host: "a-1" })) at.world.carryOut("a-1", action);
  for (const action of bringUpSteps(spec(), { host: "a-2", generation: 2 })) at.world.carryOut("a-2", action);
  expect(new Set(broken)).toEqual(new Set(["10 addresses"]));
  at.world.carryOut("a-1", step("createVolume", { volume: "data", filesystem: "ext4", sizeBytes: 1 }, { index: 3 }));
  at.world.carryOut("a-1", step("trashVolume", { volume: "data", commit: "c", trashedAtMs: 900 }, { index: 3 }));
  carry(at, rules, step("purgeVolume", { trashId: "web-3-data-900", trashedAtMs: 900 }, { index: 3 }));
  expect(broken).toContain("5 volumes");
});

it("sees a volume purged that is to be restored, and lets one go that a person gave up", async () => {
  const life = [
    step("createVolume", { volume: "data", filesystem: "ext4", sizeBytes: 1 }),
    step("trashVolume", { volume: "data", commit: "c", trashedAtMs: 1 }),
    step("purgeVolume", { trashId: "web-0-data-1", trashedAtMs: 1 }),
  ];
  const cases: readonly [Partial<RuleContext>, string[]][] = [
    [{}, []],
    [{ isWished: () => true }, ["5 volumes"]],
    [{ keepForMs: () => 5000 }, ["5 volumes"]],
    [{ keepForMs: () => 5000, isToPurge: () => true }, []],
  ];
  for (const [overrides, expected] of cases) {
    const { rules, broken } = watch(overrides);
    const at = await bench({ witness: rules });
    for (const action of life) carry(at, rules, action);
    expect(broken).toEqual(expected);
  }
});

it("sees a slot that finds other data on its host, unless it left or that came from the trash", async () => {
  const { rules, broken } = watch();
  const at = await bench({ witness: rules });
  const begin = (generation: number): void => {
    for (const action of bringUpSteps(spec({ volume: true }), { generation })) carry(at, rules, action);
  };
  const end = (generation: number, trashedAtMs: number): void => {
    carry(at, rules, step("removeInstance", {}, { generation }));
    carry(at, rules, step("trashVolume", { volume: "data", commit: "c", trashedAtMs }, { generation }));
  };
  begin(1);
  end(1, 5);
  rules.excuse("web/0");
  begin(2);
  expect(broken).toEqual([]);
  end(2, 6);
  carry(at, rules, step("restoreVolume", { volume: "data", trashId: "web-0-data-5", trashedAtMs: 5 }, { generation: 3 }));
  begin(3);
  expect(broken).toEqual([]);
  end(3, 7);
  begin(4);
  expect(broken).toEqual(["5 volumes"]);
});

it("sees trash that made room before an older entry, or where it may not", async () => {
  const purge = async (reclaims: boolean, trashedAtMs: number): Promise<string[]> => {
    const { rules, broken } = watch({ reclaims: () => reclaims });
    const at = await bench({ witness: rules });
    for (const [index, atMs] of [900, 950].entries()) {
      carry(at, rules, step("createVolume", { volume: "data", filesystem: "ext4", sizeBytes: 1 }, { index }));
      carry(at, rules, step("trashVolume", { volume: "data", commit: "c", trashedAtMs: atMs }, { index }));
    }
    carry(at, rules, step("purgeVolume", { trashId: `web-${trashedAtMs === 900 ? 0 : 1}-data-${trashedAtMs}`, trashedAtMs }));
    return broken;
  };
  expect(await purge(true, 900)).toEqual([]);
  expect(await purge(true, 950)).toEqual(["5 volumes"]);
  expect(await purge(false, 900)).toEqual(["5 volumes"]);
});

it("sees a step that is tried again and again without a pause", async () => {
  const { rules, broken } = watch();
  const at = await bench({ witness: rules });
  for (let tries = 0; tries < 12; tries++) await at.run(step("pullImage", { image: "x:missing" }));
  expect(broken).toEqual([]);
  await at.run(step("pullImage", { image: "x:missing" }));
  expect(broken).toEqual(["retries back off"]);
});

/** The first plan of a simulated fleet with its input, both real. */
async function firstPlan(): Promise<{ input: PlanInput; plan: Plan }> {
  for (let seed = 0; ; seed++) {
    const sim = new Simulation(`rules ${seed}`);
    sim.start();
    const found = Promise.withResolvers<{ input: PlanInput; plan: Plan }>();
    sim.life!.reconciler.onEvent((event) => {
      if (event.type !== "passed" || event.result.plan === null || !event.result.plan.actions.some((it) => it.kind === "startInstance"))
        return;
      // A later pass sees another Memory in the same maps: rules look only at what this test changes.
      found.resolve({ input: event.result.input, plan: event.result.plan });
    });
    await sim.pass(5000);
    sim.life!.reconciler.kill();
    const result = await Promise.race([found.promise, Promise.resolve(null)]);
    if (result !== null) return result;
  }
}

it("judges plans: a step in the dark, for a held Set, in doubt, and over the target", async () => {
  const { input, plan } = await firstPlan();
  const start = plan.actions.find((action) => action.kind === "startInstance")!;
  const only = { ...plan, intents: [], actions: [start] };
  expect(() => checkPlan(input, only)).not.toThrow();
  expect(() => checkPlan({ ...input, fleet: new Map() }, only)).toThrow("which is not followed");
  const hold = { scope: "set" as const, name: start.set, who: "op", why: "x", sinceMs: 0, untilMs: null };
  const held = { ...input, memory: { ...input.memory, holds: new Map([[`set/${start.set}`, hold]]) } };
  expect(() => checkPlan(held, only)).toThrow("the Set is held");
  const stop = step("stopInstance", { graceMs: 1 }, { host: start.host });
  expect(() => checkPlan({ ...input, destroysFrozen: "the fetch failed" }, { ...only, actions: [stop] })).toThrow(
    "although the fetch failed",
  );
  const claim = {
    generation: 99,
    host: start.host,
    ip: null,
    resources: start.spec.resources,
    hostPorts: [],
    exclusive: false,
    core: false,
    taskId: "t",
    why: "",
  };
  const intents = Array.from({ length: 50 }, (_, index) => ({ type: "slot.placed" as const, set: start.set, index, claim }));
  expect(() => checkPlan(input, { ...only, intents })).toThrow("the plan places");
});

it("generates trees that are mostly valid, and the repository refuses the others", () => {
  const random = createRandom("trees");
  let valid = 0;
  for (let count = 0; count < 40; count++) {
    const repository = new Repository(createVirtualClock(0), random);
    if (repository.commit(firstTree(random))) valid++;
  }
  expect(valid).toBeGreaterThan(20);
  const repository = new Repository(createVirtualClock(0), random);
  const broken: Tree = { pools: new Map(), sets: firstTree(random).sets };
  expect(repository.commit(broken)).toBe(false);
});
