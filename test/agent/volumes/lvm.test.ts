import { beforeEach, describe, expect, it } from "vitest";
import { StepError, type VolumeRef } from "../../../reconciler/agent/ports.ts";
import type { LvmDriver } from "../../../reconciler/agent/volumes/lvm/lvm-driver.ts";
import { FakeLvm, GIB, MIB } from "./fake-lvm.ts";

const DATA: VolumeRef = { set: "web", index: 0, name: "data" };
const SETTINGS = { volumeGroup: "vg0", thinPool: null, folder: "/volumes" };
const POINT = "/state/volumes/web/0/data";
const NOTE = { trashedAtMs: 1_700_000_000_000, commit: "9c1d04f", taskId: "4bf92f35" };

let host: FakeLvm;
let lvm: LvmDriver;
beforeEach(async () => {
  host = new FakeLvm();
  lvm = host.driver();
  await lvm.apply(SETTINGS);
});

function never(): AbortSignal {
  return new AbortController().signal;
}

async function made(more: Partial<{ filesystem: "ext4" | "xfs"; sizeBytes: number }> = {}): Promise<void> {
  await lvm.create({ ...DATA, filesystem: "ext4", sizeBytes: GIB, ...more }, never());
}

async function mounted(): Promise<void> {
  await lvm.mount(DATA, null, never());
}

/** What a step would answer. */
async function trouble(work: Promise<unknown>): Promise<Pick<StepError, "code" | "retry" | "outcome" | "message">> {
  const error = await work.then(
    () => null,
    (reason: unknown) => reason,
  );
  if (!(error instanceof StepError)) throw new Error(`no StepError: ${String(error)}`);
  const { code, retry, outcome, message } = error;
  return { code, retry, outcome, message };
}

