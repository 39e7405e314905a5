import { describe, expect, test } from "vitest";
import type { Manifest, Set as SetManifest } from "../../reconciler/core/manifest-types.ts";
import { slotKey } from "../../reconciler/core/ids.ts";
import type { Action, Plan } from "../../reconciler/core/plan.ts";
import { container, pool, set } from "../desired/documents.ts";
import { changed, found, only, shows, views } from "./forge.ts";
import type { PureWorld } from "./pure-world.ts";
import { worldOf } from "./world-of.ts";

type Volume = NonNullable<SetManifest["spec"]["template"]["volumes"]>[number];

const GIB = 1024 ** 3;
const DAY_MS = 86_400_000;

/** One host of 100Gi, or several. */
function hosts(names = "s-[1-1]", storage: { readonly reclaim?: "never" | "when-full" } = {}): Manifest {
  const capacity = { cpu: 8, memory: "16Gi", disk: "100Gi" };
  return pool("main", { hosts: [{ name: names, zone: "a", capacity }], storage: { trash: storage } });
}

function withVolumes(name: string, volumes: readonly Volume[], spec: Partial<SetManifest["spec"]> = {}): Manifest {
  const mounts = volumes.map((volume) => ({ volume: volume.name, path: `/${volume.name}` }));
  return set(name, { replicas: 1, ...spec, template: { containers: [container("app", { mounts })], volumes: [...volumes] } });
}

const lvm = (size: string, name = "data"): Volume => ({ name, lvm: { size } });
const dir = (softLimit: string, name = "data"): Volume => ({ name, dir: { softLimit } });

function told(plan: Plan): string[] {
  return plan.actions
    .filter(({ kind }) => kind.endsWith("Volume"))
    .map((action) => `${action.kind} ${nameIn(action)} of ${slotKey(action.set, action.index)}`);
}

function nameIn(action: Action): string {
  return "volume" in action ? action.volume : "trashId" in action ? action.trashId : "";
}

function volumesOn(world: PureWorld, host: string): string[] {
  return world
    .host(host)
    .volumes.map(({ set, index, name, kind, sizeBytes }) => `${slotKey(set, index)} ${name} ${kind} ${sizeBytes / GIB}`);
}

