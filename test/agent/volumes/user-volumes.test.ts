import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { Mount } from "../../../reconciler/agent/cgroup/mounts.ts";
import { CommandError, type RunCommand } from "../../../reconciler/agent/commands.ts";
import { mountPoint } from "../../../reconciler/agent/volumes/lvm/next.ts";
import { createUserDriver } from "../../../reconciler/agent/volumes/user/user-driver.ts";
import type { VolumeDriver } from "../../../reconciler/agent/volumes/driver.ts";
import { createSystemClock } from "../../../reconciler/sys/clock.ts";
import { callPlugin } from "../network/docker-calls.ts";
import { failure, never } from "../docker/engine-fixture.ts";
import { FakeLvm, GIB } from "./fake-lvm.ts";

/** Where the host in memory mounts volumes. */
const FOLDER = "/state/volumes";
const SETTINGS = { volumeGroup: "vg0", thinPool: null, folder: "/volumes" };
const SILENT = { info: () => undefined, warn: () => undefined, error: () => undefined };
const POINT = `${FOLDER}/_docker/0/pg`;

let host: FakeLvm;
/** Uses of volumes by containers: what the kernel has of them. */
let uses: Mount[];
let folder: string;
let socket: string;
let drivers: VolumeDriver[];

beforeEach(() => {
  host = new FakeLvm();
  uses = [];
  drivers = [];
  folder = mkdtempSync(join(tmpdir(), "setpoint-user-"));
  socket = join(folder, "setpoint-lvm.sock");
});
afterEach(async () => {
  for (const driver of drivers) await driver.close();
  rmSync(folder, { recursive: true });
});

/** Mounts of folders here, all else by the host in memory. */
const run: RunCommand = async (command, signal) => {
  const { program, args } = command;
  const point = args.at(-1)!;
  if (program === "mount" && args[0] === "--bind") {
    uses.push({ device: "0:0", root: "/data", point, type: "ext4", source: "x", options: [] });
    return "";
  }
  if (program === "umount" && uses.some((use) => use.point === point)) {
    uses = uses.filter((use) => use.point !== point);
    return "";
  }
  return await host.run(command, signal);
};

/** A new run of the agent that was told its settings; `settings` null: its pool has no storage. */
async function start(settings: typeof SETTINGS | null = SETTINGS): Promise<VolumeDriver> {
  const files = { ...host.files, mounts: async () => [...(await host.files.mounts()), ...uses] };
  const driver = host.driver("shop:docker");
  const usesFolder = `${FOLDER}/uses`;
  const pointOf = (ref: Parameters<typeof mountPoint>[1]): string => mountPoint(FOLDER, ref);
  const made = createUserDriver({ driver, pointOf, usesFolder, socket, run, files, clock: createSystemClock(), log: SILENT });
  drivers.push(made);
  await made.apply(settings, never());
  return made;
}

async function ask(path: string, body: object = {}): Promise<Readonly<Record<string, unknown>>> {
  return (await callPlugin(socket, `/VolumeDriver.${path}`, body)).body as Readonly<Record<string, unknown>>;
}

async function make(): Promise<void> {
  expect(await ask("Create", { Name: "pg", Opts: { size: "1Gi" } })).toEqual({});
}

