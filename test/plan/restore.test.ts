import { describe, expect, test } from "vitest";
import type { Restore } from "../../reconciler/core/memory.ts";
import { LVM, worldOf } from "./world-of.ts";
import { changed, found, hostOf, only, shows, views } from "./forge.ts";
import type { PureWorld } from "./pure-world.ts";
import { pool, set } from "../desired/documents.ts";

const DATA = 777;
const OTHER = 555;

/** What the slot's volume holds; null: it has none. In this world the bytes in use tell contents apart. */
function contentOf(world: PureWorld, name: string, index: number): number | null {
  const volumes = [...world.hosts.values()].flatMap((host) => host.volumes);
  return volumes.find((volume) => volume.set === name && volume.index === index)?.usedBytes ?? null;
}

function write(world: PureWorld, usedBytes: number): void {
  for (const host of world.hosts.values()) {
    host.volumes = host.volumes.map((volume) => ({ ...volume, usedBytes }));
    host.observation = null;
  }
}

const DB = set("db", { replicas: 1, template: LVM });

/** A Set with data that was removed, its volume in the trash of a host. */
function removed(): { readonly world: PureWorld; readonly commit: ReturnType<typeof worldOf>["commit"]; readonly host: string } {
  const { world, commit } = worldOf(pool("main"), DB);
  world.converge();
  const host = hostOf(world, "db/0");
  write(world, DATA);
  commit(pool("main"));
  world.converge();
  return { world, commit, host };
}

/** The Set is back with a new volume, in which there is other data by now. */
function again(): ReturnType<typeof removed> {
  const past = removed();
  past.commit(pool("main"), DB);
  past.world.converge();
  write(past.world, OTHER);
  return past;
}

/** A pool of one host with 10 GiB of disk. */
function tight(reclaim: "never" | "when-full"): ReturnType<typeof pool> {
  const hosts = [{ name: "a-1", zone: "a", capacity: { cpu: "8", memory: "16Gi", disk: "10Gi" } }];
  return pool("main", { hosts, storage: { volumeGroup: "data", trash: { keepFor: "7d", reclaim } } });
}

function volumeOf(size: string): typeof LVM {
  return { ...LVM, volumes: [{ name: "data", lvm: { size } }] };
}

const KINDS = ["restoreVolume", "attachPort", "startInstance", "awaitHealthy"];

