import { describe, expect, test } from "vitest";
import type { EventBody } from "../../reconciler/core/events.ts";
import type { Hold } from "../../reconciler/core/memory.ts";
import type { Action, Plan } from "../../reconciler/core/plan.ts";
import { check } from "../../reconciler/plan/check/check.ts";
import { pool, set } from "../desired/documents.ts";
import {
  changed,
  creating,
  draining,
  found,
  hostOf,
  only,
  otherHosts,
  placedAs,
  removing,
  shows,
  SILENT,
  views,
  without,
  type Good,
} from "./forge.ts";
import { LVM, worldOf } from "./world-of.ts";

describe("the graph", () => {
  test("numbers are positions", () => {
    const good = creating();
    expect(found(good, { plan: changed(good.plan, "awaitHealthy", () => ({ number: 99 })) })).toEqual(["graph: action 99 stands at 3"]);
  });

  test("needs point backward", () => {
    const good = creating();
    expect(found(good, { plan: changed(good.plan, "pullImage", () => ({ needs: [2] })) })).toEqual([
      "graph: action 0 needs 2, which is not before it",
    ]);
    expect(found(good, { plan: changed(good.plan, "pullImage", () => ({ needs: [-1] })) })).toEqual([
      "graph: action 0 needs -1, which is not before it",
    ]);
  });
});

describe("what is built is what is claimed", () => {
  test("a slot without a claim", () => {
    const good = creating();
    const { host } = only(good.plan, "startInstance");
    const slot = `web/0 generation 1 on ${host}, which has no claim`;
    expect(found(good, { plan: { intents: [] } })).toEqual(
      ["attachPort", "startInstance", "awaitHealthy"].map((kind) => `unclaimed: ${kind} of ${slot}`),
    );
  });

  test("another host, another generation, another address, more room than its claim", () => {
    const good = creating();
    const { host, ip, spec } = only(good.plan, "startInstance");
    const other = otherHosts(good, host)[0]!;
    const claimed = `its claim is generation 1 on ${host}`;
    const attach = (change: Partial<Action>): string[] => found(good, { plan: changed(good.plan, "attachPort", () => change) });
    expect(attach({ generation: 2 })).toEqual([
      `unclaimed: attachPort of web/0 generation 2 on ${host}, ${claimed}`,
      `order: web/0 starts on ${host} before its port is attached`,
    ]);
    expect(attach({ host: other })).toEqual([
      `unclaimed: attachPort of web/0 generation 1 on ${other}, ${claimed}`,
      `order: web/0 starts on ${host} before its port is attached`,
    ]);
    expect(found(good, { plan: changed(good.plan, "startInstance", () => ({ ip: "10.20.9.9" })) })).toEqual([
      `unclaimed: startInstance of web/0 generation 1 on ${host} with address 10.20.9.9, its claim has ${ip}`,
    ]);
    const larger = { ...spec, resources: { ...spec.resources, memoryBytes: spec.resources.memoryBytes + 1 } };
    expect(found(good, { plan: changed(good.plan, "startInstance", () => ({ spec: larger })) })).toEqual([
      `unclaimed: startInstance of web/0 generation 1 on ${host} with more memoryBytes than its claim`,
    ]);
  });

  test("a second Instance of a slot in one plan", () => {
    const good = creating();
    const start = only(good.plan, "startInstance");
    const other = otherHosts(good, start.host)[0]!;
    const twice = [...good.plan.actions, { ...start, number: good.plan.actions.length, host: other }];
    expect(found(good, { plan: { actions: twice } })).toContain(
      `unclaimed: startInstance of web/0 generation 1 on ${other}, its claim is generation 1 on ${start.host}`,
    );
  });
});

test("nothing is taken down where a slot is to live", () => {
  const good = removing();
  const slot = `of db/0 generation 1 on ${good.host}, where the slot is to live`;
  expect(found(good, { plan: without(good.plan, "slot.retired") })).toEqual(
    ["stopInstance", "removeInstance", "detachPort", "trashVolume"].map((kind) => `needed: ${kind} ${slot}`),
  );
});

