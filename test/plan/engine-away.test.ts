import { expect, test } from "vitest";
import { explain } from "../../reconciler/plan/explain.ts";
import { createDesiredBuilder } from "../../reconciler/plan/desired/builder.ts";
import { manifestsOf, pool, set } from "../desired/documents.ts";
import { PureWorld } from "./pure-world.ts";

const ALL = ["cgroup", "docker", "lvm", "ovs", "tc"] as const;

function settledWorld(): { world: PureWorld; host: string; readonly commit: (...images: readonly string[]) => void } {
  const builder = createDesiredBuilder();
  const world = new PureWorld();
  const commit = (...images: readonly string[]): void => {
    const hosts = [{ name: "a-1", zone: "a", capacity: { cpu: 8, memory: "16Gi" } }];
    const sets = images.map((image, number) =>
      set(`web-${number}`, {
        replicas: 1,
        template: { containers: [{ name: "app", image, resources: { cpu: { request: 1 }, memory: { request: "1Gi" } } }] },
      }),
    );
    const { desired, problems } = builder.build(manifestsOf(pool("main", { hosts }), ...sets));
    if (desired === null) throw new Error(JSON.stringify(problems));
    world.commit(desired);
  };
  commit("r/web:1");
  world.converge();
  return { world, host: "a-1", commit };
}

test("no step is planned on a host whose engine is away, whatever is wanted there, and everybody is told", () => {
  const { world, host, commit } = settledWorld();
  world.setCapabilities(
    host,
    ALL.filter((one) => one !== "docker"),
  );
  for (const images of [["r/web:2"], ["r/web:2", "r/other:1"], []]) {
    commit(...images);
    const { plan } = world.pass();
    expect(plan.actions).toEqual([]);
    expect(plan.problems.map(({ code, subject }) => `${code} ${subject}`)).toContain("host-engine host/a-1");
  }
  commit("r/web:2");
  const { plan, input } = world.pass();
  const told = explain(input, plan, "web-0/0").join("\n");
  expect(told).toContain("It waits: Docker can't be used on a-1; would replace: image app 1 -> 2 [wait.engine].");
  expect(told).toContain("It goes on by itself as soon as Docker on a-1 can be used; what is wrong there tells: setpoint agent check");
  expect(explain(input, plan, "host/a-1").join("\n")).toContain("On that host, this tells what to do: setpoint agent check");
});

test("when it is back all goes on by itself", () => {
  const { world, host, commit } = settledWorld();
  world.setCapabilities(host, ["cgroup", "ovs", "tc", "lvm"]);
  commit("r/web:2");
  world.pass();
  world.setCapabilities(host, [...ALL]);
  world.converge();
  expect(world.plan().plan.problems).toEqual([]);
});