describe("what people do with Docker", () => {
  test("a volume is made with size and file system, shown, and is none of a Set's", async () => {
    const driver = await start();
    expect(await ask("Get", { Name: "pg" })).toEqual({ Err: "no such volume" });
    expect(await ask("Create", { Name: "pg", Opts: { size: "1Gi", filesystem: "xfs" } })).toEqual({});
    expect(await ask("Get", { Name: "pg" })).toEqual({ Volume: { Name: "pg", Mountpoint: "", Status: { size: "1Gi", used: "0" } } });
    expect(await ask("List")).toMatchObject({ Volumes: [{ Name: "pg" }] });
    expect(host.volumes.find(({ name }) => name === "setpoint._docker-0.pg")?.tags).toContain("setpoint.fleet=shop:docker");
    expect(driver.volumes()).toEqual([]);
    const sets = host.driver();
    await sets.apply(SETTINGS);
    expect(sets.volumes()).toEqual([]);
    // It takes room from them all the same.
    expect(sets.capacityBytes()).toBe(97 * GIB);
  });

  test.each([
    [{}, "say how large the volume is to be: -o size=10Gi"],
    [{ size: "much" }, "much is no size; write it as 500Mi, 10Gi or 1Ti"],
    [{ size: "1Gi", fs: "xfs" }, "there is no option fs; allowed: size=10Gi, filesystem=ext4|xfs, or restore=ID of an entry of the trash"],
    [{ size: "1Gi", filesystem: "zfs" }, "there is no file system zfs; allowed: ext4, xfs"],
    [{ size: "1Gi", restore: "x" }, "restore=ID brings size and file system along: give it alone"],
    [{ restore: "a-1/x" }, "x is no Docker volume in the trash of this host"],
  ])("options that can't be are refused: %j", async (Opts, said) => {
    await start();
    expect(await ask("Create", { Name: "pg", Opts })).toEqual({ Err: said });
  });

  test("each use has a mount of its own; the volume is unmounted with the last, whatever restarted meanwhile", async () => {
    await start();
    await make();
    const { Mountpoint: one } = await ask("Mount", { Name: "pg", ID: "1" });
    const { Mountpoint: two } = await ask("Mount", { Name: "pg", ID: "2" });
    expect(await ask("Mount", { Name: "pg", ID: "2" })).toEqual({ Mountpoint: two });
    expect(uses.map(({ point }) => point)).toEqual([one, two]);
    expect(await ask("Path", { Name: "pg" })).toEqual({ Mountpoint: one });
    await drivers[0]!.close();
    await start();
    await ask("Unmount", { Name: "pg", ID: "1" });
    await ask("Unmount", { Name: "pg", ID: "1" });
    expect(host.mounts.map(({ point }) => point)).toEqual([POINT]);
    await ask("Unmount", { Name: "pg", ID: "2" });
    expect([uses, host.mounts]).toEqual([[], []]);
  });

  test("a shell of a person in it keeps it mounted, and no container from ending", async () => {
    await start();
    await make();
    await ask("Mount", { Name: "pg", ID: "1" });
    host.inside.set(POINT, "bash");
    expect(await ask("Unmount", { Name: "pg", ID: "1" })).toEqual({});
    expect(host.mounts).toHaveLength(1);
  });

  test("one that is removed is in the trash, with its data; what Docker forgot to unmount does not keep it", async () => {
    const driver = await start();
    await make();
    await ask("Mount", { Name: "pg", ID: "of a container that was there when Docker was killed" });
    expect(await ask("Remove", { Name: "pg" })).toEqual({});
    expect(await ask("Remove", { Name: "pg" })).toEqual({});
    const [entry] = driver.trash();
    expect(entry).toMatchObject({ set: "_docker", index: 0, name: "pg", kind: "lvm", sizeBytes: GIB, commit: "docker" });
    expect(await failure(driver.restore({ set: "web", index: 0, name: "d" }, entry!.id, entry!.trashedAtMs, never()))).toMatchObject({
      code: "not-ours",
      message: expect.stringContaining(`-o restore=${entry!.id} NAME`) as string,
    });
    expect(await ask("Create", { Name: "back", Opts: { restore: `a-1/${entry!.id}` } })).toEqual({});
    expect(await ask("List")).toMatchObject({ Volumes: [{ Name: "back" }] });
    await ask("Remove", { Name: "back" });
    const [again] = driver.trash();
    await driver.purge(again!.id, again!.trashedAtMs, never());
    expect(driver.trash()).toEqual([]);
  });

  test("a full group is told in words", async () => {
    await start();
    expect((await ask("Create", { Name: "pg", Opts: { size: "200Gi" } }))["Err"]).toContain("has 98Gi left, 200Gi more are needed");
  });
});

test("the plugin is there while the pool has a volume group", async () => {
  const driver = await start(null);
  expect(existsSync(socket)).toBe(false);
  await driver.apply(SETTINGS, never());
  expect(await callPlugin(socket, "/Plugin.Activate", {})).toMatchObject({ status: 200, body: { Implements: ["VolumeDriver"] } });
  expect(await ask("Capabilities")).toEqual({ Capabilities: { Scope: "local" } });
  await driver.apply({ ...SETTINGS, volumeGroup: null as unknown as string }, never());
  expect(existsSync(socket)).toBe(false);
});

test("LVM that fails is told as it said it", async () => {
  await start();
  host.before = (line) => {
    if (line.startsWith("lvcreate")) throw new CommandError({ program: "lvcreate", args: [] }, "exit", "device is on fire");
  };
  expect((await ask("Create", { Name: "pg", Opts: { size: "1Gi" } }))["Err"]).toContain("device is on fire");
});
