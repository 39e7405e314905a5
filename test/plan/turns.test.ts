import { describe, expect, test } from "vitest";
import type { Manifest } from "../../reconciler/core/manifest-types.ts";
import type { Action } from "../../reconciler/core/plan.ts";
import { container, pool, set } from "../desired/documents.ts";
import type { PureWorld } from "./pure-world.ts";
import { worldOf } from "./world-of.ts";

const SLOTS = 6;
/** One host in each zone, so that each has two of the slots. */
const CAPACITY = { cpu: 16, memory: "64Gi", disk: "1Ti", bandwidth: "10gbit" };
const POOL = pool("main", { hosts: ["a", "b", "c"].map((zone) => ({ name: `main-${zone}`, zone, capacity: CAPACITY })) });

/** Slots that the Set wants and that no Instance of any generation serves now. */
function unserved(world: PureWorld): number {
  const serving = [...world.hosts.values()].flatMap(({ instances }) =>
    instances.filter(({ phase, healthy }) => phase === "running" && healthy),
  );
  return SLOTS - new Set(serving.map(({ index }) => index)).size;
}

/** All slots side by side, as they are carried out: first what needs nothing, then what needs only that. */
function sideBySide(actions: readonly Action[]): readonly Action[] {
  const depths: number[] = [];
  for (const { number, needs } of actions) depths[number] = Math.max(0, ...needs.map((need) => depths[need]! + 1));
  return actions.toSorted((one, other) => depths[one.number]! - depths[other.number]!);
}

/** A pass that ends after so many steps, again and again: what was planned behind them is planned anew. The most slots that were down. */
function worstOf(world: PureWorld, stepsAPass: number): number {
  let worst = 0;
  world.fails = () => {
    worst = Math.max(worst, unserved(world));
    return null;
  };
  for (let passes = 0; passes < 100; passes++) {
    const { plan } = world.pass(stepsAPass, sideBySide);
    if (plan.actions.length === 0 && plan.intents.length === 0) return worst;
    world.nowMs += 1_000;
  }
  throw new Error(`not converged: ${JSON.stringify(world.plan().plan.changes, null, 1)}`);
}

function web(env: Record<string, string>, ip: "any" | "reuse", vlan: number): Manifest {
  const template = { containers: [container("app", { env })], network: { ip, vlan } };
  return set("web", { replicas: SLOTS, rollout: { maxUnavailable: 1 }, template });
}

describe.each([3, 4, 5, 7, 8, 11, 16, 30])("plans given up after %i steps take down no more slots than the rollout allows", (steps) => {
  test.each(["any", "reuse"] as const)("in a drain, ip: %s", (ip) => {
    const { world } = worldOf(POOL, web({}, ip, 20));
    world.converge();
    const host = world.running()[0]!.split("@")[1]!;
    world.record({ type: "host.state", host, state: "draining", who: "ada", why: "new disk" });
    expect(worstOf(world, steps)).toBe(ip === "any" ? 0 : 1);
    expect(world.running().filter((at) => at.endsWith(`@${host}`))).toEqual([]);
    expect(world.running()).toHaveLength(SLOTS);
  });

  test.each(["any", "reuse"] as const)("in a rollout with a new infra container, ip: %s", (ip) => {
    const { world, commit } = worldOf(POOL, web({}, ip, 20));
    world.converge();
    commit(POOL, web({}, ip, 21));
    expect(worstOf(world, steps)).toBe(1);
    expect(world.running()).toHaveLength(SLOTS);
  });

  test("in a rollout in place", () => {
    const { world, commit } = worldOf(POOL, web({}, "any", 20));
    world.converge();
    commit(POOL, web({ A: "1" }, "any", 20));
    expect(worstOf(world, steps)).toBe(0);
    expect(world.running()).toHaveLength(SLOTS);
  });
});
