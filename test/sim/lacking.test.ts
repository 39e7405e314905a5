import { expect, test } from "vitest";
import type { InstanceSpec } from "../../reconciler/core/plan.ts";
import { bench, bringUpSteps, spec, step } from "./fixtures.ts";

/** The fixtures' Set with a file of a secret, on a runtime. */
function pickySpec(version = "1"): InstanceSpec {
  const plain = spec({ version });
  const env = { DB: { as: "file", secret: "db", key: "password" } } as const;
  const containers = plain.template.containers.map((it) => ({ ...it, env }));
  return { ...plain, template: { ...plain.template, containers, runtime: "runsc" } };
}

const REFUSED = { outcome: "refused", retry: "transient" };

test.each([
  [{ kind: "loseSecret", secret: "db", forMs: 60_000 }, "secret-missing", "a-1 has no secret db: /etc/setpoint/secrets/db is not there"],
  [{ kind: "loseRuntime", runtime: "runsc", forMs: 60_000 }, "runtime-missing", "Docker of a-1 does not know the runtime runsc"],
] as const)("%j refuses a start and a replacement until it is over; what runs stays", async (fault, code, message) => {
  const at = await bench();
  const wanted = pickySpec();
  at.world.inject("a-1", fault);
  for (const action of bringUpSteps(wanted).slice(0, -1)) expect(await at.run(action)).toMatchObject({ outcome: "done" });
  const start = step("startInstance", { spec: wanted, ip: "10.0.0.10" });
  expect(await at.run(start)).toMatchObject({ ...REFUSED, code, message });
  expect(await at.run(step("startInstance", { spec: spec(), ip: "10.0.0.10" }))).toMatchObject({ outcome: "done" });
  const replace = step("replaceContainers", { containers: ["web"], spec: pickySpec("2") });
  expect(await at.run(replace)).toMatchObject({ ...REFUSED, code });
  expect(at.seen.get("a-1")!.instances[0]).toMatchObject({ phase: "running", specHash: spec().specHash });
  await at.clock.advance(60_000);
  expect(await at.run(replace)).toMatchObject({ outcome: "done" });
});

test("a host that lacks something takes all that does not ask for it", async () => {
  const at = await bench();
  at.world.inject("a-1", { kind: "loseSecret", secret: "other", forMs: 60_000 });
  at.world.inject("a-1", { kind: "loseRuntime", runtime: "kata", forMs: 60_000 });
  for (const action of bringUpSteps(pickySpec())) expect(await at.run(action)).toMatchObject({ outcome: "done" });
});
