import { describe, expect, test } from "vitest";
import type { ActionKind } from "../../reconciler/core/plan.ts";
import { destroysHash } from "../../reconciler/plan/budget.ts";
import { container, pool, set } from "../desired/documents.ts";
import { changed, creating, found, hostOf, only, otherHosts, placedAs, removing, shows, SILENT, views, type Good } from "./forge.ts";
import { LVM, worldOf } from "./world-of.ts";

describe("the order of steps (10)", () => {
  test("port and volumes before the app containers", () => {
    const good = creating({ replicas: 1, template: LVM });
    const { host, needs } = only(good.plan, "startInstance");
    const lacks = (kind: ActionKind): string[] =>
      found(good, {
        plan: changed(good.plan, "startInstance", () => ({ needs: needs.filter((need) => good.plan.actions[need]!.kind !== kind) })),
      });
    expect(lacks("attachPort")).toEqual([`order: web/0 starts on ${host} before its port is attached`]);
    expect(lacks("createVolume")).toEqual([`order: web/0 starts on ${host} before volume data exists`]);
  });

  test("nothing is released before every generation there was seen gone, also one that may yet appear", () => {
    const good = removing();
    const late = (kind: ActionKind): string => `order: ${kind} of db/0 on ${good.host} before generation 1 was seen gone`;
    const hasty = good.plan.actions.map((action) => ({ ...action, needs: [] }));
    expect(found(good, { plan: { actions: hasty } })).toEqual([late("detachPort"), late("trashVolume")]);
    const unseen = views(good.input, [good.host], shows({ instances: [] }));
    expect(found(good, { input: unseen, plan: { actions: hasty } })).toEqual([late("detachPort"), late("trashVolume")]);
    const refused = views(good.input, [good.host], shows({ instances: [], floors: { "db/0": 2 } }));
    expect(found(good, { input: refused, plan: { actions: hasty } })).toEqual([]);
  });
});

