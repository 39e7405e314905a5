import { expect, test } from "vitest";
import { createDesiredBuilder } from "../../reconciler/plan/desired/builder.ts";
import { explain } from "../../reconciler/plan/explain.ts";
import { manifestsOf, pool, set } from "../desired/documents.ts";
import { PureWorld } from "./pure-world.ts";

test("a volume over its soft limit is a warning for its slot, with who can write all the same, and no reason to change anything", () => {
  const world = new PureWorld();
  const hosts = [{ name: "a-1", zone: "a", capacity: { cpu: 8, memory: "16Gi" } }];
  world.commit(createDesiredBuilder().build(manifestsOf(pool("main", { hosts }), set("web"))).desired!);
  world.converge();
  const volume = { set: "web", index: 0, name: "cache", kind: "dir", sizeBytes: 2 ** 23, usedBytes: 2 ** 24 } as const;
  const say = (change: { readonly readOnly?: true; readonly message?: string }): void => {
    const host = world.host("a-1");
    host.version++;
    host.observation = { ...host.observation!, version: host.version, volumes: [{ ...volume, ...change }] };
  };
  say({ readOnly: true, message: "container app: sh (pid 7) has /c/f open for writing" });
  const { plan, input } = world.pass();
  const text =
    "volume cache of web/0 on a-1 is over its soft limit of 8Mi: containers can only read it, but some still can write: container app: sh (pid 7) has /c/f open for writing";
  expect(plan.problems).toContainEqual({ code: "volume-read-only", severity: "warning", subject: "slot/web/0", text });
  expect(plan.actions).toEqual([]);
  expect(explain(input, plan, "web/0").join("\n")).toContain("but some still can write: container app: sh (pid 7)");
  say({});
  expect(world.pass().plan.problems.map(({ code }) => code)).not.toContain("volume-read-only");
});