describe("what is made is what is wanted (2, 3, 11)", () => {
  test("nothing for a Set that left the manifests", () => {
    const good = creating({ replicas: 1, template: LVM });
    const desired = { ...good.input.desired, sets: new Map() };
    expect(found(good, { input: { desired } })).toEqual(
      ["createVolume", "attachPort", "startInstance"].map((kind) => `unwanted: ${kind} of web/0, its Set is not in the manifests`),
    );
  });

  test("nothing beyond the count: not scaled to 0, not one more", () => {
    const good = creating({ replicas: 2 });
    const counted = (replicas: number): string[] => {
      const web = { ...good.input.desired.sets.get("web")!, count: { kind: "fixed" as const, replicas } };
      return found(good, { input: { desired: { ...good.input.desired, sets: new Map([["web", web]]) } } });
    };
    const slot = (index: number, total: number): string[] =>
      ["attachPort", "startInstance"].map((kind) => `unwanted: ${kind} of web/${index}, the Set wants ${total} slots`);
    expect(counted(0)).toEqual([...slot(0, 0), ...slot(1, 0), "surplus: 2 slots of web are created beside 0 that run, the Set wants 0"]);
    expect(counted(1)).toEqual([...slot(1, 1), "surplus: 2 slots of web are created beside 0 that run, the Set wants 1"]);
  });

  test("no other spec than the Set's", () => {
    const good = creating();
    const start = only(good.plan, "startInstance");
    expect(found(good, { plan: changed(good.plan, "startInstance", () => ({ spec: { ...start.spec, specHash: "old" } })) })).toEqual([
      "unwanted: startInstance of web/0 with another spec than its Set's",
    ]);
  });

  test("no more than are missing beside what still runs", () => {
    const { world, commit } = worldOf(pool("main"), set("web", { replicas: 4 }));
    world.converge();
    world.host(hostOf(world, "web/0")).ports = [];
    world.tamper("web", 0, null);
    world.record({ type: "slot.retired", set: "web", index: 0, generation: 1 });
    world.record({ type: "slot.cleared", set: "web", index: 0, generation: 1 });
    const good = world.plan();
    expect(good.plan.changes.filter((change) => change.kind === "create")).toHaveLength(1);
    commit(pool("main"), set("web", { replicas: 3 }));
    expect(found(good, { input: { desired: world.desired! } })).toEqual([
      "surplus: 1 slots of web are created beside 3 that run, the Set wants 3",
    ]);
  });

  test("only an elastic Set is counted", () => {
    const good = creating();
    const counted: EventBody = { type: "set.counted", set: "web", count: 3, why: "it felt like it" };
    expect(found(good, { plan: { intents: [...good.plan.intents, counted] } })).toEqual([
      "count: web is counted, its manifest says how many it has",
    ]);
    const { input, plan } = creating({ scaling: { min: 1, max: 4 } });
    expect(plan.intents.map((event) => event.type)).toContain("set.counted");
    expect(check(input, plan)).toEqual([]);
  });

  test("nothing new while a host is unseen that may have it", () => {
    const good = creating();
    const { host } = only(good.plan, "startInstance");
    const unseen = otherHosts(good, host)[0]!;
    const memory = { ...good.input.memory, uninventoried: new Set([unseen]) };
    const text = `is placed, host ${unseen} was never seen and may have it`;
    expect(found(good, { input: { memory, ...views(good.input, [unseen], SILENT) } })).toEqual([`inventory: web/0 ${text}`]);
    // It was seen in this very pass, it is off by an operator's word, or it is in another pool.
    expect(found(good, { input: { memory } })).toEqual([]);
    const dead = new Map([[unseen, { state: null, confirmedDeadAtMs: 1, who: "ada", why: "burnt" }]]);
    expect(found(good, { input: { memory: { ...memory, hosts: dead }, ...views(good.input, [unseen], SILENT) } })).toEqual([]);
  });

  test("nothing exclusive starts while a host of any pool is unseen that may run a later generation", () => {
    const good = draining({ template: LVM });
    const unseen = otherHosts(good, good.from, good.to)[0]!;
    const desired = {
      ...good.input.desired,
      hosts: good.input.desired.hosts.map((host) => (host.name === unseen ? { ...host, pool: "other" } : host)),
    };
    const memory = { ...good.input.memory, uninventoried: new Set([unseen]) };
    const { fleet } = views(good.input, [unseen], SILENT);
    expect(found(good, { input: { desired, memory, fleet } })).toEqual([
      `inventory: db/0 starts on ${good.to}, host ${unseen} was never seen and may run it`,
    ]);
    expect(found(good, { input: { desired, memory } })).toEqual([]);
    const free = draining({});
    const known = { ...free.input.memory, uninventoried: memory.uninventoried };
    expect(found(free, { input: { memory: known, ...views(free.input, [unseen], SILENT) } })).toEqual([]);
  });
});

