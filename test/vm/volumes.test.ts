import { afterAll, beforeAll, expect, test } from "vitest";
import { waitFor } from "../hosts/rig/wait.ts";
import type { VmHost } from "./rig/host.ts";
import { createVmRig, type VmRig } from "./rig/rig.ts";
import { appOf, SETTINGS, ToldAgent, withVolume } from "./told-agent.ts";

const MIB = 2 ** 20;
const GIB = 2 ** 30;
const FOLDER = "/var/lib/setpoint/volumes";
const TWIN = { index: 1 } as const;
const TRASH = { volume: "data", commit: "9c1d04f", trashedAtMs: 1_700_000_000_000 } as const;

let rig: VmRig;
let host: VmHost;
let agent: ToldAgent;
/** Of others, in the same group. */
let foreign: string;

beforeAll(async () => {
  rig = await createVmRig({ hosts: ["a"] });
  host = rig.host("a");
  agent = new ToldAgent(host);
  await sh("pvcreate -q /dev/vdb && vgcreate vg0 /dev/vdb");
  await sh("lvcreate --yes --name vm1-root --size 64M vg0 && lvcreate --yes --name other --size 64M --addtag setpoint.fleet=other vg0");
  await sh("for lv in vm1--root other; do head -c 4M /dev/urandom > /dev/mapper/vg0-$lv; done; sync");
  foreign = await foreignVolumes();
  await agent.configure();
});
afterAll(async () => {
  await rig?.close();
});

/** A figure, for who reads the run. */
function announce(text: string): void {
  process.stdout.write(`  ${text}\n`);
}

async function sh(script: string): Promise<string> {
  return (await host.exec(["sh", "-c", script], { deadlineMs: 500_000 })).stdout.trim();
}

/** Runs in the slot's container; what it printed and said, whatever its exit code is. */
async function inside(script: string, slot: { readonly index?: number; readonly generation?: number } = {}): Promise<string> {
  const { stdout, stderr } = await host.exec(["docker", "exec", appOf(slot), "sh", "-c", script], { anyExit: true, deadlineMs: 500_000 });
  return (stdout + stderr).trim();
}

/** Takes so much at once, then writes until there is no more; prints how many bytes it wrote. */
function fill(takenMib: number): string {
  return `rm -f /data/taken /data/fill; fallocate -l ${takenMib * MIB} /data/taken && dd if=/dev/zero of=/data/fill bs=1M; echo wrote $(stat -c %s /data/fill)`;
}

/** Bytes, from what `fill` printed. */
function wroteOf(said: string): number {
  return Number(/^wrote (\d+)$/m.exec(said)?.[1]);
}

/** All that is not ours: names, identities, sizes, tags and contents. */
async function foreignVolumes(): Promise<string> {
  const names = "vm1-root other";
  return await sh(
    `for lv in ${names}; do lvs --noheadings -o lv_name,lv_uuid,lv_size,lv_tags vg0/$lv; done; md5sum /dev/mapper/vg0-vm1--root /dev/mapper/vg0-other`,
  );
}

function create(sizeBytes: number, slot: { readonly index?: number } = {}, filesystem: "ext4" | "xfs" = "ext4"): Promise<string> {
  return agent.told("createVolume", { volume: "data", filesystem, sizeBytes }, slot);
}

test("writes end at the size of the volume, and nobody else notices", async () => {
  expect(await create(GIB)).toBe("done");
  expect(await create(GIB / 2, TWIN)).toBe("done");
  await agent.run("10.88.0.10");
  await agent.run("10.88.0.11", TWIN);
  await inside("echo mine > /data/f", TWIN);
  const free = async (): Promise<number> => Number(await sh("df --output=avail -B1 / | tail -1"));
  const before = await free();
  const said = await inside(fill(850));
  expect(said).toContain("No space left on device");
  const written = 850 * MIB + wroteOf(said);
  announce(`a volume of 1 GiB (ext4): ENOSPC after ${(written / MIB).toFixed(0)} MiB, ${((written / GIB) * 100).toFixed(1)} % of it`);
  expect(written).toBeGreaterThan(0.9 * GIB);
  expect(written).toBeLessThanOrEqual(GIB);
  expect(await inside("cat /data/f && dd if=/dev/zero of=/data/g bs=1M count=8 2>/dev/null && sync && rm /data/g && echo fine", TWIN)).toBe(
    "mine\nfine",
  );
  expect(Math.abs((await free()) - before)).toBeLessThan(64 * MIB);
  const used = await waitFor(
    "the use to be reported",
    async () => {
      const volume = (await agent.observe()).volumes.find(({ index }) => index === 0);
      return volume!.usedBytes > 0.9 * GIB ? volume! : null;
    },
    { everyMs: 1_000 },
  );
  expect(used).toMatchObject({ set: "db", name: "data", kind: "lvm", sizeBytes: GIB });
});