describe("a volume that its Set does not want any more", () => {
  test("goes to the trash before the slot is started without it, and its room is taken until it is purged", () => {
    const { world, commit } = worldOf(hosts(), withVolumes("db", [lvm("60Gi"), lvm("10Gi", "log")]));
    world.converge();
    commit(hosts(), withVolumes("db", [lvm("10Gi", "log")]));
    const { plan } = world.pass();
    expect(told(plan)).toEqual(["trashVolume data of db/0"]);
    const start = plan.actions.find(({ kind }) => kind === "startInstance")!;
    expect(start.needs.map((need) => plan.actions[need]!.kind)).toContain("trashVolume");
    world.converge();
    expect(world.memory.sets.get("db")!.slots.get(0)!.current!.resources.diskBytes).toBe(10 * GIB);
    commit(hosts(), withVolumes("db", [lvm("10Gi", "log")]), withVolumes("web", [lvm("40Gi")]));
    expect(world.pass().plan.changes).toMatchObject([
      { kind: "blocked", decision: { text: expect.stringContaining("60Gi of 100Gi are in the trash") } },
    ]);
    world.nowMs += 7 * DAY_MS;
    world.converge();
    expect(volumesOn(world, "s-1")).toEqual(["db/0 log lvm 10", "web/0 data lvm 40"]);
  });

  test("makes way for one of its name and of another kind", () => {
    const { world, commit } = worldOf(hosts(), withVolumes("db", [lvm("10Gi")]));
    world.converge();
    commit(hosts(), withVolumes("db", [dir("20Gi")]));
    const { plan } = world.pass();
    expect(told(plan)).toEqual(["trashVolume data of db/0", "createVolume data of db/0"]);
    expect(only(plan, "createVolume")).toMatchObject({
      filesystem: null,
      needs: expect.arrayContaining([only(plan, "trashVolume").number]),
    });
    world.converge();
    expect(volumesOn(world, "s-1")).toEqual(["db/0 data dir 20"]);
    expect(world.host("s-1").trash).toMatchObject([{ kind: "lvm", sizeBytes: 10 * GIB }]);
  });

  test("counts against the budget, for logical volumes", () => {
    const rollout = { maxUnavailable: "100%" };
    const of = (...volumes: Volume[]): Manifest => withVolumes("db", [...volumes, dir("1Gi", "tmp")], { replicas: 3, rollout });
    const { world, commit } = worldOf(hosts("s-[1-3]"), of(lvm("10Gi"), dir("1Gi", "cache")));
    world.converge();
    commit(hosts("s-[1-3]"), of(lvm("10Gi")));
    expect(world.plan().plan.held).toEqual([]);
    world.converge();
    commit(hosts("s-[1-3]"), of());
    const { plan } = world.pass();
    expect(plan.held).toMatchObject([{ destroys: 3, budget: 1 }]);
    expect(plan.changes.map(({ decision }) => decision.code)).toEqual(["wait.budget", "wait.budget", "wait.budget"]);
    world.record({ type: "destroys.confirmed", hash: plan.held[0]!.hash, who: "ada" });
    world.converge();
    expect([1, 2, 3].flatMap((number) => volumesOn(world, `s-${number}`)).sort()).toEqual([
      "db/0 tmp dir 1",
      "db/1 tmp dir 1",
      "db/2 tmp dir 1",
    ]);
  });

  test("stays while the manifests can't be trusted", () => {
    const { world, commit } = worldOf(hosts(), withVolumes("db", [lvm("10Gi")]));
    world.converge();
    commit(hosts(), withVolumes("db", []));
    world.destroysFrozen = "the fetch failed";
    expect(world.pass().plan.actions).toEqual([]);
  });
});

describe("sizes follow the manifest", () => {
  test("a folder's limit both ways, a logical volume upward, and also when only the host differs", () => {
    const { world, commit } = worldOf(hosts(), withVolumes("db", [lvm("10Gi"), dir("10Gi", "tmp")]));
    world.converge();
    commit(hosts(), withVolumes("db", [lvm("5Gi"), dir("5Gi", "tmp")]));
    expect(told(world.pass().plan)).toEqual(["growVolume tmp of db/0"]);
    world.converge();
    expect(volumesOn(world, "s-1")).toEqual(["db/0 data lvm 10", "db/0 tmp dir 5"]);
    const host = world.host("s-1");
    host.volumes = host.volumes.map((volume) => ({ ...volume, sizeBytes: 2 * GIB }));
    host.observation = null;
    const { plan } = world.pass();
    expect(plan.changes).toMatchObject([{ kind: "update", what: "volume data 2Gi -> 5Gi, volume tmp 2Gi -> 5Gi" }]);
    expect(told(plan)).toEqual(["growVolume data of db/0", "growVolume tmp of db/0"]);
  });

  test("what stays larger than asked for is counted as it is", () => {
    const { world, commit } = worldOf(hosts(), withVolumes("db", [lvm("60Gi")]));
    world.converge();
    commit(hosts(), withVolumes("db", [lvm("10Gi")]));
    world.converge();
    expect(world.memory.sets.get("db")!.slots.get(0)!.current!.resources.diskBytes).toBe(60 * GIB);
    expect(world.plan().plan.problems).toMatchObject([{ code: "volume-shrink", subject: "set/db" }]);
    commit(hosts(), withVolumes("db", [lvm("10Gi")]), withVolumes("web", [lvm("50Gi")]));
    expect(world.plan().plan.changes).toMatchObject([{ set: "web", kind: "blocked" }]);
  });

  test("a size that is no whole extent settles", () => {
    const { world } = worldOf(hosts(), withVolumes("db", [lvm("10G")]));
    world.converge();
    expect(world.host("s-1").volumes[0]!.sizeBytes % (4 * 1024 ** 2)).toBe(0);
    expect(world.plan().plan).toMatchObject({ changes: [], actions: [], problems: [] });
  });
});