describe("a restore", () => {
  test("waits for its Set, and is what the Set begins with", () => {
    const { world, commit, host } = removed();
    world.askRestore("db/0");
    expect(world.plan().plan).toMatchObject({
      actions: [],
      problems: [{ code: "restore-waits", text: "waits for Set db in the manifests" }],
    });
    commit(pool("main"), DB);
    expect(world.plan().plan.actions.map(({ kind }) => kind)).toEqual(KINDS);
    world.converge();
    expect([world.running(), contentOf(world, "db", 0)]).toEqual([[`db/0@${host}`], DATA]);
    expect([world.memory.restores.size, world.host(host).trash]).toEqual([0, []]);
  });

  test("keeps its entry beyond keepFor", () => {
    const { world, commit } = removed();
    world.askRestore("db/0");
    world.nowMs += 30 * 86_400_000;
    expect(world.plan().plan.actions).toEqual([]);
    commit(pool("main"), DB);
    world.converge();
    expect(contentOf(world, "db", 0)).toBe(DATA);
  });

  test("goes into a Set of another name", () => {
    const { world, commit } = removed();
    commit(pool("main"), set("copy", { replicas: 2, template: LVM }));
    const before = world.running().length;
    world.askRestore("db/0", { into: "copy/1" });
    world.converge();
    expect([before, contentOf(world, "copy", 0), contentOf(world, "copy", 1)]).toEqual([0, 0, DATA]);
  });

  test("does not touch a slot that has data, unless it is to replace that", () => {
    const { world } = again();
    const { host, trashId } = world.askRestore("db/0");
    world.converge();
    expect([contentOf(world, "db", 0), world.memory.restores.size]).toEqual([OTHER, 1]);
    world.record({ type: "restore.cancelled", host, trashId, who: "ada", why: "" });
    expect(world.plan().plan.problems).toEqual([]);
    world.askRestore("db/0", { replace: true });
    world.converge();
    expect(contentOf(world, "db", 0)).toBe(DATA);
    expect(world.host(host).trash.map(({ usedBytes }) => usedBytes)).toEqual([OTHER]);
  });

  test("that replaces data needs the pool's budget", () => {
    const small = pool("main", { budget: { percent: 100, count: 1 } });
    const two = set("db", { replicas: 2, template: LVM, placement: { zones: { only: ["a"] } } });
    const { world, commit } = worldOf(small, two);
    const confirm = (): void => world.record({ type: "destroys.confirmed", hash: world.plan().plan.held[0]!.hash, who: "ada" });
    world.converge();
    write(world, DATA);
    commit(small);
    confirm();
    world.converge();
    commit(small, two);
    world.converge();
    write(world, OTHER);
    for (const index of [0, 1]) world.askRestore(`db/${index}`, { replace: true });
    const { plan } = world.plan();
    expect(plan.held).toMatchObject([{ zone: "a", destroys: 2, budget: 1 }]);
    expect([plan.actions, plan.changes.map(({ decision }) => decision.code)]).toEqual([[], ["wait.budget", "wait.budget"]]);
    confirm();
    world.converge();
    expect([contentOf(world, "db", 0), contentOf(world, "db", 1)]).toEqual([DATA, DATA]);
  });

  test("waits while destroys are frozen, a hold is placed or its host is silent, and the slot lives on", () => {
    const { world, host } = again();
    world.askRestore("db/0", { replace: true });
    world.destroysFrozen = "the fetch failed";
    expect(world.plan().plan).toMatchObject({ actions: [], changes: [{ decision: { code: "wait.frozen" } }] });
    world.destroysFrozen = null;
    world.record({ type: "hold.placed", hold: { scope: "set", name: "db", who: "ada", why: "x", sinceMs: 0, untilMs: null } });
    expect(world.plan().plan).toMatchObject({ actions: [], changes: [{ decision: { code: "wait.hold" } }] });
    world.record({ type: "hold.released", scope: "set", name: "db", who: "ada" });
    world.host(host).silent = true;
    expect(world.plan().plan.actions).toEqual([]);
    world.host(host).silent = false;
    world.converge();
    expect(contentOf(world, "db", 0)).toBe(DATA);
  });

  test("begun when destroys are frozen again: the slot starts with what it has, and changes later", () => {
    const { world } = again();
    world.askRestore("db/0", { replace: true });
    world.pass(3);
    world.pass(0);
    expect(world.running()).toEqual([]);
    world.destroysFrozen = "the fetch failed";
    for (let passes = 0; passes < 4; passes++) world.pass();
    expect([world.running().length, contentOf(world, "db", 0), world.memory.restores.size]).toEqual([1, OTHER, 1]);
    world.destroysFrozen = null;
    world.converge();
    expect([world.running().length, contentOf(world, "db", 0), world.memory.restores.size]).toEqual([1, DATA, 0]);
  });

  test("a slot that is Stalled is tried again with other data", () => {
    const { world } = again();
    world.fails = (action) =>
      action.kind === "startInstance" || action.kind === "awaitHealthy" ? { code: "crashed", message: "bad data" } : null;
    world.tamper("db", 0, { phase: "failed", healthy: false, message: "bad data" });
    for (let passes = 0; passes < 40; passes++) {
      world.pass();
      world.nowMs += 300_000;
    }
    expect(world.plan().plan.changes[0]?.decision.code).toBe("wait.stalled");
    world.fails = () => null;
    world.askRestore("db/0", { replace: true });
    world.converge();
    expect([world.running().length, contentOf(world, "db", 0)]).toEqual([1, DATA]);
  });

  test("whose entry vanished is kept to be seen, and the slot goes on without it", () => {
    const { world, commit, host } = removed();
    const { trashId } = world.askRestore("db/0");
    world.host(host).trash = [];
    world.host(host).observation = null;
    commit(pool("main"), DB);
    world.converge();
    expect(contentOf(world, "db", 0)).toBe(0);
    expect(world.plan().plan.problems).toMatchObject([{ code: "restore-lost", severity: "error", subject: `trash/${host}/${trashId}` }]);
    world.record({ type: "restore.cancelled", host, trashId, who: "ada", why: "" });
    expect(world.plan().plan.problems).toEqual([]);
  });

  test("needs no other room than its own entry has", () => {
    for (const reclaim of ["never", "when-full"] as const) {
      const small = tight(reclaim);
      const { world, commit } = worldOf(
        small,
        set("db", { replicas: 1, template: volumeOf("6Gi") }),
        set("old", { replicas: 1, template: volumeOf("4Gi") }),
      );
      world.converge();
      write(world, DATA);
      for (const left of [[set("db", { replicas: 1, template: volumeOf("6Gi") })], []]) {
        commit(small, ...left);
        world.converge();
      }
      world.askRestore("db/0");
      commit(small, set("db", { replicas: 1, template: volumeOf("6Gi") }));
      world.converge();
      const [host] = [...world.hosts.values()];
      expect([reclaim, contentOf(world, "db", 0), host!.trash.map((entry) => entry.set)]).toEqual([reclaim, DATA, ["old"]]);
    }
  });

  test("is not lost while its host can't show its trash", () => {
    const { world, commit, host } = removed();
    world.askRestore("db/0");
    const { trash } = world.host(host);
    world.host(host).trash = [];
    world.setCapabilities(host, ["cgroup", "docker", "ovs", "tc"]);
    commit(pool("main"), DB);
    world.pass();
    expect(world.memory.restores.size).toBe(1);
    expect(world.running()).toEqual([]);
    world.host(host).trash = trash;
    world.setCapabilities(host, ["cgroup", "docker", "lvm", "ovs", "tc"]);
    world.converge();
    expect(contentOf(world, "db", 0)).toBe(DATA);
  });

  test("cancelled between its steps leaves both volumes", () => {
    const { world, host } = again();
    const { trashId } = world.askRestore("db/0", { replace: true });
    world.pass(4);
    expect(world.host(host).trash.map(({ usedBytes }) => usedBytes)).toEqual([DATA, OTHER]);
    world.record({ type: "restore.cancelled", host, trashId, who: "ada", why: "" });
    world.converge();
    expect([contentOf(world, "db", 0), world.host(host).trash.length]).toEqual([0, 2]);
  });
});