describe("holds and silent hosts (3, 4)", () => {
  test("no step on a host whose report is not fresh", () => {
    const good = creating();
    const { host } = only(good.plan, "startInstance");
    const steps = ["pullImage", "attachPort", "startInstance", "awaitHealthy"];
    const expected = steps.map((kind) => `unknown-host: ${kind} on ${host}, whose report is not fresh`);
    expect(found(good, { input: views(good.input, [host], SILENT) })).toEqual(expected);
    expect(found(good, { input: views(good.input, [host], () => ({ observation: null })) })).toEqual(expected);
    expect(found(good, { input: { monotonicMs: good.input.monotonicMs + 15_000 } })).toEqual(expected);
  });

  test.each(["set", "host", "pool"] as const)("nothing in spite of a hold on the %s, until it is over", (scope) => {
    const good = creating();
    const { host } = only(good.plan, "startInstance");
    const name = { set: "web", host, pool: "main" }[scope];
    const held = (untilMs: number | null): string[] => {
      const hold: Hold = { scope, name, who: "ada", why: "audit", sinceMs: 0, untilMs };
      return found(good, { input: { memory: { ...good.input.memory, holds: new Map([[`${scope}/${name}`, hold]]) } } });
    };
    const steps = ["pullImage", "attachPort", "startInstance", "awaitHealthy"];
    const expected = steps.map((kind) => `held: ${kind} for web on ${host} in spite of a hold`);
    expect(held(null)).toEqual(expected);
    expect(held(good.input.nowMs + 1)).toEqual(expected);
    expect(held(good.input.nowMs)).toEqual([]);
  });
});

describe("what is exclusive lives once (1)", () => {
  const twice = ({ from, to }: { readonly from: string; readonly to: string }): string =>
    `two-live: db/0 generation 2 starts on ${to} while generation 1 may run on ${from}`;

  /** The same, with a slot brought up at once. */
  function atOnce(plan: Plan, exclusive: boolean): { readonly actions: readonly Action[] } {
    const actions = plan.actions.map((action): Action => {
      if (action.kind === "attachPort" || action.kind === "createVolume") return { ...action, needs: [] };
      if (action.kind !== "startInstance") return action;
      const needs = action.needs.filter((need) => ["attachPort", "createVolume"].includes(plan.actions[need]!.kind));
      return { ...action, needs, spec: { ...action.spec, exclusive } };
    });
    return { actions };
  }

  test("it starts after the earlier generation was seen gone", () => {
    const good = draining({ template: LVM });
    expect(found(good, { plan: atOnce(good.plan, true) })).toEqual([twice(good)]);
  });

  test("it waits where only the earlier one was exclusive, and where only the new one is", () => {
    const strict = draining({ template: LVM });
    expect(found(strict, { plan: atOnce(strict.plan, false) })).toEqual([twice(strict)]);
    const free = draining({});
    expect(found(free, { plan: atOnce(free.plan, false) })).toEqual([]);
    expect(found(free, { plan: atOnce(free.plan, true) })).toEqual([twice(free)]);
  });

  /** A lost host's slot, in a pool with or without a lease; the good plan is the one after its host was confirmed dead. */
  function lost(leaseFor?: string): Good & { readonly from: string; readonly to: string } {
    const { world } = worldOf(
      pool("main", leaseFor === undefined ? {} : { failure: { leaseFor } }),
      set("db", { replicas: 1, template: LVM }),
    );
    world.converge();
    const from = hostOf(world, "db/0");
    world.host(from).silent = true;
    world.nowMs += 61_000;
    world.plan();
    world.record({ type: "host.dead", host: from, who: "ada", why: "burnt" });
    const good = world.plan();
    return { ...good, from, to: good.plan.changes[0]!.host! };
  }

  test("silence is no death", () => {
    const good = lost();
    expect(found(good, { input: { memory: { ...good.input.memory, hosts: new Map() } } })).toEqual([twice(good)]);
    const back = views(good.input, [good.from], () => ({ problem: "", heardAtMs: good.input.monotonicMs }));
    expect(found(good, { input: back })).toContain(twice(good));
  });

  test("a lease is over only after its time, the stop's and that of an older, longer one", () => {
    const good = lost("60s");
    const memory = { ...good.input.memory, hosts: new Map() };
    const unheard = (silentMs: number, leasedUntilMs?: number): string[] => {
      const older = leasedUntilMs === undefined ? {} : { leasedUntilMs };
      const fleet = views(good.input, [good.from], () => ({ heardAtMs: good.input.monotonicMs - silentMs, ...older }));
      return found(good, { input: { memory, ...fleet } });
    };
    expect(unheard(69_000)).toEqual([twice(good)]);
    expect(unheard(71_000)).toEqual([]);
    expect(unheard(71_000, good.input.monotonicMs - 9_000)).toEqual([twice(good)]);
    expect(unheard(71_000, good.input.monotonicMs - 11_000)).toEqual([]);
    expect(unheard(1e9, Infinity)).toEqual([twice(good)]);
  });
});