describe("a slot with a folder", () => {
  test("goes elsewhere at once when its host is lost, and what is left there goes to the trash when that is back", () => {
    const { world } = worldOf(hosts("s-[1-4]"), withVolumes("cache", [dir("10Gi")]));
    world.converge();
    const from = world.running()[0]!.split("@")[1]!;
    world.host(from).silent = true;
    world.nowMs += 61_000;
    for (let pass = 0; pass < 4; pass++) world.pass();
    expect(world.running().length).toBe(2);
    world.host(from).silent = false;
    world.converge();
    expect(world.running()).toHaveLength(1);
    expect(world.host(from)).toMatchObject({ volumes: [], trash: [{ kind: "dir", name: "data" }] });
  });

  test("leaves a host on which it fails, and its trash needs no lvm to be purged", () => {
    const { world, commit } = worldOf(hosts("s-[1-2]"), withVolumes("cache", [dir("10Gi")]));
    world.fails = ({ kind, host }) => (kind === "startInstance" && host === "s-1" ? { code: "cannot-run", message: "exec format" } : null);
    world.converge();
    expect(world.running()).toEqual(["cache/0@s-2"]);
    expect(world.host("s-1").trash).toHaveLength(1);
    commit(hosts("s-[1-2]"));
    world.converge();
    for (const name of ["s-1", "s-2"]) world.setCapabilities(name, ["docker"]);
    world.nowMs += 8 * DAY_MS;
    world.converge();
    expect([world.host("s-1").trash, world.host("s-2").trash]).toEqual([[], []]);
  });
});

