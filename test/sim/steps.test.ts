import { describe, expect, it } from "vitest";
import type { Action } from "../../reconciler/core/plan.ts";
import { observe } from "../../reconciler/sim/host-state.ts";
import { bench, bringUpSteps, spec, step, type Bench } from "./fixtures.ts";

const GIB = 2 ** 30;

/** Carries steps out at once and returns the code of each (`done` for success). */
function codes({ world }: Bench, ...actions: Action[]): string[] {
  return actions.map((action) => {
    const { outcome, code } = world.carryOut(action.host, action);
    return outcome === "done" ? "done" : `${outcome} ${code}`;
  });
}

describe("steps of a simulated host", () => {
  it("brings an Instance up and reports it", async () => {
    const at = await bench();
    expect(codes(at, ...bringUpSteps(spec({ volume: true })))).toEqual(["done", "done", "done", "done"]);
    const seen = observe(at.world.state("a-1"));
    expect(seen.instances).toMatchObject([{ set: "web", index: 0, generation: 1, phase: "running", healthy: true, ip: "10.0.0.10" }]);
    expect(seen.volumes).toMatchObject([{ name: "data", sizeBytes: GIB }]);
    expect(seen.ports).toEqual([{ set: "web", index: 0, generation: 1, ip: "10.0.0.10" }]);
    expect(seen.images).toEqual(["shop/web:1"]);
  });

  it("is idempotent: every step of a life twice changes nothing the second time", async () => {
    const at = await bench();
    const life = [
      ...bringUpSteps(spec({ volume: true })),
      step("awaitHealthy", {}),
      step("growVolume", { volume: "data", sizeBytes: 2 * GIB }),
      step("updateLive", { live: spec({ memoryGiB: 2 }).live, liveHash: "live-2", spec: spec({ memoryGiB: 2, volume: true }) }),
      step("stopInstance", { graceMs: 1000 }),
      step("removeInstance", {}),
      step("confirmGone", {}),
      step("detachPort", {}),
      step("trashVolume", { volume: "data", commit: "c", trashedAtMs: 5 }),
      step("restoreVolume", { volume: "data", trashId: "web-0-data-5", trashedAtMs: 5 }, { generation: 2 }),
      step("trashVolume", { volume: "data", commit: "c", trashedAtMs: 6 }, { generation: 2 }),
      step("purgeVolume", { trashId: "web-0-data-6", trashedAtMs: 6 }),
    ];
    for (const action of life) {
      expect([action.kind, ...codes(at, action)]).toEqual([action.kind, "done"]);
      const { version } = at.world.state("a-1");
      expect([action.kind, ...codes(at, action)]).toEqual([action.kind, "done"]);
      expect([action.kind, at.world.state("a-1").version]).toEqual([action.kind, version]);
    }
    expect(observe(at.world.state("a-1"))).toMatchObject({ instances: [], volumes: [], trash: [], ports: [], floors: { "web/0": 2 } });
  });

  it("refuses what is not ready", async () => {
    const at = await bench();
    const steps = bringUpSteps(spec({ volume: true }));
    for (const missing of [0, 1, 2]) {
      const fresh = await bench();
      const result = steps.filter((_, index) => index !== missing);
      expect(codes(fresh, ...result).at(-1)).toBe("refused not-ready");
    }
    expect(codes(at, step("stopInstance", { graceMs: 1 }), step("awaitHealthy", {}))).toEqual(["done", "refused not-found"]);
  });

  it("refuses a generation below the floor, for start, port and volume", async () => {
    const at = await bench();
    codes(at, step("removeInstance", {}, { generation: 3 }));
    expect(codes(at, ...bringUpSteps(spec({ volume: true }), { generation: 3 }))).toEqual([
      "done",
      "refused stale-generation",
      "refused stale-generation",
      "refused stale-generation",
    ]);
    expect(codes(at, ...bringUpSteps(spec({ volume: true }), { generation: 4 }))).toEqual(["done", "done", "done", "done"]);
  });

  it("accepts generations only upward, even without a removal between", async () => {
    const at = await bench();
    codes(at, ...bringUpSteps(spec(), { generation: 5 }), step("stopInstance", { graceMs: 1 }, { generation: 5 }));
    expect(codes(at, step("attachPort", { ip: "10.0.0.99", vlan: null, ingressBps: null, egressBps: null }, { generation: 4 }))).toEqual([
      "refused stale-generation",
    ]);
  });

  it("never holds two generations of an exclusive slot", async () => {
    const at = await bench();
    codes(at, ...bringUpSteps(spec({ volume: true }), { generation: 1 }));
    const next = step("startInstance", { spec: spec({ volume: true }), ip: "10.0.0.50" }, { generation: 2 });
    codes(at, step("attachPort", { ip: "10.0.0.50", vlan: null, ingressBps: null, egressBps: null }, { generation: 2 }));
    expect(codes(at, next)).toEqual(["refused in-use"]);
  });

  it("releases port and volume only after the container", async () => {
    const at = await bench();
    codes(at, ...bringUpSteps(spec({ volume: true })));
    const trash = step("trashVolume", { volume: "data", commit: "c", trashedAtMs: 5 });
    expect(codes(at, step("detachPort", {}), trash, step("confirmGone", {}))).toEqual([
      "refused in-use",
      "refused in-use",
      "failed still-there",
    ]);
    codes(at, step("removeInstance", {}));
    expect(codes(at, step("confirmGone", {}), step("detachPort", {}), trash)).toEqual(["done", "done", "done"]);
    expect(observe(at.world.state("a-1")).trash).toMatchObject([{ id: "web-0-data-5", name: "data", commit: "c" }]);
    expect(codes(at, step("purgeVolume", { trashId: "web-0-data-5", trashedAtMs: 6 }))).toEqual(["refused not-found"]);
  });

  it("keeps folders beside the volume group: limits go both ways, nothing of it needs lvm or room", async () => {
    const at = await bench();
    at.world.inject("a-1", { kind: "loseCapability", capability: "lvm", forMs: 1e9 });
    at.world.inject("a-1", { kind: "diskFull", forMs: 1e9 });
    const folder = (sizeBytes: number): Action => step("createVolume", { volume: "files", filesystem: null, sizeBytes });
    const limit = (sizeBytes: number): Action => step("growVolume", { volume: "files", sizeBytes });
    const seen = (): unknown => observe(at.world.state("a-1")).volumes.map(({ kind, sizeBytes }) => [kind, sizeBytes]);
    expect(codes(at, folder(1e12), limit(5), folder(7))).toEqual(["done", "done", "done"]);
    expect(seen()).toEqual([["dir", 7]]);
    expect(codes(at, step("createVolume", { volume: "files", filesystem: "ext4", sizeBytes: GIB }))).toEqual(["refused volume-exists"]);
    expect(codes(at, step("trashVolume", { volume: "files", commit: "c", trashedAtMs: 5 }))).toEqual(["done"]);
    expect(codes(at, step("restoreVolume", { volume: "files", trashId: "web-0-files-5", trashedAtMs: 5 }))).toEqual(["done"]);
    expect(seen()).toEqual([["dir", 7]]);
    expect(codes(at, step("trashVolume", { volume: "files", commit: "c", trashedAtMs: 6 }))).toEqual(["done"]);
    expect(codes(at, step("purgeVolume", { trashId: "web-0-files-6", trashedAtMs: 6 }))).toEqual(["done"]);
  });

  it("gives logical volumes whole extents, and takes none while any container of the slot is there", async () => {
    const at = await bench();
    codes(at, step("createVolume", { volume: "data", filesystem: "ext4", sizeBytes: 1e9 }));
    expect(observe(at.world.state("a-1")).volumes[0]!.sizeBytes).toBe(239 * 4 * 2 ** 20);
    const grow = (sizeBytes: number): Action => step("growVolume", { volume: "data", sizeBytes });
    expect(codes(at, grow(1e9 + 1), grow(9e8))).toEqual(["done", "refused would-shrink"]);
    codes(at, ...bringUpSteps(spec()));
    expect(codes(at, step("trashVolume", { volume: "data", commit: "c", trashedAtMs: 5 }))).toEqual(["refused in-use"]);
  });

  it("restores what was meant, and only into a slot without such a volume", async () => {
    const at = await bench();
    codes(at, ...bringUpSteps(spec({ volume: true })), step("removeInstance", {}));
    codes(at, step("trashVolume", { volume: "data", commit: "c", trashedAtMs: 5 }));
    const restore = (trashedAtMs: number, generation: number) =>
      step("restoreVolume", { volume: "data", trashId: "web-0-data-5", trashedAtMs }, { generation });
    expect(codes(at, restore(6, 2), restore(5, 1))).toEqual(["refused not-found", "refused stale-generation"]);
    codes(at, step("createVolume", { volume: "data", filesystem: "ext4", sizeBytes: 2 * GIB }, { generation: 2 }));
    expect(codes(at, restore(5, 2))).toEqual(["refused volume-exists"]);
    codes(at, step("trashVolume", { volume: "data", commit: "c", trashedAtMs: 7 }, { generation: 2 }));
    expect(codes(at, restore(5, 2))).toEqual(["done"]);
    const { volumes, trash } = observe(at.world.state("a-1"));
    expect(volumes).toEqual([{ set: "web", index: 0, name: "data", kind: "lvm", sizeBytes: GIB, usedBytes: 0 }]);
    expect(trash).toMatchObject([{ id: "web-0-data-7", sizeBytes: 2 * GIB }]);
  });

  it("does not trash what came back when a step that trashed it once is delivered again", async () => {
    const at = await bench();
    codes(at, ...bringUpSteps(spec({ volume: true })), step("removeInstance", {}));
    const trash = (trashedAtMs: number) => step("trashVolume", { volume: "data", commit: "c", trashedAtMs }, { generation: 2 });
    codes(at, trash(5), step("createVolume", { volume: "data", filesystem: "ext4", sizeBytes: GIB }, { generation: 2 }), trash(6));
    codes(at, step("restoreVolume", { volume: "data", trashId: "web-0-data-5", trashedAtMs: 5 }, { generation: 3 }));
    expect(codes(at, trash(6))).toEqual(["done"]);
    expect(observe(at.world.state("a-1"))).toMatchObject({ volumes: [{ name: "data" }], trash: [{ id: "web-0-data-6" }] });
  });

  it("refuses reservations above capacity, on start and in place", async () => {
    const at = await bench();
    for (const index of [0, 1]) codes(at, ...bringUpSteps(spec({ memoryGiB: 3 }), { index }));
    expect(codes(at, ...bringUpSteps(spec({ memoryGiB: 3 }), { index: 2 })).at(-1)).toBe("refused no-capacity");
    const larger = spec({ memoryGiB: 6 });
    expect(codes(at, step("updateLive", { live: larger.live, liveHash: larger.liveHash, spec: larger }))).toEqual(["refused no-capacity"]);
    expect(codes(at, step("createVolume", { volume: "big", filesystem: "xfs", sizeBytes: 101 * GIB }))).toEqual(["failed disk-full"]);
  });

  it("refuses to shrink memory below use and volumes at all", async () => {
    const at = await bench();
    codes(at, ...bringUpSteps(spec({ memoryGiB: 4, volume: true })));
    const smaller = spec({ memoryGiB: 1, volume: true });
    expect(codes(at, step("updateLive", { live: smaller.live, liveHash: smaller.liveHash, spec: smaller }))).toEqual(["refused below-use"]);
    expect(codes(at, step("growVolume", { volume: "data", sizeBytes: 1 }))).toEqual(["refused would-shrink"]);
  });

  it("replaces app containers in place and refuses when the infra differs", async () => {
    const at = await bench();
    codes(at, ...bringUpSteps(spec()));
    const next = spec({ version: "2" });
    expect(codes(at, step("replaceContainers", { containers: ["web"], spec: next }))).toEqual(["done"]);
    expect(observe(at.world.state("a-1")).instances[0]).toMatchObject({ specHash: next.specHash, ip: "10.0.0.10", generation: 1 });
    expect(codes(at, step("replaceContainers", { containers: ["web"], spec: { ...next, infraHash: "other" } }))).toEqual([
      "refused infra-differs",
    ]);
  });

  it("touches nothing that is not ours", async () => {
    const at = await bench();
    at.world.addForeign("a-1", { kind: "container", name: "web/0" });
    at.world.addForeign("a-1", { kind: "volume", name: "web/1" });
    expect(codes(at, ...bringUpSteps(spec())).at(-1)).toBe("refused not-ours");
    expect(codes(at, step("removeInstance", {}))).toEqual(["refused not-ours"]);
    expect(codes(at, ...bringUpSteps(spec({ volume: true }), { index: 1 }))[1]).toBe("refused not-ours");
    expect(observe(at.world.state("a-1")).foreign).toEqual(["web/0"]);
  });

  it("knows every image but those tagged missing", async () => {
    const at = await bench();
    expect(codes(at, step("pullImage", { image: "a/b:missing" }), step("pullImage", { image: "r:5000/a" }))).toEqual([
      "failed image-not-found",
      "done",
    ]);
  });

  it("takes an address over from a port left behind, never from a container", async () => {
    const at = await bench();
    const attach = { ip: "10.0.0.10", vlan: null, ingressBps: null, egressBps: null };
    codes(at, step("attachPort", attach, { index: 7 }), ...bringUpSteps(spec()));
    expect(observe(at.world.state("a-1")).ports).toHaveLength(1);
    expect(codes(at, step("attachPort", attach, { index: 8 }))).toEqual(["refused ip-in-use"]);
  });
});