describe("a volume on LVM", () => {
  it("is made with its tags in one command, gets its file system, and is ready then", async () => {
    await made();
    expect(host.effects).toEqual([
      expect.stringMatching(/^lvcreate --yes --name setpoint.web-0.data --size 1073741824b .*--addtag setpoint.state=new.* vg0$/),
      "mkfs.ext4 -q -F -m 0 -b 4096 -E nodiscard /dev/mapper/vg0-setpoint.web--0.data",
      expect.stringMatching(/^lvchange .*--deltag setpoint.state=new .*--addtag setpoint.state=ready vg0\/setpoint.web-0.data$/),
    ]);
    expect(lvm.volumes()).toEqual([{ ...DATA, kind: "lvm", sizeBytes: GIB, usedBytes: 0 }]);
    expect(lvm.capabilities()).toEqual(["lvm"]);
    // Ours and what is free; 2 GiB are others'.
    expect(lvm.capacityBytes()).toBe(98 * GIB);
  });

  it("has whole extents", async () => {
    await made({ sizeBytes: GIB + 1 });
    expect(lvm.volumes()[0]!.sizeBytes).toBe(GIB + 4 * MIB);
    await lvm.grow(DATA, GIB + 1, never());
    expect(host.effects.filter((line) => line.startsWith("lvextend"))).toEqual([]);
  });

  it("is mounted below the agent's own folder, where containers see a sub-folder", async () => {
    await made();
    expect(await lvm.mount(DATA, { uid: 70, gid: 71 }, never())).toBe(`${POINT}/data`);
    expect(host.fileAt(POINT, "data/").read()).toBe("70");
    const effects = host.effects.length;
    expect(await lvm.mount(DATA, null, never())).toBe(`${POINT}/data`);
    expect(host.effects.slice(effects)).toEqual([`data ${POINT}/data all`]);
    expect(host.fileAt(POINT, "data/").read()).toBe("70");
  });

  it("is activated and mounted again after a reboot", async () => {
    await made();
    await mounted();
    host.fileAt(POINT, "f").write("kept");
    host.reboot();
    lvm = host.driver();
    await lvm.apply(SETTINGS);
    await mounted();
    expect(host.fileAt(POINT, "f").read()).toBe("kept");
  });

  it("needs nothing of LVM for a container that starts again", async () => {
    await made();
    await mounted();
    host.before = () => {
      throw new Error("LVM is stuck");
    };
    expect(await lvm.mount(DATA, null, never())).toBe(`${POINT}/data`);
  });

  it.each(["ext4", "xfs"] as const)("grows with its %s under those who use it", async (filesystem) => {
    await made({ filesystem });
    await mounted();
    host.fileAt(POINT, "f").write("kept");
    await lvm.grow(DATA, 2 * GIB, never());
    expect(host.named("setpoint.web-0.data")!.filesystem!.sizeBytes).toBe(2 * GIB);
    expect(host.fileAt(POINT, "f").read()).toBe("kept");
    expect(lvm.volumes()[0]!.sizeBytes).toBe(2 * GIB);
    const effects = host.effects.length;
    await lvm.grow(DATA, 2 * GIB, never());
    expect(host.effects.length).toBe(effects);
  });

  it("has its file system grown when somebody else made it larger", async () => {
    await made();
    await mounted();
    host.named("setpoint.web-0.data")!.sizeBytes = 3 * GIB;
    await lvm.look();
    expect(host.named("setpoint.web-0.data")!.filesystem!.sizeBytes).toBe(3 * GIB);
  });

  it("is in the trash with who and when, and comes back into another slot with its data", async () => {
    await made();
    await mounted();
    host.fileAt(POINT, "f").write("kept");
    await lvm.trashVolume(DATA, NOTE, never());
    expect(lvm.volumes()).toEqual([]);
    const [entry] = lvm.trash();
    expect(entry).toEqual({ ...DATA, ...NOTE, kind: "lvm", id: entry!.id, sizeBytes: GIB, usedBytes: 7 * MIB });
    expect(host.named(`setpoint.trash.${entry!.id}.web-0.data`)).toBeDefined();
    expect([host.mounts, [...host.folders.keys()]]).toEqual([[], []]);
    const other = { set: "db", index: 2, name: "files" };
    await lvm.restore(other, entry!.id, NOTE.trashedAtMs, never());
    expect(lvm.trash()).toEqual([]);
    expect(lvm.volumes()).toMatchObject([other]);
    await lvm.mount(other, null, never());
    expect(host.fileAt("/state/volumes/db/2/files", "f").read()).toBe("kept");
  });

  it("is destroyed by a purge of its entry, and by nothing else", async () => {
    await made();
    await lvm.trashVolume(DATA, NOTE, never());
    const { id } = lvm.trash()[0]!;
    expect(await trouble(lvm.purge(id, 1, never()))).toMatchObject({ code: "not-found", retry: "permanent", outcome: "refused" });
    await lvm.purge("another", 1, never());
    expect(lvm.trash()).toHaveLength(1);
    await lvm.purge(id, NOTE.trashedAtMs, never());
    await lvm.purge(id, NOTE.trashedAtMs, never());
    expect([lvm.trash(), host.volumes.length]).toEqual([[], 2]);
  });

  it("may be in the trash more than once", async () => {
    for (const trashedAtMs of [1, 2]) {
      await made();
      await lvm.trashVolume(DATA, { ...NOTE, trashedAtMs }, never());
    }
    expect(new Set(lvm.trash().map(({ id }) => id)).size).toBe(2);
  });

  it("is left alone by a step that comes again after a new one was made", async () => {
    await made();
    await lvm.trashVolume(DATA, NOTE, never());
    await made();
    await lvm.trashVolume(DATA, NOTE, never());
    expect([lvm.volumes().length, lvm.trash().length]).toEqual([1, 1]);
  });

  it("tells its use when that changed by a hundredth", async () => {
    await made();
    await mounted();
    const used = async (): Promise<number> => {
      await lvm.measure();
      return lvm.volumes()[0]!.usedBytes / MIB;
    };
    expect(await used()).toBe(3);
    host.fileAt(POINT, "f").write("1234567");
    expect(await used()).toBe(3);
    host.fileAt(POINT, "f").write("x".repeat(20));
    expect(await used()).toBe(23);
  });

  it("has a name for people, however long those of Set and volume are", async () => {
    const long = { set: `a-${"b-".repeat(60)}c`, index: 1234, name: "d".repeat(63) };
    await lvm.create({ ...long, filesystem: "ext4", sizeBytes: GIB }, never());
    const { name } = host.volumes.at(-1)!;
    expect(name.length + name.split("-").length - 1).toBeLessThanOrEqual(80);
    expect(lvm.volumes()).toMatchObject([long]);
  });

  it("is taken from a thin pool where the settings name one, as long as that has room", async () => {
    host.thin = { data: 0.2, metadata: 0.1 };
    await lvm.apply({ ...SETTINGS, thinPool: "thin" });
    await made();
    expect(host.effects[0]).toMatch(/^lvcreate --yes --name setpoint.web-0.data --virtualsize 1073741824b --thinpool thin --addtag/);
    expect([lvm.capacityBytes(), lvm.problem()]).toEqual([10 * GIB, null]);
    host.thin = { data: 0.85, metadata: 0.93 };
    await lvm.look();
    expect(lvm.problem()).toBe("the thin pool vg0/thin is 85 % full, its metadata 93 %");
    const second = { ...DATA, index: 1, filesystem: "ext4", sizeBytes: GIB } as const;
    expect(await trouble(lvm.create(second, never()))).toMatchObject({ code: "disk-full", message: expect.stringContaining("93 % full") });
    host.thin = null;
    await expect(lvm.look()).rejects.toThrow("no thin pool thin");
  });
});