test("a volume grows under a process that writes, without an error or a restart", async () => {
  await inside("rm /data/fill /data/taken");
  const started = await host.docker("inspect", "-f", "{{.Id}} {{.State.StartedAt}} {{.State.Pid}}", appOf());
  const writer =
    "i=0; while [ ! -e /data/stop ]; do dd if=/dev/zero of=/data/w$((i % 8)) bs=1M count=4 conv=fsync 2>>/data/log || echo failed >>/data/errors; i=$((i+1)); echo $i >/data/rounds; done";
  await host.docker("exec", "-d", appOf(), "sh", "-c", writer);
  await waitFor("the writer to write", async () => Number(await inside("cat /data/rounds")) > 2 || null, { everyMs: 500 });
  const beganMs = performance.now();
  expect(await agent.told("growVolume", { volume: "data", sizeBytes: 2 * GIB })).toBe("done");
  announce(`grown from 1 to 2 GiB under a writing process in ${((performance.now() - beganMs) / 1000).toFixed(1)} s`);
  const rounds = Number(await inside("cat /data/rounds"));
  await waitFor("the writer to go on", async () => Number(await inside("cat /data/rounds")) > rounds + 2 || null, { everyMs: 500 });
  await inside("touch /data/stop");
  expect(await inside("cat /data/errors")).toContain("No such file");
  expect(await host.docker("inspect", "-f", "{{.Id}} {{.State.StartedAt}} {{.State.Pid}}", appOf())).toBe(started);
  const sizeBytes = Number(await sh(`df --output=size -B1 ${FOLDER}/db/0/data | tail -1`));
  expect(sizeBytes).toBeGreaterThan(1.85 * GIB);
  expect(await inside("fallocate -l 1200M /data/large && echo room; rm -f /data/large /data/w*")).toBe("room");
  expect(await agent.told("growVolume", { volume: "data", sizeBytes: GIB })).toMatch(
    /^refused would-shrink: volume data of db\/0 has 2Gi, more than the 1Gi/,
  );
});

test("xfs: made, full at its size, grown in use", async () => {
  const slot = { set: "x" } as const;
  expect(await agent.told("createVolume", { volume: "data", filesystem: "xfs", sizeBytes: 100 * MIB }, slot)).toMatch(
    /^failed volume-too-small: volume data of x\/0 on a is too small for its file system: mkfs.xfs: Filesystem must be larger than 300MB.$/,
  );
  expect(await agent.told("createVolume", { volume: "data", filesystem: "xfs", sizeBytes: 320 * MIB }, slot)).toBe("done");
  await agent.run("10.88.0.12", slot);
  const app = appOf(slot);
  const full = async (takenMib: number): Promise<number> => {
    const { stdout } = await host.exec(["docker", "exec", app, "sh", "-c", fill(takenMib)], { anyExit: true, deadlineMs: 500_000 });
    return takenMib * MIB + wroteOf(stdout);
  };
  const small = await full(200);
  expect(await agent.told("growVolume", { volume: "data", sizeBytes: 512 * MIB }, slot)).toBe("done");
  const large = await full(350);
  announce(`xfs: ENOSPC after ${(small / MIB).toFixed(0)} MiB of 320, and after ${(large / MIB).toFixed(0)} of 512 when grown in use`);
  expect(small).toBeLessThan(320 * MIB);
  expect(large).toBeGreaterThan(400 * MIB);
  expect(large).toBeLessThan(512 * MIB);
  await agent.remove(slot);
  await agent.must("trashVolume", TRASH, slot);
  const entry = (await agent.observe()).trash.find(({ set }) => set === "x")!;
  expect(entry.usedBytes).toBeGreaterThan(400 * MIB);
  await agent.must("purgeVolume", { trashId: entry.id, trashedAtMs: entry.trashedAtMs }, slot);
});

