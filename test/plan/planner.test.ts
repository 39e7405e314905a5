import { describe, expect, test } from "vitest";
import type { Manifest } from "../../reconciler/core/manifest-types.ts";
import type { Plan } from "../../reconciler/core/plan.ts";
import { compareText } from "../../reconciler/core/order.ts";
import { container, pool, set } from "../desired/documents.ts";
import { LVM, worldOf } from "./world-of.ts";

function kinds(plan: Plan): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const change of plan.changes) counts[change.kind] = (counts[change.kind] ?? 0) + 1;
  return counts;
}

describe("planner", () => {
  test("creates what is missing, then has nothing to do", () => {
    const { world } = worldOf(pool("main"), set("web", { replicas: 3 }));
    const { plan } = world.pass();
    expect(kinds(plan)).toEqual({ create: 3 });
    expect(plan.actions.filter((action) => action.kind === "startInstance")).toHaveLength(3);
    world.converge();
    expect(world.plan().plan).toMatchObject({
      actions: [],
      intents: [],
      changes: [],
      unchanged: 3,
      problems: [],
      held: [],
      wakeAtMs: null,
    });
    expect(world.memory.sets.get("web")?.task).toBeNull();
  });

  test("spreads over zones", () => {
    const { world } = worldOf(pool("main"), set("web", { replicas: 6 }));
    world.converge();
    const zones = world.running().map((at) => at.split("-")[1]!);
    expect(zones.sort(compareText)).toEqual(["a", "a", "b", "b", "c", "c"]);
  });

  test("survive one zone: more Instances than replicas", () => {
    const { world } = worldOf(pool("main"), set("web", { replicas: 4, placement: { zones: { survive: 1 } } }));
    world.converge();
    expect(world.running()).toHaveLength(6);
  });

  test("an image change replaces in place, as many at once as may be unavailable", () => {
    const { world, commit } = worldOf(pool("main"), set("web", { replicas: 4, rollout: { maxUnavailable: 1 } }));
    world.converge();
    const before = world.running();
    commit(
      pool("main"),
      set("web", { replicas: 4, rollout: { maxUnavailable: 1 }, template: { containers: [container("app", { image: "shop/app:1.1" })] } }),
    );
    const { plan } = world.plan();
    expect(kinds(plan)).toEqual({ replace: 4 });
    expect(plan.changes[0]!.what).toBe("image app 1.0 -> 1.1");
    const recreated = plan.actions.filter((action) => action.kind === "replaceContainers");
    expect(recreated).toHaveLength(4);
    for (const [turn, action] of recreated.entries()) {
      if (turn > 0) expect(action.needs.some((need) => plan.actions[need]!.kind === "awaitHealthy")).toBe(true);
    }
    world.converge();
    expect(world.running()).toEqual(before);
    expect(world.host(before[0]!.split("@")[1]!).instances[0]!.images).toEqual({ app: "docker.io/shop/app:1.1" });
  });

  test("slots that find no host do not hold up a rollout of those that run", () => {
    const big = (image: string): Manifest => {
      const app = container("app", { image, resources: { cpu: { request: "1" }, memory: { request: "30Gi" } } });
      return set("web", { replicas: 80, rollout: { maxUnavailable: 2 }, template: { containers: [app] } });
    };
    const { world, commit } = worldOf(pool("main"), big("shop/app:1.0"));
    for (let passes = 0; passes < 3; passes++) world.pass();
    expect(world.running()).toHaveLength(60);
    commit(pool("main"), big("shop/app:1.1"));
    expect(kinds(world.pass().plan)).toEqual({ replace: 60, blocked: 20 });
  });

  test("a limit changes in place", () => {
    const { world, commit } = worldOf(pool("main"), set("web"));
    world.converge();
    const bigger = container("app", { resources: { cpu: { request: "500m" }, memory: { request: "512Mi", limit: "1Gi" } } });
    commit(pool("main"), set("web", { template: { containers: [bigger] } }));
    const { plan } = world.plan();
    expect(kinds(plan)).toEqual({ update: 2 });
    expect(plan.changes[0]!.what).toBe("memory limit app none -> 1Gi");
    world.converge();
  });

  test("scaling down removes the highest slots and frees what they held", () => {
    const { world, commit } = worldOf(pool("main"), set("web", { replicas: 3 }));
    world.converge();
    commit(pool("main"), set("web", { replicas: 2 }));
    expect(kinds(world.plan().plan)).toEqual({ keep: 2, remove: 1 });
    world.converge();
    expect(world.running().map((at) => at.split("@")[0])).toEqual(["web/0", "web/1"]);
    expect(world.memory.sets.get("web")!.slots.has(2)).toBe(false);
    expect(world.memory.sets.get("web")!.generations.get(2)).toBe(1);
  });

  test("a removed Set's volumes go to the trash and are purged when they expired", () => {
    const stays = set("web", { replicas: 30 });
    const { world, commit } = worldOf(pool("main"), stays, set("db", { replicas: 1, template: LVM }));
    world.converge();
    const host = world
      .running()
      .find((at) => at.startsWith("db/"))!
      .split("@")[1]!;
    commit(pool("main"), stays);
    world.converge();
    expect(world.host(host).volumes).toEqual([]);
    expect(world.host(host).trash).toHaveLength(1);
    world.nowMs += 6 * 86_400_000;
    expect(world.plan().plan.actions).toEqual([]);
    world.nowMs += 86_400_000;
    expect(world.pass().plan.actions.map((action) => action.kind)).toEqual(["purgeVolume"]);
    expect(world.host(host).trash).toEqual([]);
  });

  test("destroys over the budget wait for a person", () => {
    const { world, commit } = worldOf(pool("main"), set("web", { replicas: 30 }), set("api", { replicas: 30 }));
    world.converge();
    commit(pool("main"), set("api", { replicas: 30 }));
    const { plan } = world.pass();
    expect(plan.held.map(({ zone, destroys, budget }) => [zone, destroys, budget])).toEqual([
      ["a", 10, 2],
      ["b", 10, 2],
      ["c", 10, 2],
    ]);
    expect(new Set(plan.held.map((held) => held.hash)).size).toBe(1);
    expect(plan.actions).toEqual([]);
    world.record({ type: "destroys.confirmed", hash: plan.held[0]!.hash, who: "ada" });
    world.converge();
    expect(world.running()).toHaveLength(30);
  });

  test("nothing is destroyed while the manifests can't be trusted", () => {
    const { world, commit } = worldOf(pool("main"), set("web", { replicas: 3 }));
    world.converge();
    commit(pool("main"), set("web", { replicas: 2 }));
    world.destroysFrozen = "the newest commit is not valid";
    expect(world.pass().plan.actions).toEqual([]);
    world.destroysFrozen = null;
    world.converge();
    expect(world.running()).toHaveLength(2);
  });

  test("a held Set stands still and says what it would do", () => {
    const { world, commit } = worldOf(pool("main"), set("web"));
    world.converge();
    world.record({
      type: "hold.placed",
      hold: { scope: "set", name: "web", who: "ada", why: "audit", sinceMs: world.nowMs, untilMs: world.nowMs + 60_000 },
    });
    commit(pool("main"), set("web", { replicas: 3 }));
    const { plan } = world.pass();
    expect(plan.actions).toEqual([]);
    expect(plan.changes.at(-1)).toMatchObject({
      kind: "blocked",
      decision: { code: "wait.hold", text: "set web is held by ada: audit; would create" },
    });
    expect(plan.wakeAtMs).toBe(world.nowMs + 60_000);
    world.nowMs += 60_000;
    world.converge();
    expect(world.running()).toHaveLength(3);
  });

  test("a lost host: free Sets move, exclusive ones wait for the word that it is dead", () => {
    const { world } = worldOf(pool("main"), set("web", { replicas: 3 }), set("db", { replicas: 1, template: LVM }));
    world.converge();
    const webHost = world
      .running()
      .find((at) => at.startsWith("web/0"))!
      .split("@")[1]!;
    const dbHost = world
      .running()
      .find((at) => at.startsWith("db/0"))!
      .split("@")[1]!;
    world.host(webHost).silent = true;
    world.host(dbHost).silent = true;
    world.nowMs += 30_000;
    expect(world.pass().plan.actions).toEqual([]);
    world.nowMs += 31_000;
    const { plan } = world.pass();
    expect(plan.changes.find((change) => change.set === "web" && change.kind === "move")).toMatchObject({ index: 0, from: webHost });
    expect(plan.changes.find((change) => change.set === "db")).toMatchObject({ kind: "blocked", decision: { code: "wait.fence" } });
    world.record({ type: "host.dead", host: dbHost, who: "ada", why: "burnt" });
    world.pass();
    world.pass();
    expect(world.running().filter((at) => at.startsWith("db/0"))).toHaveLength(2); // One of them on the dead host.
  });

  test("a host that comes back loses the generation that was replaced", () => {
    const { world } = worldOf(pool("main"), set("web", { replicas: 3 }));
    world.converge();
    const lost = world
      .running()
      .find((at) => at.startsWith("web/0"))!
      .split("@")[1]!;
    world.host(lost).silent = true;
    world.nowMs += 61_000;
    world.pass();
    world.pass();
    expect(world.running()).toHaveLength(4);
    world.pass();
    expect(world.memory.sets.get("web")!.task).toBeNull();
    world.host(lost).silent = false;
    world.converge();
    expect(world.running()).toHaveLength(3);
    expect(world.running().some((at) => at.endsWith(lost))).toBe(false);
  });

  test("an exclusive slot waits for its host's lease to run out, then starts elsewhere", () => {
    const leased = pool("main", { failure: { leaseFor: "60s" } });
    const { world } = worldOf(leased, set("db", { replicas: 1, template: LVM }));
    world.converge();
    const host = world.running()[0]!.split("@")[1]!;
    world.host(host).silent = true;
    world.nowMs += 61_000;
    const { plan } = world.pass();
    expect(plan.actions).toEqual([]);
    // 60 s lease × 1.05 + 10 s stop timeout + 5 s margin.
    expect(plan.wakeAtMs).toBe(world.nowMs + 17_000);
    world.nowMs += 17_000;
    expect(kinds(world.pass().plan)).toMatchObject({ move: 1 });
  });

  test("the brake: when many hosts fall silent together nothing moves", () => {
    const { world } = worldOf(pool("main"), set("web", { replicas: 30 }));
    world.converge();
    for (const host of [...world.hosts.values()].slice(0, 10)) host.silent = true;
    world.nowMs += 120_000;
    const { plan } = world.pass();
    expect(plan.actions).toEqual([]);
    expect(plan.problems.map((problem) => problem.code)).toContain("brake");
  });

  test("draining starts elsewhere first, except for what must not run twice", () => {
    const { world } = worldOf(pool("main"), set("web", { replicas: 1 }), set("db", { replicas: 1, template: LVM }));
    world.converge();
    for (const at of world.running())
      world.record({ type: "host.state", host: at.split("@")[1]!, state: "draining", who: "ada", why: "new disks" });
    const { plan } = world.pass();
    const order = (name: string): string[] => plan.actions.filter((action) => action.set === name).map((action) => action.kind);
    expect(order("web").indexOf("stopInstance")).toBeGreaterThan(order("web").indexOf("awaitHealthy"));
    expect(order("db").indexOf("stopInstance")).toBeLessThan(order("db").indexOf("startInstance"));
    world.converge();
    expect(world.running()).toHaveLength(2);
  });

  test("a vanished container is made again on the same host with the same generation's successor rules", () => {
    const { world } = worldOf(pool("main"), set("web"));
    world.converge();
    const before = world.running();
    world.tamper("web", 0, null);
    expect(kinds(world.plan().plan)).toEqual({ create: 1, keep: 1 });
    world.converge();
    expect(world.running()).toEqual(before);
  });

  test("crashes back off and end Stalled; another template starts anew", () => {
    const { world, commit } = worldOf(pool("main"), set("web", { replicas: 1 }));
    world.fails = (action) => (action.kind === "awaitHealthy" ? { code: "unhealthy", message: "exit 1" } : null);
    for (let passes = 0; passes < 40; passes++) {
      world.pass();
      world.tamper("web", 0, { healthy: false });
      world.nowMs += 60_000;
    }
    const { plan } = world.plan();
    expect(plan.actions).toEqual([]);
    expect(plan.changes[0]).toMatchObject({ kind: "blocked", decision: { code: "wait.stalled" } });
    expect(world.memory.sets.get("web")!.failures.get(0)!.count).toBe(5);
    world.fails = () => null;
    commit(pool("main"), set("web", { replicas: 1, template: { containers: [container("app", { image: "shop/app:1.1" })] } }));
    world.converge();
    expect(world.running()).toHaveLength(1);
  });

  test("a host on which starting failed twice is left for another", () => {
    const { world } = worldOf(pool("main"), set("web", { replicas: 1 }));
    const first = world.plan().plan.changes[0]!.host!;
    world.fails = (action) =>
      action.host === first && action.kind === "startInstance" ? { code: "disk-full", message: "no space" } : null;
    for (let passes = 0; passes < 6; passes++) {
      world.pass();
      world.nowMs += 10_000;
    }
    world.converge();
    expect(world.running()[0]).not.toContain(first);
  });

  test("no room: the slot is blocked and says what lacks", () => {
    const { world } = worldOf(
      pool("main"),
      set("web", {
        replicas: 1,
        template: { containers: [container("app", { resources: { cpu: { request: "1" }, memory: { request: "64Gi" } } })] },
      }),
      set("huge", {
        replicas: 40,
        template: { containers: [container("app", { resources: { cpu: { request: "1" }, memory: { request: "40Gi" } } })] },
      }),
    );
    const { plan } = world.pass();
    const blocked = plan.changes.filter((change) => change.kind === "blocked");
    expect(blocked.length).toBeGreaterThan(0);
    expect(blocked[0]!.decision.text).toContain("lack memory");
  });

  test("with the journal gone, placements and addresses come back from the hosts", () => {
    const { world } = worldOf(pool("main"), set("web", { replicas: 5 }), set("db", { replicas: 2, template: LVM }));
    world.converge();
    const before = world.running();
    const addresses = [...world.hosts.values()].flatMap((host) => host.ports.map((port) => port.ip)).sort(compareText);
    const survivor = world.withoutJournal();
    expect(survivor.pass().plan.actions).toEqual([]);
    survivor.converge();
    expect(survivor.running()).toEqual(before);
    const leased = [...survivor.memory.sets.values()]
      .flatMap((memory) => [...memory.slots.values()].map((slot) => slot.current!.ip!))
      .sort(compareText);
    expect(leased).toEqual(addresses);
  });

  test("a slot that grows beyond its host moves when it holds no data", () => {
    const small = pool("main", { hosts: [{ name: "s-[1-2]", zone: "a", capacity: { cpu: 4, memory: "4Gi" } }] });
    const of = (memory: string): Manifest =>
      set("web", {
        replicas: 2,
        template: { containers: [container("app", { resources: { cpu: { request: "500m" }, memory: { request: memory } } })] },
      });
    const { world, commit } = worldOf(small, of("1Gi"), set("api", { replicas: 2 }));
    world.converge();
    commit(small, of("3Gi"), set("api", { replicas: 2 }));
    world.converge();
    expect(world.running()).toHaveLength(4);
    commit(small, of("4Gi"), set("api", { replicas: 2 }));
    expect(world.pass().plan.changes.filter((change) => change.kind === "blocked").length).toBeGreaterThan(0);
  });

  describe("a slot that can't grow where it is", () => {
    const capacity = { cpu: 4, memory: "4Gi", disk: "1Ti" };
    const hosts = (names: string): Manifest => pool("main", { hosts: [{ name: names, zone: "a", capacity }] });
    const of = (name: string, memory: string, template: Partial<typeof LVM> = {}): Manifest => {
      const app = container("app", { resources: { cpu: { request: "500m" }, memory: { request: memory } } });
      return set(name, {
        replicas: 1,
        template: { ...template, containers: [{ ...app, ...template.containers?.[0], resources: app.resources }] },
      });
    };
    const grown = [hosts("s-[1-4]"), of("web", "3Gi"), of("api", "1500Mi")];

    test("moves", () => {
      const { world, commit } = worldOf(hosts("s-[1-1]"), of("web", "1Gi"), of("api", "1500Mi"));
      world.converge();
      commit(...grown);
      expect(world.pass().plan.changes).toMatchObject([{ set: "web", kind: "move", from: "s-1" }]);
    });

    test("stays while its pool is braked", () => {
      const { world, commit } = worldOf(hosts("s-[1-1]"), of("web", "1Gi"), of("api", "1500Mi"));
      world.converge();
      commit(...grown);
      for (const name of ["s-3", "s-4"]) world.host(name).silent = true;
      world.nowMs += 15_000;
      const { plan } = world.pass();
      expect(plan.changes).toMatchObject([{ set: "web", kind: "blocked", decision: { code: "blocked.capacity" } }]);
    });

    test("moves when its Set wants no data any more, and that is in the trash", () => {
      const { world, commit } = worldOf(hosts("s-[1-1]"), of("web", "1Gi", LVM), of("api", "1500Mi"));
      world.converge();
      commit(hosts("s-[1-1]"), of("web", "1Gi"), of("api", "1500Mi"));
      world.converge();
      commit(...grown);
      expect(world.host("s-1")).toMatchObject({ volumes: [], trash: [{ set: "web", index: 0, name: "data", kind: "lvm" }] });
      expect(world.pass().plan.changes).toMatchObject([{ set: "web", kind: "move", from: "s-1" }]);
    });

    test("stays where its data is", () => {
      const { world, commit } = worldOf(hosts("s-[1-1]"), of("web", "1Gi", LVM), of("api", "1500Mi"));
      world.converge();
      commit(hosts("s-[1-4]"), of("web", "3Gi", LVM), of("api", "1500Mi"));
      expect(world.pass().plan.changes).toMatchObject([{ set: "web", kind: "blocked", decision: { code: "blocked.capacity" } }]);
      expect(world.host("s-1").volumes).toHaveLength(1);
    });
  });
});
