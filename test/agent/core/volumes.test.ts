import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { InstanceSpec } from "../../../reconciler/core/plan.ts";
import { spec, step } from "../../sim/fixtures.ts";
import { GIB, type FakeLvm } from "../volumes/fake-lvm.ts";
import { Bench } from "./bench.ts";

const STORAGE = { volumeGroup: "vg0", thinPool: null, folder: "/volumes" };
const PORT = { ip: "10.0.0.10", vlan: null, ingressBps: null, egressBps: null };
const CREATE = step("createVolume", { volume: "data", filesystem: "ext4", sizeBytes: GIB });
const TRASH = step("trashVolume", { volume: "data", commit: "9c1d04f", trashedAtMs: 5 });
const POINT = "/state/volumes/web/0/data";

let at: Bench;
let lvm: FakeLvm;
beforeEach(async () => {
  at = new Bench();
  lvm = at.host.lvm;
  await at.begin({ storage: STORAGE });
});
afterEach(async () => {
  await at.end();
});

/** An Instance with a volume that its one container mounts, as user 70. */
function withVolume(): InstanceSpec {
  const plain = spec({ volume: true });
  const [container] = plain.template.containers;
  const mounts = [{ volume: "data", path: "/data", readOnly: false }];
  return { ...plain, template: { ...plain.template, containers: [{ ...container!, user: "70", mounts }] } };
}

async function bringUp(slot: { generation?: number } = {}): Promise<void> {
  const { spec: wanted, ip } = { spec: withVolume(), ip: PORT.ip };
  const steps = [
    step("pullImage", { image: "shop/web:1" }, slot),
    step("attachPort", PORT, slot),
    step("startInstance", { spec: wanted, ip }, slot),
  ];
  expect(await at.codes(CREATE, ...steps)).toEqual(["done", "done", "done", "done"]);
}