describe("an address belongs to one slot", () => {
  test("not one that another slot has by the journal, lives or not", () => {
    const { world, commit } = worldOf(pool("main"), set("api", { replicas: 1 }));
    world.converge();
    const host = hostOf(world, "api/0");
    commit(pool("main"), set("api", { replicas: 1 }), set("web", { replicas: 1 }));
    const good = world.plan();
    const { ip } = world.memory.sets.get("api")!.slots.get(0)!.current!;
    const plan = { ...placedAs(good.plan, () => ({ ip })), ...sameAddress(good.plan, ip!) };
    const text = `address: web/0 takes ${ip}, which generation 1 of api/0 has on ${host}`;
    expect(found(good, { plan })).toEqual([text]);
    // Only seen, as an Instance or as a port: the journal does not know of it.
    const memory = { ...good.input.memory, sets: new Map([...good.input.memory.sets].filter(([name]) => name !== "api")) };
    expect(found(good, { input: { memory }, plan })).toEqual([text]);
    const port = views(good.input, [host], shows({ instances: [] }));
    expect(found(good, { input: { memory, ...port }, plan })).toEqual([text]);
    expect(found(good, { input: { memory, ...views(good.input, [host], shows({ instances: [], ports: [] })) }, plan })).toEqual([]);
  });

  test("not one that another slot takes in the same plan", () => {
    const good = creating({ replicas: 2 });
    const ip = "10.20.5.5";
    expect(found(good, { plan: { ...placedAs(good.plan, () => ({ ip })), ...sameAddress(good.plan, ip) } })).toEqual([
      `address: web/1 takes ${ip}, which web/0 takes in the same plan`,
    ]);
  });

  test("not its own of a generation that may live on elsewhere, until that is gone for certain", () => {
    const good = draining({});
    const { ip } = good.input.memory.sets.get("db")!.slots.get(0)!.current!;
    const plan = { ...placedAs(good.plan, () => ({ ip })), ...sameAddress(good.plan, ip!) };
    const text = `address: db/0 takes ${ip}, which generation 1 of db/0 has on ${good.from}`;
    expect(found(good, { plan })).toEqual([text]);
    expect(found(good, { plan, input: views(good.input, [good.from], shows({ instances: [], ports: [] })) })).toEqual([text]);
    const gone = views(good.input, [good.from], shows({ instances: [], ports: [], floors: { "db/0": 2 } }));
    expect(found(good, { plan, input: gone })).toEqual([]);
  });

  test("a reused one comes along, since what reuses it waits", () => {
    const good = draining({ template: { ...LVM, network: { ip: "reuse" } } });
    expect(only(good.plan, "startInstance").ip).toBe(good.input.memory.sets.get("db")!.slots.get(0)!.current!.ip);
  });

  function sameAddress(plan: Plan, ip: string): { readonly actions: readonly Action[] } {
    return { actions: plan.actions.map((action) => ("ip" in action ? { ...action, ip } : action)) };
  }
});