describe("what goes wrong with volumes on LVM", () => {
  it("never touches what is not ours, and says whose name it is", async () => {
    await made();
    const before = structuredClone(host.volumes.slice(0, 2));
    host.volumes.find(({ name }) => name === "vm1-root")!.name = "setpoint.web-1.data";
    const second = { ...DATA, index: 1, filesystem: "ext4", sizeBytes: GIB } as const;
    expect(await trouble(lvm.create(second, never()))).toMatchObject({ code: "not-ours", outcome: "refused" });
    host.named("setpoint.web-1.data")!.name = "vm1-root";
    await lvm.look();
    expect(host.volumes.slice(0, 2)).toEqual(before);
  });

  it("says how much room there is when there is too little", async () => {
    expect(await trouble(made({ sizeBytes: 200 * GIB }))).toEqual({
      code: "disk-full",
      retry: "transient",
      outcome: "failed",
      message: "the volume group vg0 of a-1 has 98Gi left, 200Gi more are needed for volume data of web/0",
    });
    await made();
    expect(await trouble(lvm.grow(DATA, 200 * GIB, never()))).toMatchObject({
      code: "disk-full",
      message: "the volume group vg0 of a-1 has 97Gi left, 199Gi more are needed for volume data of web/0",
    });
    expect(host.volumes).toHaveLength(3);
  });

  it("never makes a volume smaller", async () => {
    await made();
    expect(await trouble(lvm.grow(DATA, GIB / 2, never()))).toMatchObject({ code: "would-shrink", retry: "permanent", outcome: "refused" });
    await made({ sizeBytes: GIB / 2 });
    expect(lvm.volumes()[0]!.sizeBytes).toBe(GIB);
  });

  it("leaves nothing of a volume whose file system can't be made", async () => {
    expect(await trouble(made({ filesystem: "xfs", sizeBytes: 100 * MIB }))).toEqual({
      code: "volume-too-small",
      retry: "permanent",
      outcome: "failed",
      message: "volume data of web/0 on a-1 is too small for its file system: mkfs.xfs: Filesystem must be larger than 300MB.",
    });
    expect(host.volumes).toHaveLength(2);
    host.lacking.add("mkfs.xfs");
    expect(await trouble(made({ filesystem: "xfs" }))).toMatchObject({
      code: "no-capability",
      message: "mkfs.xfs is not installed on a-1; install the package xfsprogs",
    });
    expect(host.volumes).toHaveLength(2);
  });

  it("says who is in a volume that is to go, and lets it be", async () => {
    await made();
    await mounted();
    host.inside.set(POINT, "postgres (PID 411)");
    expect(await trouble(lvm.trashVolume(DATA, NOTE, never()))).toEqual({
      code: "volume-busy",
      retry: "transient",
      outcome: "failed",
      message: "volume data of web/0 on a-1 is in use by postgres (PID 411)",
    });
    host.inside.clear();
    await lvm.trashVolume(DATA, NOTE, never());
    expect(lvm.trash()).toHaveLength(1);
  });

  it("mounts nothing over what is there", async () => {
    await made();
    host.folders.set(POINT, ["forgotten"]);
    expect(await trouble(lvm.mount(DATA, null, never()))).toMatchObject({
      code: "mount-point-busy",
      message: `volume data of web/0 can't be mounted at ${POINT} on a-1: it is not empty`,
    });
    host.folders.set(POINT, []);
    host.mounts.push({ point: POINT, lv: host.named("vm1-root")!, readOnly: false });
    expect(await trouble(lvm.mount(DATA, null, never()))).toMatchObject({
      code: "mount-point-busy",
      message: expect.stringContaining("/dev/mapper/vm1-root is mounted there"),
    });
  });

  it("says what repairs a damaged file system, and uses none that turned read-only", async () => {
    await made();
    await mounted();
    host.mounts[0]!.readOnly = true;
    expect(await trouble(lvm.mount(DATA, null, never()))).toMatchObject({ code: "volume-damaged", outcome: "refused" });
    await lvm.measure();
    expect(lvm.problem()).toContain("the kernel made volume data of web/0 read-only");
    host.mounts = [];
    host.named("setpoint.web-0.data")!.filesystem!.damaged = true;
    expect(await trouble(lvm.mount(DATA, null, never()))).toMatchObject({
      code: "volume-damaged",
      message: expect.stringContaining("e2fsck -f /dev/mapper/vg0-setpoint.web--0.data"),
    });
  });

  it("changes nothing in a group that lost a disk, and goes on with what is not on it", async () => {
    await made();
    const second = { ...DATA, index: 1, filesystem: "ext4", sizeBytes: GIB } as const;
    await lvm.create(second, never());
    host.named("setpoint.web-1.data")!.partial = true;
    host.missing = true;
    host.reboot();
    lvm = host.driver();
    await lvm.apply(SETTINGS);
    const lacks = "lacks the physical volume Yk3-w2";
    expect(lvm.problem()).toBe(`the volume group vg0 ${lacks}`);
    expect(await trouble(made({ sizeBytes: 2 * GIB }))).toMatchObject({ code: "group-damaged", message: expect.stringContaining(lacks) });
    for (const work of [
      () => lvm.trashVolume(DATA, NOTE, never()),
      () => lvm.grow(DATA, 2 * GIB, never()),
      () => lvm.create({ ...second, index: 2 }, never()),
    ]) {
      expect(await trouble(work())).toMatchObject({ code: "group-damaged", retry: "transient", outcome: "refused" });
    }
    await mounted();
    expect(await trouble(lvm.mount(second, null, never()))).toMatchObject({ code: "group-damaged" });
  });

  it("is without volumes where the group is gone or nobody named one, and says so", async () => {
    await made();
    host.groupIsThere = false;
    await expect(lvm.look()).rejects.toMatchObject({ code: "no-capability", message: "a-1 has no volume group vg0" });
    expect([lvm.capabilities(), lvm.volumes(), lvm.problem(), lvm.capacityBytes()]).toEqual([[], [], "a-1 has no volume group vg0", 0]);
    host.groupIsThere = true;
    await lvm.look();
    expect([lvm.capabilities(), lvm.volumes().length, lvm.problem()]).toEqual([["lvm"], 1, null]);
    await lvm.apply(null);
    expect([lvm.capabilities(), lvm.volumes(), lvm.problem()]).toEqual([[], [], null]);
    expect(await trouble(made())).toMatchObject({
      code: "no-capability",
      outcome: "refused",
      message: expect.stringContaining("storage.volumeGroup"),
    });
    host.lacking.add("lvs");
    await expect(lvm.apply(SETTINGS)).rejects.toThrow("lvs is not installed on a-1; install the package lvm2");
  });

  it("keeps what it saw while LVM does not answer", async () => {
    await made();
    host.before = () => Promise.reject(new Error("LVM took too long"));
    await expect(lvm.look()).rejects.toThrow("took too long");
    expect([lvm.volumes().length, lvm.capabilities(), lvm.problem()]).toEqual([1, [], "LVM took too long"]);
  });

  it("takes a name that a half done change holds", async () => {
    await made();
    await lvm.trashVolume(DATA, NOTE, never());
    host.volumes.at(-1)!.name = "setpoint.web-0.data";
    await made();
    expect(host.volumes.slice(2).map(({ name }) => name)).toEqual([
      expect.stringMatching(/^setpoint.trash.\w+.web-0.data$/),
      "setpoint.web-0.data",
    ]);
  });

  it("brings nothing back over a volume, and nothing that is not there", async () => {
    await made();
    await lvm.trashVolume(DATA, NOTE, never());
    const { id } = lvm.trash()[0]!;
    expect(await trouble(lvm.restore(DATA, "another", 5, never()))).toMatchObject({ code: "not-found", retry: "permanent" });
    await made();
    expect(await trouble(lvm.restore(DATA, id, NOTE.trashedAtMs, never()))).toMatchObject({ code: "volume-exists", outcome: "refused" });
  });
});