describe("destroys (5, 6, 7, 15)", () => {
  const DESTROYS = ["stopInstance", "removeInstance", "detachPort", "trashVolume"];

  test("none while the manifests can't be trusted", () => {
    const good = removing();
    expect(found(good, { input: { destroysFrozen: "the fetch failed" } })).toEqual(
      DESTROYS.map((kind) => `frozen: ${kind} of db/0 on ${good.host} although the fetch failed`),
    );
  });

  test("none in a pool of which too much is silent at once", () => {
    const good = removing();
    const silent = otherHosts(good, good.host).slice(0, 10);
    expect(found(good, { input: views(good.input, silent, SILENT) })).toEqual(
      DESTROYS.map((kind) => `brake: ${kind} of db/0 on ${good.host} while pool main is braked`),
    );
    expect(found(good, { input: views(good.input, silent.slice(1), SILENT) })).toEqual([]);
    const hosts = new Map(silent.map((name) => [name, { state: null, confirmedDeadAtMs: 1, who: "ada", why: "burnt" }]));
    expect(found(good, { input: { ...views(good.input, silent, SILENT), memory: { ...good.input.memory, hosts } } })).toEqual([]);
  });

  test("and no slot leaves a silent host then, though nothing is taken down there", () => {
    const { world } = worldOf(pool("main"), set("web", { replicas: 1 }));
    world.converge();
    const from = hostOf(world, "web/0");
    world.host(from).silent = true;
    world.nowMs += 61_000;
    const good = world.plan();
    const silent = otherHosts(good, only(good.plan, "startInstance").host).slice(0, 10);
    expect(found(good, { input: views(good.input, silent, SILENT) })).toEqual([`brake: web/0 leaves ${from} while pool main is braked`]);
  });

  test("the trash is purged of what is in it and expired", () => {
    const { world, commit } = worldOf(pool("main"), set("db", { replicas: 1, template: LVM }));
    world.converge();
    const host = hostOf(world, "db/0");
    commit(pool("main"));
    world.converge();
    world.nowMs += 7 * 86_400_000;
    const good = world.plan();
    const { trashId, trashedAtMs } = only(good.plan, "purgeVolume");
    const absent = `purge: purge of ${trashId} on ${host}, which is not in its trash`;
    expect(found(good, { input: views(good.input, [host], shows({ trash: [] })) })).toEqual([absent]);
    expect(found(good, { plan: changed(good.plan, "purgeVolume", () => ({ trashedAtMs: trashedAtMs - 1 })) })).toEqual([absent]);
    expect(found(good, { input: { nowMs: trashedAtMs + 7 * 86_400_000 - 1 } })).toEqual([
      `purge: purge of ${trashId} on ${host} before it expired`,
    ]);
    const wish = { host, trashId, trashedAtMs, kind: "lvm", who: "ada", why: "", sinceMs: 0 } as const;
    const place = { set: "db", index: 0, volume: "data" };
    const restore = { ...wish, from: place, to: place, replace: false, begun: false, lostAtMs: null };
    const key = `${host}/${trashId}`;
    const restores = { ...good.input.memory, restores: new Map([[key, restore]]) };
    expect(found(good, { input: { memory: restores } })).toEqual([`purge: purge of ${trashId} on ${host}, which is to be restored`]);
    const early = { nowMs: trashedAtMs + 1 };
    const purges = { ...good.input.memory, purges: new Map([[key, wish]]) };
    expect(found(good, { input: { ...early, memory: purges } })).toEqual([]);
    const other = { ...good.input.memory, purges: new Map([[key, { ...wish, trashedAtMs: 1 }]]) };
    expect(found(good, { input: { ...early, memory: other } })).toEqual([`purge: purge of ${trashId} on ${host} before it expired`]);
    expect(found(good, { input: { destroysFrozen: "the fetch failed" } })).toEqual([
      `frozen: purgeVolume of db/0 on ${host} although the fetch failed`,
    ]);
  });

  /** Six slots in three zones, of which the highest three go: one in each zone. */
  function scalingIn(): Good {
    const { world, commit } = worldOf(pool("main"), set("web", { replicas: 6 }));
    world.converge();
    commit(pool("main"), set("web", { replicas: 3 }));
    return world.plan();
  }

  test("no more than the budget in a pool and zone, but those that were confirmed", () => {
    const good = scalingIn();
    const hosts = good.input.desired.hosts.map((host) => ({ ...host, zone: "a" }));
    const desired = { ...good.input.desired, hosts };
    expect(found(good, { input: { desired } })).toEqual(["budget: 3 destroys in pool and zone main a, over the budget of 1"]);
    const slots = ["web/3@1", "web/4@1", "web/5@1"];
    const memory = { ...good.input.memory, confirmed: new Map([[destroysHash("main", slots), 1]]) };
    expect(found(good, { input: { desired, memory }, plan: { confirmed: [{ pool: "main", slots }] } })).toEqual([]);
    // Not on the plan's own word, and not a list that lacks some.
    const over = ["budget: 3 destroys in pool and zone main a, over the budget of 1"];
    expect(found(good, { input: { desired }, plan: { confirmed: [{ pool: "main", slots }] } })).toEqual(over);
    expect(found(good, { input: { desired, memory }, plan: { confirmed: [{ pool: "main", slots: slots.slice(1) }] } })).toEqual(over);
    const generous = { ...good.input.desired.pools.get("main")!, budget: { percent: 50, count: 2 } };
    expect(found(good, { input: { desired: { ...desired, pools: new Map([["main", generous]]) } } })).toEqual([
      "budget: 3 destroys in pool and zone main a, over the budget of 2",
    ]);
    generous.budget.count = 3;
    expect(found(good, { input: { desired: { ...desired, pools: new Map([["main", generous]]) } } })).toEqual([]);
  });

  test("data that a move leaves behind counts", () => {
    const { world } = worldOf(pool("main"), set("db", { replicas: 3, template: LVM, rollout: { maxUnavailable: 3 } }));
    world.converge();
    for (const index of [0, 1, 2])
      world.record({ type: "host.state", host: hostOf(world, `db/${index}`), state: "draining", who: "ada", why: "new disks" });
    const good = world.plan();
    const desired = { ...good.input.desired, hosts: good.input.desired.hosts.map((host) => ({ ...host, zone: "a" })) };
    expect(found(good, { input: { desired } })).toEqual(["budget: 3 destroys in pool and zone main a, over the budget of 1"]);
    const bare = views(good.input, [...good.input.fleet.keys()], shows({ volumes: [] }));
    expect(found(good, { input: { desired, ...bare } })).toEqual([]);
  });
});