describe("a reconciler that dies", () => {
  const cases: readonly [string, () => ReturnType<typeof removed>, boolean][] = [
    ["into a new slot", removed, false],
    ["in place of other data", again, true],
  ];
  test.each(cases)("after any step of a restore %s finishes it", (_, prepare, replace) => {
    for (let steps = 0; steps < 9; steps++) {
      const { world, commit, host } = prepare();
      world.askRestore("db/0", { replace });
      commit(pool("main"), DB);
      world.pass(steps);
      world.restart();
      world.converge();
      expect([steps, contentOf(world, "db", 0), world.memory.restores.size, world.running()]).toEqual([steps, DATA, 0, [`db/0@${host}`]]);
      const left = world.host(host).trash.map(({ usedBytes }) => usedBytes);
      expect([steps, left]).toEqual([steps, replace ? [OTHER] : []]);
    }
  });

  test.each(cases)("and loses its journal after any step of a restore %s loses no data", (_, prepare, replace) => {
    for (let steps = 0; steps < 9; steps++) {
      const { world, commit, host } = prepare();
      world.askRestore("db/0", { replace });
      commit(pool("main"), DB);
      world.pass(steps);
      const survivor = world.withoutJournal();
      survivor.converge();
      const { trash, volumes } = survivor.host(host);
      const all = [...trash, ...volumes].map(({ usedBytes }) => usedBytes);
      expect([steps, all.includes(DATA), all.includes(OTHER)]).toEqual([steps, true, replace]);
      expect(survivor.running()).toHaveLength(1);
    }
  });
});

