import { expect, test } from "vitest";
import { setRows, seenInstances } from "../../reconciler/api/rows.ts";
import { createDesiredBuilder } from "../../reconciler/plan/desired/builder.ts";
import { manifestsOf, pool, set } from "../desired/documents.ts";
import { PureWorld } from "../plan/pure-world.ts";

test("a Set whose slots run elsewhere is ready, though a lost host may still hold an earlier Instance", () => {
  const world = new PureWorld();
  world.commit(createDesiredBuilder().build(manifestsOf(pool("main"), set("web", { replicas: 3 }))).desired!);
  world.converge();
  world.host(world.memory.sets.get("web")!.slots.get(0)!.current!.host).silent = true;
  world.nowMs += 120_000;
  for (let pass = 0; pass < 4; pass++) world.pass();
  const { input, plan } = world.plan();
  expect(plan.changes.map((change) => change.decision.code)).toContain("wait.lingering");
  expect(setRows({ input, plan, headProblems: [] }, seenInstances(input))).toMatchObject([
    { name: "web", ready: 3, wanted: 3, state: "ready" },
  ]);
});
