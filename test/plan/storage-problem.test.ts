import { expect, test } from "vitest";
import { createDesiredBuilder } from "../../reconciler/plan/desired/builder.ts";
import { explain } from "../../reconciler/plan/explain.ts";
import { manifestsOf, pool } from "../desired/documents.ts";
import { PureWorld } from "./pure-world.ts";

const LACKS = "the volume group vg0 lacks [unknown] (UUID Yk3-w2)";

test("people are told of a host whose storage needs one, for as long as it does", () => {
  const world = new PureWorld();
  const hosts = [{ name: "a-1", zone: "a", capacity: { cpu: 8, memory: "16Gi" } }];
  world.commit(createDesiredBuilder().build(manifestsOf(pool("main", { hosts }))).desired!);
  world.converge();
  const say = (storageProblem: string): void => {
    const host = world.host("a-1");
    host.version++;
    host.observation = { ...host.observation!, version: host.version, storageProblem };
  };
  say(LACKS);
  const { plan, input } = world.pass();
  const text = `storage of a-1: ${LACKS}`;
  expect(plan.problems).toEqual([{ code: "host-storage", severity: "error", subject: "host/a-1", text }]);
  expect(explain(input, plan, "host/a-1").join("\n")).toContain(text);
  say("");
  expect(world.pass().plan.problems).toEqual([]);
});
