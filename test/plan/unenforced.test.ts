import { expect, test } from "vitest";
import type { Capability } from "../../reconciler/core/desired.ts";
import type { HostPool } from "../../reconciler/core/manifest-types.ts";
import { explain } from "../../reconciler/plan/explain.ts";
import { createDesiredBuilder } from "../../reconciler/plan/desired/builder.ts";
import { container, manifestsOf, pool, set } from "../desired/documents.ts";
import { PureWorld } from "./pure-world.ts";

const LIMITED = {
  containers: [container("app", { resources: { cpu: { request: 1 }, memory: { request: "1Gi" }, io: { readBps: "10Mi" } } })],
  network: { ingress: "10mbit" },
};

function worldWith(
  limits: NonNullable<HostPool["spec"]["limits"]>,
  capabilities: readonly Capability[],
): { world: PureWorld; limit(next: typeof limits): void } {
  const builder = createDesiredBuilder();
  const world = new PureWorld();
  const limit = (next: typeof limits): void => {
    const hosts = [{ name: "a-[1-2]", zone: "a", capacity: { cpu: 8, memory: "16Gi", bandwidth: "1gbit" } }];
    const { desired, problems } = builder.build(
      manifestsOf(pool("main", { hosts, limits: next }), set("web", { replicas: 2, template: LIMITED })),
    );
    if (desired === null) throw new Error(JSON.stringify(problems));
    world.commit(desired);
  };
  limit(limits);
  for (const name of world.hosts.keys()) world.setCapabilities(name, capabilities);
  return { world, limit };
}

const problemsOf = (world: PureWorld): string[] => world.plan().plan.problems.map(({ code, text }) => `${code}: ${text}`);

test("a host without the driver for a limit takes no Set that asks for it", () => {
  const { world } = worldWith("required", ["docker"]);
  const { plan } = world.pass();
  expect(plan.changes.map(({ kind, decision }) => [kind, decision.text])).toEqual(
    ["web/0", "web/1"].map(() => ["blocked", expect.stringContaining("without cgroup or tc")]),
  );
});

test("with best effort it does, and everybody is told", () => {
  const { world } = worldWith("best-effort", ["docker"]);
  const { plan, input } = world.pass();
  expect(plan.changes[0]!.decision.text).toContain("without io limits, rates, which the host can't enforce");
  const warning = "limits-not-enforced: not enforced, for want of a driver there: io limits, rates on a-1, a-2";
  expect(plan.problems.map(({ code, text }) => `${code}: ${text}`)).toEqual([warning]);
  expect(explain(input, plan, "web").join("\n")).toContain("io limits, rates on a-1, a-2 [limits-not-enforced]");
  world.converge();
  expect(problemsOf(world)).toEqual([warning]);
});

test("a driver that comes or goes on a settled host is noticed", () => {
  const { world } = worldWith("best-effort", ["docker"]);
  world.converge();
  world.setCapabilities("a-1", ["cgroup", "docker", "tc"]);
  expect(problemsOf(world)).toEqual(["limits-not-enforced: not enforced, for want of a driver there: io limits, rates on a-2"]);
  world.setCapabilities("a-2", ["cgroup", "docker"]);
  expect(problemsOf(world)).toEqual(["limits-not-enforced: not enforced, for want of a driver there: rates on a-2"]);
  world.setCapabilities("a-2", ["cgroup", "docker", "tc"]);
  expect(problemsOf(world)).toEqual([]);
});

test("LVM is needed in any case", () => {
  const volumes = {
    volumes: [{ name: "data", lvm: { size: "1Gi" } }],
    containers: [container("app", { mounts: [{ volume: "data", path: "/d" }] })],
  };
  const world = new PureWorld();
  const hosts = [{ name: "a-1", zone: "a", capacity: { cpu: 8, memory: "16Gi", disk: "100Gi" } }];
  const manifests = manifestsOf(pool("main", { hosts, limits: "best-effort" }), set("db", { replicas: 1, template: volumes }));
  world.commit(createDesiredBuilder().build(manifests).desired!);
  world.setCapabilities("a-1", ["docker"]);
  expect(world.pass().plan.changes[0]).toMatchObject({ kind: "blocked", decision: { text: expect.stringContaining("without lvm") } });
});