describe("capacity (9)", () => {
  /** Two slots that fill one small host; the second comes. */
  function filling(): Good {
    const big = { resources: { cpu: { request: "1" }, memory: { request: "4Gi" } } };
    const small = pool("main", { hosts: [{ name: "s-[1-1]", zone: "a", capacity: { cpu: 4, memory: "10Gi" } }] });
    const of = (replicas: number): ReturnType<typeof set> => set("web", { replicas, template: { containers: [container("app", big)] } });
    const { world, commit } = worldOf(small, of(1));
    world.converge();
    commit(small, of(2));
    return world.plan();
  }
  const GIB = 2 ** 30;

  test("what is claimed and what the plan adds fit the manifest's capacity", () => {
    const good = filling();
    const hosts = good.input.desired.hosts.map((host) => ({ ...host, capacity: { ...host.capacity, memoryBytes: 7 * GIB } }));
    expect(found(good, { input: { desired: { ...good.input.desired, hosts } } })).toEqual([
      `capacity: memoryBytes of s-1: ${8 * GIB} reserved of ${7 * GIB}`,
    ]);
    const claims = placedAs(good.plan, (claim) => ({ resources: { ...claim.resources, cpuMillis: 3_001 } }));
    expect(found(good, { plan: claims })).toEqual(["capacity: cpuMillis of s-1: 4001 reserved of 4000"]);
  });

  test("and what the host has, after reserve and overcommit", () => {
    const good = filling();
    const { capacity } = good.input.fleet.get("s-1")!.observation!;
    const has = (change: Partial<typeof capacity>): string[] =>
      found(good, { input: views(good.input, ["s-1"], shows({ capacity: { ...capacity, ...change } })) });
    expect(has({ cpuMillis: 1_999 })).toEqual(["capacity: cpuMillis of s-1: 2000 reserved of 1999"]);
    expect(has({ cpuMillis: 2_000 })).toEqual([]);
    const { memoryReserveBytes } = good.input.desired.pools.get("main")!;
    expect(has({ memoryBytes: 8 * GIB + memoryReserveBytes - 1 })).toEqual([
      `capacity: memoryBytes of s-1: ${8 * GIB} reserved of ${8 * GIB - 1}`,
    ]);
    expect(has({ memoryBytes: 8 * GIB + memoryReserveBytes })).toEqual([]);
  });

  test("what is seen counts, claimed or not", () => {
    const good = filling();
    const { observation } = good.input.fleet.get("s-1")!;
    const stray = { ...observation!.instances[0]!, set: "stray", index: 0 };
    const there = views(good.input, ["s-1"], shows({ instances: [...observation!.instances, stray] }));
    expect(found(good, { input: there })).toEqual([expect.stringMatching(/^capacity: memoryBytes of s-1: 12884901888 reserved of /)]);
  });

  test("a host that is over already is wrong only where the plan adds to it", () => {
    const { world, commit } = worldOf(pool("main"), set("web", { replicas: 1 }));
    world.converge();
    const host = hostOf(world, "web/0");
    commit(
      pool("main"),
      set("web", {
        replicas: 1,
        template: { containers: [container("app", { resources: { cpu: { request: "400m" }, memory: { request: "1Gi" } } })] },
      }),
    );
    const good = world.plan();
    const hosts = good.input.desired.hosts.map((other) => ({ ...other, capacity: { ...other.capacity, cpuMillis: 1, memoryBytes: 1 } }));
    expect(found(good, { input: { desired: { ...good.input.desired, hosts } } })).toEqual([
      `capacity: memoryBytes of ${host}: ${GIB} reserved of 1`,
    ]);
  });
});