test("deleted, it is in the trash, and comes back into another slot with the same bytes", async () => {
  await inside("mkdir /data/many; for i in 1 2 3; do head -c 5m /dev/urandom >/data/many/$i; done; chown -R 70:71 /data/many; sync");
  const sums = (): string => "cd /data && find . -type f -exec md5sum {} + | sort; stat -c '%u:%g %a' many";
  const before = await inside(sums());
  await agent.must("stopInstance", { graceMs: 1_000 });
  expect(await agent.told("trashVolume", TRASH)).toContain("refused in-use: volume data of db/0 belongs to generation 1 of db/0");
  await agent.must("removeInstance", {});
  await agent.must("detachPort", {});
  await sh(`(cd ${FOLDER}/db/0/data/data && exec sleep 600 </dev/null >/dev/null 2>&1) & echo $! >/run/holder; sleep 1`);
  expect(await agent.told("trashVolume", TRASH)).toMatch(/^failed volume-busy: volume data of db\/0 on a is in use by sleep \(PID \d+\)$/);
  await sh("kill $(cat /run/holder)");
  await agent.must("trashVolume", TRASH);
  const { volumes, trash } = await agent.observe();
  expect(volumes.map(({ index }) => index)).toEqual([1]);
  expect(trash).toMatchObject([
    { set: "db", index: 0, name: "data", sizeBytes: 2 * GIB, commit: "9c1d04f", trashedAtMs: TRASH.trashedAtMs },
  ]);
  expect(await sh(`lvs --noheadings -o lv_name vg0 | grep trash; ls ${FOLDER}/db`)).toBe(`setpoint.trash.${trash[0]!.id}.db-0.data\n1`);
  const slot = { set: "again", index: 4 } as const;
  const restore = { volume: "data", trashId: trash[0]!.id, trashedAtMs: TRASH.trashedAtMs };
  await agent.must("restoreVolume", restore, slot);
  await agent.must("restoreVolume", restore, slot);
  await agent.run("10.88.0.14", slot);
  const { stdout } = await host.exec(["docker", "exec", appOf(slot), "sh", "-c", sums()]);
  expect(stdout.trim()).toBe(before);
  await agent.remove(slot);
  await agent.must("trashVolume", TRASH, slot);
  const [entry] = (await agent.observe()).trash;
  await agent.must("purgeVolume", { trashId: entry!.id, trashedAtMs: entry!.trashedAtMs }, slot);
  expect([(await agent.observe()).trash, await sh("lvs --noheadings -o lv_name vg0 | grep -c trash || true")]).toEqual([[], "0"]);
});

test("after a power cut everything is mounted again before its container starts, with its bytes", async () => {
  await inside("head -c 20m /dev/urandom >/data/kept; sync", TWIN);
  const sum = await inside("md5sum /data/kept", TWIN);
  await host.powerCut();
  const beganMs = performance.now();
  await host.boot();
  await waitFor("the container to run again", async () => (await inside("md5sum /data/kept", TWIN)) === sum || null, {
    everyMs: 1_000,
    evidence: async () => `${await sh("journalctl -u setpoint-agent -n 20 --no-pager")}\n${host.logTails()}`,
  });
  announce(
    `after a power cut its container runs on its data again ${((performance.now() - beganMs) / 1000).toFixed(0)} s after the machine was switched on`,
  );
  expect(await foreignVolumes()).toBe(foreign);
});

