import { afterEach, beforeEach, expect, it } from "vitest";
import type { InstanceSpec } from "../../../reconciler/core/plan.ts";
import { spec, step } from "../../sim/fixtures.ts";
import { Bench } from "./bench.ts";

let at: Bench;
beforeEach(async () => {
  at = await new Bench().begin();
});
afterEach(async () => {
  await at.end();
});

const WEB = { set: "web", index: 0, generation: 1 };

/** The fixtures' Set with a variable from a secret. */
function secretSpec(version = "1"): InstanceSpec {
  const plain = spec({ version });
  const env = { DB: { as: "value", secret: "db", key: "password" } } as const;
  return { ...plain, template: { ...plain.template, containers: plain.template.containers.map((it) => ({ ...it, env })) } };
}

it("asks the engine for nothing while a secret is missing, and starts when it is there", async () => {
  await at.codes(
    step("pullImage", { image: "shop/web:1" }),
    step("attachPort", { ip: "10.0.0.10", vlan: null, ingressBps: null, egressBps: null }),
  );
  const start = step("startInstance", { spec: secretSpec(), ip: "10.0.0.10" });
  expect(await at.run(start)).toMatchObject({ outcome: "refused", code: "secret-missing", retry: "transient", message: "no db/password" });
  expect(at.host.engine.calls).not.toContain("start web/0@1");
  at.secrets.values.set("db/password", "x");
  expect(await at.codes(start)).toEqual(["done"]);
});

it("leaves a container as it is when its successor lacks a secret", async () => {
  await at.bringUp();
  const replace = step("replaceContainers", { containers: ["web"], spec: secretSpec("2") });
  expect(await at.codes(replace)).toEqual(["refused secret-missing"]);
  expect(at.host.engine.running()).toEqual(["web/0@1"]);
  expect(at.host.engine.calls.some((call) => call.startsWith("replace"))).toBe(false);
  expect((await at.observe()).instances[0]).toMatchObject({ specHash: spec().specHash, phase: "running" });
});

it("puts files back before it starts containers again", async () => {
  await at.bringUp();
  at.host.engine.crash(WEB);
  await at.pass(3_000);
  expect(at.secrets.calls).toContain("restore web/0@1");
  expect(at.host.engine.running()).toEqual(["web/0@1"]);
});

it("brings files up to date every few seconds, and keeps those of what is there", async () => {
  await at.bringUp();
  const before = at.secrets.calls.length;
  await at.pass(11_000);
  expect(at.secrets.calls.slice(before)).toEqual(["refresh 1", "refresh 1"]);
  expect(at.secrets.kept.map(({ set, index, generation }) => `${set}/${index}@${generation}`)).toContain("web/0@1");
  await at.codes(step("stopInstance", { graceMs: 1 }), step("removeInstance", {}));
  expect(at.secrets.kept).toEqual([]);
});