describe("trash that gives way", () => {
  /** Three volumes of 30Gi in the trash of a host of 100Gi, a minute apart. */
  function full(reclaim: "never" | "when-full" = "when-full"): ReturnType<typeof worldOf> {
    const of = (name: string): Manifest => withVolumes(name, [lvm("30Gi")]);
    const there = worldOf(hosts("s-[1-1]", { reclaim }), of("a"), of("b"), of("c"));
    there.world.converge();
    for (const left of [[of("b"), of("c")], [of("c")], []]) {
      there.commit(hosts("s-[1-1]", { reclaim }), ...left);
      there.world.converge();
      there.world.nowMs += 60_000;
    }
    return there;
  }

  test("is purged oldest first, as much as a new volume needs, before that is made", () => {
    const { world, commit } = full();
    commit(hosts("s-[1-1]", { reclaim: "when-full" }), withVolumes("web", [lvm("50Gi")]));
    const { plan } = world.plan();
    expect(told(plan)).toEqual(["purgeVolume a-0-data-1 of a/0", "purgeVolume b-0-data-1 of b/0", "createVolume data of web/0"]);
    expect(only(plan, "createVolume").needs).toEqual(expect.arrayContaining([0, 1]));
    world.converge();
    expect(world.host("s-1").trash.map(({ set }) => set)).toEqual(["c"]);
  });

  test("and for one that grows", () => {
    const { world, commit } = full();
    commit(hosts("s-[1-1]", { reclaim: "when-full" }), withVolumes("web", [lvm("10Gi")]));
    expect(told(world.plan().plan)).toEqual(["createVolume data of web/0"]);
    world.converge();
    commit(hosts("s-[1-1]", { reclaim: "when-full" }), withVolumes("web", [lvm("30Gi")]));
    expect(told(world.plan().plan)).toEqual(["purgeVolume a-0-data-1 of a/0", "growVolume data of web/0"]);
    world.converge();
    expect(volumesOn(world, "s-1")).toEqual(["web/0 data lvm 30"]);
  });

  test("stays when another host has room, when its pool says so, and when manifests can't be trusted", () => {
    const wish = withVolumes("web", [lvm("50Gi")]);
    const roomy = full();
    roomy.commit(hosts("s-[1-2]", { reclaim: "when-full" }), wish);
    expect(told(roomy.world.plan().plan)).toEqual(["createVolume data of web/0"]);
    const kept = full("never");
    kept.commit(hosts("s-[1-1]"), wish);
    expect(kept.world.plan().plan).toMatchObject({ actions: [], changes: [{ kind: "blocked", decision: { code: "blocked.capacity" } }] });
    const frozen = full();
    frozen.commit(hosts("s-[1-1]", { reclaim: "when-full" }), wish);
    frozen.world.destroysFrozen = "the fetch failed";
    expect(frozen.world.plan().plan.actions).toEqual([]);
  });

  test("waits before it tries a purge again that failed", () => {
    const { world, commit } = full();
    commit(hosts("s-[1-1]", { reclaim: "when-full" }), withVolumes("web", [lvm("50Gi")]));
    world.fails = ({ kind }) => (kind === "purgeVolume" ? { code: "volume-failed", message: "lvremove failed" } : null);
    world.pass();
    const { plan } = world.plan();
    expect(plan.actions.filter(({ kind }) => kind.endsWith("Volume"))).toEqual([]);
    expect(plan.changes.at(-1)).toMatchObject({ kind: "blocked", decision: { code: "wait.room" } });
    world.fails = () => null;
    world.nowMs = plan.wakeAtMs! + 1;
    world.converge();
    expect(volumesOn(world, "s-1")).toEqual(["web/0 data lvm 50"]);
  });

  test("is watched by the check", () => {
    const { world, commit } = full();
    commit(hosts("s-[1-1]", { reclaim: "when-full" }), withVolumes("web", [lvm("50Gi")]));
    const good = world.plan();
    expect(found(good, {})).toEqual([]);
    const soon = "purge: trash of s-1 is purged before it expired";
    const [a, b, c] = world.host("s-1").trash;
    const instead = (entry: NonNullable<typeof a>) => ({ trashId: entry.id, trashedAtMs: entry.trashedAtMs });
    const second = {
      plan: { actions: good.plan.actions.map((action) => (action.number === 1 ? ({ ...action, ...instead(c!) } as Action) : action)) },
    };
    expect(found(good, second)).toEqual([`${soon} while ${b!.id}, which is older, stays`]);
    const unneeded = changed(good.plan, "createVolume", () => ({ needs: [0] }));
    expect(found(good, { plan: unneeded })).toEqual([`${soon} and no volume waits for it`]);
    const roomier = good.input.desired.hosts.map((host) => ({ ...host, capacity: { ...host.capacity, diskBytes: 110 * GIB } }));
    const larger = shows({ capacity: { ...good.input.fleet.get("s-1")!.observation!.capacity, diskBytes: 110 * GIB } });
    const input = { ...views(good.input, ["s-1"], larger), desired: { ...good.input.desired, hosts: roomier } };
    expect(found(good, { input })).toEqual([`${soon} though there is room without ${b!.id}`]);
    const folders = views(good.input, ["s-1"], shows({ trash: world.host("s-1").trash.map((entry) => ({ ...entry, kind: "dir" })) }));
    expect(found(good, { input: folders })).toEqual([`${soon} is no logical volume, so it makes no room`]);
    const main = good.input.desired.pools.get("main")!;
    const never = new Map([["main", { ...main, storage: { ...main.storage, trashReclaim: "never" as const } }]]);
    expect(found(good, { input: { desired: { ...good.input.desired, pools: never } } })).toEqual([
      `purge: purge of ${a!.id} on s-1 before it expired`,
      `purge: purge of ${b!.id} on s-1 before it expired`,
      `capacity: diskBytes of s-1: ${140 * GIB} reserved of ${100 * GIB}`,
    ]);
  });
});