describe("an agent's volumes", () => {
  it("are reported with their room, and mounted before the first container starts", async () => {
    expect((await at.observe()).capabilities).toContain("lvm");
    const starts: unknown[] = [];
    at.host.engine.onStart = (volumes) => void starts.push([Object.fromEntries(volumes), lvm.mounts.map(({ point }) => point)]);
    await bringUp();
    expect(starts).toEqual([[{ data: `${POINT}/data` }, [POINT]]]);
    expect(lvm.fileAt(POINT, "data/").read()).toBe("70");
    const { capacity, volumes, trash, storageProblem } = await at.observe();
    expect([capacity.diskBytes, volumes, trash, storageProblem]).toEqual([
      98 * GIB,
      [{ set: "web", index: 0, name: "data", kind: "lvm", sizeBytes: GIB, usedBytes: 0 }],
      [],
      "",
    ]);
  });

  it("are mounted again before what a reboot ended starts again", async () => {
    await bringUp();
    lvm.fileAt(POINT, "f").write("kept");
    let mounted: string[] = [];
    await at.restart(() => {
      at.host.reboot();
      at.host.engine.onStart = () => void (mounted = lvm.mounts.map(({ point }) => point));
    });
    await at.pass(3_000);
    expect([at.host.engine.running(), mounted]).toEqual([["web/0@1"], [POINT]]);
    expect(lvm.fileAt(POINT, "f").read()).toBe("kept");
  });

  it("keep what needs them down while they can't be mounted, and say why", async () => {
    await bringUp();
    await at.restart(() => {
      at.host.reboot();
      lvm.groupIsThere = false;
    });
    await at.pass(3_000);
    const seen = await at.observe();
    expect([at.host.engine.running(), seen.storageProblem]).toEqual([[], "a-1 has no volume group vg0"]);
    expect(seen.capabilities).not.toContain("lvm");
    expect(seen.instances[0]!.message).toContain("could not be started again: a-1 has no volume group vg0");
    lvm.groupIsThere = true;
    await at.pass(11_000);
    expect((await at.observe()).capabilities).toContain("lvm");
    await at.pass(120_000);
    expect(at.host.engine.running()).toEqual(["web/0@1"]);
  });

  it("grow while their containers run on", async () => {
    await bringUp();
    const [, started] = at.host.engine.of({ set: "web", index: 0, generation: 1 });
    expect(await at.codes(step("growVolume", { volume: "data", sizeBytes: 2 * GIB }))).toEqual(["done"]);
    expect((await at.observe()).volumes[0]!.sizeBytes).toBe(2 * GIB);
    expect(at.host.engine.of({ set: "web", index: 0, generation: 1 })[1]).toEqual(started);
  });

  it("go to the trash when no container of any generation is left, and come back", async () => {
    await bringUp();
    lvm.fileAt(POINT, "f").write("kept");
    const late = step("trashVolume", { volume: "data", commit: "9c1d04f", trashedAtMs: 5 }, { generation: 7 });
    expect(await at.codes(TRASH, late)).toEqual(["refused in-use", "refused in-use"]);
    at.host.engine.down = true;
    await at.pass(15_000);
    expect(await at.codes(TRASH)).toEqual(["refused no-capability"]);
    at.host.engine.down = false;
    await at.pass(5_000);
    expect(await at.codes(step("stopInstance", { graceMs: 1000 }), TRASH, step("removeInstance", {}), TRASH, TRASH)).toEqual([
      "done",
      "refused in-use",
      "done",
      "done",
      "done",
    ]);
    const { volumes, trash } = await at.observe();
    expect([volumes, trash]).toMatchObject([
      [],
      [{ set: "web", index: 0, name: "data", commit: "9c1d04f", trashedAtMs: 5, taskId: TRASH.taskId }],
    ]);
    const restore = step("restoreVolume", { volume: "data", trashId: trash[0]!.id, trashedAtMs: 5 }, { generation: 2 });
    expect(await at.codes(restore, restore)).toEqual(["done", "done"]);
    await at.codes(
      step("attachPort", PORT, { generation: 2 }),
      step("startInstance", { spec: withVolume(), ip: PORT.ip }, { generation: 2 }),
    );
    expect([at.host.engine.running(), lvm.fileAt(POINT, "f").read()]).toEqual([["web/0@2"], "kept"]);
  });

  it("are made, grown and restored for the present generation only", async () => {
    await bringUp({ generation: 5 });
    const old = { generation: 4 };
    expect(
      await at.codes(
        step("createVolume", { volume: "data", filesystem: "ext4", sizeBytes: GIB }, old),
        step("growVolume", { volume: "data", sizeBytes: 2 * GIB }, old),
        step("restoreVolume", { volume: "data", trashId: "x", trashedAtMs: 5 }, old),
      ),
    ).toEqual(["refused stale-generation", "refused stale-generation", "refused stale-generation"]);
  });

  it("are purged by their entry in the trash", async () => {
    expect(await at.codes(CREATE, TRASH)).toEqual(["done", "done"]);
    const [entry] = (await at.observe()).trash;
    expect(await at.codes(step("purgeVolume", { trashId: entry!.id, trashedAtMs: 6 }))).toEqual(["refused not-found"]);
    expect(await at.codes(step("purgeVolume", { trashId: entry!.id, trashedAtMs: 5 }))).toEqual(["done"]);
    expect([(await at.observe()).trash, lvm.volumes.length]).toEqual([[], 2]);
  });

  it("need a volume group that the pool names", async () => {
    await at.until(at.agent.configure({ ...at.agent.settings!, storage: { ...STORAGE, volumeGroup: null } }));
    expect((await at.observe()).capabilities).not.toContain("lvm");
    const { code, message } = await at.run(CREATE);
    expect([code, message]).toEqual(["no-capability", "a-1 has no volume group for Sets: its HostPool names none (storage.volumeGroup)"]);
  });

  it("are looked at every minute, and cost nothing in between", async () => {
    await at.pass(1_000);
    const { reads } = lvm;
    lvm.missing = true;
    await at.pass(40_000);
    expect([lvm.reads - reads, (await at.observe()).storageProblem]).toEqual([0, ""]);
    await at.pass(40_000);
    expect((await at.observe()).storageProblem).toBe("the volume group vg0 lacks the physical volume Yk3-w2");
  });
});