test("what goes wrong is told, and is over when its cause is", async () => {
  const slot = { index: 7 } as const;
  const point = `${FOLDER}/db/7/data`;
  expect(await create(90 * GIB, slot)).toMatch(
    /^failed disk-full: the volume group vg0 of a has [\d.]+Gi left, 90Gi more are needed for volume data of db\/7$/,
  );
  await sh(
    "printf '#!/bin/sh\\necho \"mkfs.ext4: Input/output error while writing\" >&2\\nexit 1\\n' >/usr/local/sbin/mkfs.ext4; chmod 755 /usr/local/sbin/mkfs.ext4",
  );
  expect(await create(64 * MIB, slot)).toMatch(
    /^failed volume-failed: no file system could be made on volume data of db\/7 on a: .*Input\/output error/,
  );
  expect(await sh("lvs --noheadings -o lv_name vg0 | grep -c db-7 || true; rm /usr/local/sbin/mkfs.ext4")).toBe("0");
  await sh("lvcreate --yes --name setpoint.db-7.data --size 8M vg0");
  expect(await create(64 * MIB, slot)).toMatch(
    /^refused not-ours: the volume group vg0 of a has a logical volume setpoint.db-7.data that belongs to someone/,
  );
  await sh("lvremove --yes vg0/setpoint.db-7.data");
  expect(await create(64 * MIB, slot)).toBe("done");
  await agent.must("attachPort", { ip: "10.88.0.17", vlan: null, ingressBps: null, egressBps: null }, slot);
  const start = (): Promise<string> => agent.told("startInstance", { spec: withVolume(), ip: "10.88.0.17" }, slot);
  await sh(`mkdir -p ${point} && touch ${point}/forgotten`);
  expect(await start()).toBe(`refused mount-point-busy: volume data of db/7 can't be mounted at ${point} on a: it is not empty`);
  await sh(`rm ${point}/forgotten && mount -t tmpfs somebody ${point}`);
  expect(await start()).toBe(`refused mount-point-busy: volume data of db/7 can't be mounted at ${point} on a: somebody is mounted there`);
  await sh(
    `umount ${point} && dd if=/dev/mapper/vg0-setpoint.db--7.data of=/root/head bs=64k count=1 && dd if=/dev/zero of=/dev/mapper/vg0-setpoint.db--7.data bs=64k count=1 conv=fsync`,
  );
  expect(await start()).toMatch(
    /^failed volume-damaged: the file system of volume data of db\/7 on a is damaged \(have it repaired: e2fsck -f \/dev\/mapper/,
  );
  await sh("dd if=/root/head of=/dev/mapper/vg0-setpoint.db--7.data bs=64k count=1 conv=fsync");
  expect(await start()).toBe("done");
  await agent.remove(slot);
  await agent.must("trashVolume", TRASH, slot);
});

test("a disk of the group that is gone: nothing is changed, what is not on it goes on, and all is well when it is back", async () => {
  await sh("pvcreate -q /dev/vdc && vgextend -q vg0 /dev/vdc");
  await sh("lvcreate --yes --name spare --size 32M vg0 /dev/vdc");
  await host.powerCut();
  await host.boot({ without: ["spare"] });
  await agent.isBack();
  const lacks = /the volume group vg0 lacks the physical volume \S+/;
  expect((await agent.observe()).storageProblem).toMatch(lacks);
  expect(await create(64 * MIB, { index: 8 })).toMatch(
    /^refused group-damaged: the volume group vg0 of a lacks the physical volume \S+: nothing is changed in it$/,
  );
  expect(await agent.told("growVolume", { volume: "data", sizeBytes: GIB }, TWIN)).toMatch(/^refused group-damaged/);
  await waitFor("the container to run on its volume", async () => (await inside("cat /data/f", TWIN)) === "mine" || null, {
    everyMs: 1_000,
  });
  await host.powerCut();
  await host.boot();
  await agent.isBack();
  await waitFor("the group to be whole", async () => (await agent.observe()).storageProblem === "" || null, { everyMs: 1_000 });
  expect(await agent.told("growVolume", { volume: "data", sizeBytes: GIB }, TWIN)).toBe("done");
  expect(await foreignVolumes()).toBe(foreign);
});

test("a thin pool: more is promised than there is, and it alarms before it is full", async () => {
  await sh("lvcreate --yes --type thin-pool --name thin --size 128M vg0");
  await agent.configure({ storage: { ...SETTINGS.storage!, thinPool: "thin" } });
  const slot = { index: 9 } as const;
  expect(await create(GIB, slot)).toBe("done");
  expect(await sh("lvs --noheadings -o pool_lv vg0/setpoint.db-9.data")).toBe("thin");
  await agent.run("10.88.0.19", slot);
  expect((await agent.observe()).storageProblem).toBe("");
  await inside("dd if=/dev/zero of=/data/fill bs=1M count=100 conv=fsync", slot);
  expect(await create(64 * MIB, { index: 10 })).toMatch(
    /^failed disk-full: the thin pool vg0\/thin of a is 9\d % full, so nothing more is taken from it/,
  );
  expect((await agent.observe()).storageProblem).toMatch(/^the thin pool vg0\/thin is 9\d % full, its metadata \d+ %$/);
  expect(await foreignVolumes()).toBe(foreign);
});