describe("a purge that was asked for", () => {
  test("destroys the entry before its time, once", () => {
    const { world, host } = removed();
    const entry = world.host(host).trash[0]!;
    const wish = {
      host,
      trashId: entry.id,
      trashedAtMs: entry.trashedAtMs,
      kind: "lvm",
      who: "ada",
      why: "full",
      sinceMs: world.nowMs,
    } as const;
    world.record({ type: "purge.asked", purge: wish });
    expect(only(world.pass().plan, "purgeVolume")).toMatchObject({ host, trashId: entry.id });
    world.converge();
    expect([world.host(host).trash, world.memory.purges.size]).toEqual([[], 0]);
  });

  test("is of that very entry", () => {
    const { world, host } = removed();
    const { id: trashId, trashedAtMs } = world.host(host).trash[0]!;
    const wish = { host, trashId, trashedAtMs: trashedAtMs - 1, kind: "lvm", who: "ada", why: "", sinceMs: 0 } as const;
    world.record({ type: "purge.asked", purge: wish });
    world.converge();
    expect([world.host(host).trash.length, world.memory.purges.size]).toEqual([1, 0]);
  });
});

describe("the check finds", () => {
  /** A good plan of a restore, and its wish. */
  function good(prepare: () => ReturnType<typeof removed>, replace: boolean) {
    const { world, commit, host } = prepare();
    const restore = world.askRestore("db/0", { replace });
    commit(pool("main"), DB);
    return { ...world.plan(), host, restore };
  }
  const wishes = (it: { readonly input: { readonly memory: object } }, change: Partial<Restore> | null, restore: Restore) => {
    const key = `${restore.host}/${restore.trashId}`;
    const restores = change === null ? new Map() : new Map([[key, { ...restore, ...change }]]);
    return { memory: { ...it.input.memory, restores } as never };
  };

  test("a restore nobody asked for", () => {
    const it = good(removed, false);
    const said = `restore: ${it.restore.trashId} on ${it.host} is restored into db/0, which nobody asked for`;
    expect(found(it, { input: wishes(it, null, it.restore) })).toEqual([said]);
    expect(found(it, { input: wishes(it, { trashedAtMs: 1 }, it.restore) })).toEqual([said]);
    expect(found(it, { input: wishes(it, { lostAtMs: 1 }, it.restore) })).toEqual([said]);
    expect(found(it, { input: wishes(it, { to: { set: "db", index: 1, volume: "data" } }, it.restore) })).toEqual([said]);
    expect(found(it, { plan: changed(it.plan, "restoreVolume", () => ({ trashId: "other" })) })[0]).toContain("which nobody asked for");
  });

  test("a restore of what is not in the trash", () => {
    const it = good(removed, false);
    const input = views(it.input, [it.host], shows({ trash: [] }));
    expect(found(it, { input })).toEqual([`restore: ${it.restore.trashId} on ${it.host} is restored into db/0, which is not in the trash`]);
  });

  test("a new volume instead of the one that is to come back", () => {
    const it = good(removed, false);
    const actions = it.plan.actions.map((action) =>
      action.kind === "restoreVolume" ? { ...action, kind: "createVolume" as const, filesystem: "ext4" as const, sizeBytes: 1 } : action,
    );
    expect(found(it, { plan: { actions } })).toEqual([`restore: a new volume data of db/0 on ${it.host} instead of ${it.restore.trashId}`]);
  });

  test("data that goes to the trash for a restore that may not replace it", () => {
    const it = good(again, true);
    const lines = found(it, { input: wishes(it, { replace: false }, it.restore) });
    expect(lines.some((line) => line.startsWith("needed: trashVolume of db/0"))).toBe(true);
  });

  test("a restore under an Instance that may run", () => {
    const it = good(again, true);
    const actions = it.plan.actions.map((action) => (action.kind === "restoreVolume" ? { ...action, needs: [] } : action));
    expect(found(it, { plan: { actions } })).toEqual([
      `needed: trashVolume of db/0 generation 3 on ${it.host}, where the slot is to live`,
      `restore: ${it.restore.trashId} on ${it.host} is restored into db/0, which has a volume data`,
      `restore: ${it.restore.trashId} on ${it.host} is restored into db/0 while generation 2 may run on ${it.host}`,
    ]);
  });
});
