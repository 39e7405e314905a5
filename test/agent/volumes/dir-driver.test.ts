import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { RunCommand } from "../../../reconciler/agent/commands.ts";
import { createDirDriver } from "../../../reconciler/agent/volumes/dir/dir-driver.ts";
import { Folders } from "../../../reconciler/agent/volumes/dir/folders.ts";
import { readNote, writeNote } from "../../../reconciler/agent/volumes/dir/note.ts";
import type { VolumeDriver } from "../../../reconciler/agent/volumes/driver.ts";
import { createSystemClock } from "../../../reconciler/sys/clock.ts";
import { failure, never } from "../docker/engine-fixture.ts";

const REF = { set: "web", index: 3, name: "data" };
const NOTE = { trashedAtMs: 1_700_000_000_000, commit: "9c1d04f", taskId: "4bf92f35" };
const ID = "web-3-data-1700000000000";
const SILENT = { info: () => undefined, warn: () => undefined, error: () => undefined };
const MB = 2 ** 20;

let base: string;
let top: string;
let drivers: VolumeDriver[];
/** Programs that were run, and what du says. */
let ran: string[];
let usedBytes: number;

beforeEach(() => {
  base = mkdtempSync(join(tmpdir(), "setpoint-dir-"));
  top = join(base, "volumes");
  drivers = [];
  ran = [];
  usedBytes = 0;
});
afterEach(async () => {
  for (const driver of drivers) await driver.close();
  rmSync(base, { recursive: true });
});

const run: RunCommand = ({ program, args }) => {
  ran.push([program, ...args].join(" "));
  if (args.includes("rm")) rmSync(args.at(-1)!, { recursive: true });
  return Promise.resolve(args.includes("du") ? `${usedBytes}\t/x\n` : "");
};

/** A new run of the agent. */
async function open(fleet = "shop", state = "state"): Promise<VolumeDriver> {
  const driver = createDirDriver({ fleet: () => fleet, stateFolder: join(base, state), run, clock: createSystemClock(), log: SILENT });
  drivers.push(driver);
  await driver.apply({ volumeGroup: null, thinPool: null, folder: top }, never());
  return driver;
}

/** A driver with one volume and a file in it. */
async function withVolume(): Promise<VolumeDriver> {
  const driver = await open();
  await driver.create({ ...REF, filesystem: null, sizeBytes: MB }, never());
  writeFileSync(join(await driver.mount(REF, null, never()), "file"), "bytes");
  return driver;
}

const PLACE = "web/3/data";
const ENTRY = `.trash/shop/${ID}`;

describe("a volume", () => {
  test("is made once, is a folder that its user owns, and its limit is set in place", async () => {
    const driver = await open();
    await driver.create({ ...REF, filesystem: null, sizeBytes: MB }, never());
    await driver.create({ ...REF, filesystem: null, sizeBytes: MB }, never());
    expect(driver.volumes()).toMatchObject([{ ...REF, kind: "dir", sizeBytes: MB }]);
    const data = await driver.mount(REF, { uid: process.getuid!(), gid: process.getgid!() }, never());
    expect(data).toBe(join(top, PLACE, "data"));
    expect(statSync(data).mode & 0o777).toBe(0o755);
    expect(statSync(join(top, "web")).mode & 0o777).toBe(0o700);
    await driver.grow(REF, 3 * MB, never());
    await driver.grow(REF, 2 * MB, never());
    expect(driver.volumes()).toMatchObject([{ sizeBytes: 2 * MB }]);
    expect((await open()).volumes()).toMatchObject([{ ...REF, sizeBytes: 2 * MB }]);
  });

  test("whose user nobody knows is open to whoever sees it; what its containers made of it later stays", async () => {
    const driver = await withVolume();
    const data = join(top, PLACE, "data");
    expect(statSync(data).mode & 0o777).toBe(0o777);
    await driver.mount(REF, { uid: process.getuid!(), gid: process.getgid!() }, never());
    expect(statSync(data).mode & 0o777).toBe(0o777);
  });

  test("that is not there can't be mounted, nor its limit be set", async () => {
    const driver = await open();
    expect(await failure(driver.mount(REF, null, never()))).toMatchObject({ code: "not-ready" });
    expect(await failure(driver.grow(REF, MB, never()))).toMatchObject({ code: "not-found" });
    expect(existsSync(top)).toBe(false);
  });

  test("of another fleet, or a folder of somebody else, is never touched", async () => {
    await withVolume();
    const other = await open("other", "other-state");
    expect(other.volumes()).toEqual([]);
    expect(await failure(other.create({ ...REF, filesystem: null, sizeBytes: MB }, never()))).toMatchObject({ code: "not-ours" });
    await other.trashVolume(REF, NOTE, never());
    mkdirSync(join(top, "db/0/data"), { recursive: true });
    expect(await failure(other.create({ set: "db", index: 0, name: "data", filesystem: null, sizeBytes: MB }, never()))).toMatchObject({
      code: "not-ours",
    });
    expect(readFileSync(join(top, PLACE, "data/file"), "utf8")).toBe("bytes");
  });

  test("is refused where the pool names no folder", async () => {
    const driver = await open();
    await driver.apply(null, never());
    expect(await failure(driver.create({ ...REF, filesystem: null, sizeBytes: MB }, never()))).toMatchObject({ code: "no-capability" });
  });
});

describe("the trash", () => {
  test("has the volume with its note; a slot gets it back with the same bytes, once", async () => {
    const driver = await withVolume();
    await driver.trashVolume(REF, NOTE, never());
    await driver.trashVolume(REF, NOTE, never());
    expect(driver.volumes()).toEqual([]);
    expect(driver.trash()).toMatchObject([{ ...REF, ...NOTE, id: ID, kind: "dir", sizeBytes: MB }]);
    // The folders of slot and Set are gone, since nothing is left in them.
    expect(readdirSync(top).sort()).toEqual([".setpoint", ".trash"]);
    expect(await failure(driver.restore(REF, ID, 1, never()))).toMatchObject({ code: "not-found", retry: "permanent" });
    await driver.restore({ set: "shop", index: 0, name: "old" }, ID, NOTE.trashedAtMs, never());
    expect(driver.trash()).toEqual([]);
    expect(driver.volumes()).toMatchObject([{ set: "shop", index: 0, name: "old" }]);
    expect(readFileSync(join(top, "shop/0/old/data/file"), "utf8")).toBe("bytes");
  });

  test("gives nothing back over a volume that is there", async () => {
    const driver = await withVolume();
    await driver.trashVolume(REF, NOTE, never());
    await driver.create({ ...REF, filesystem: null, sizeBytes: MB }, never());
    expect(await failure(driver.restore(REF, ID, NOTE.trashedAtMs, never()))).toMatchObject({ code: "volume-exists" });
    expect(driver.trash()).toHaveLength(1);
  });

  test("is left alone by a step that comes again after a new volume was made, and by a restore that comes again", async () => {
    const driver = await withVolume();
    await driver.trashVolume(REF, NOTE, never());
    await driver.create({ ...REF, filesystem: null, sizeBytes: MB }, never());
    await driver.trashVolume(REF, NOTE, never());
    expect([driver.volumes().length, driver.trash().length]).toEqual([1, 1]);
    const other = { set: "shop", index: 0, name: "old" };
    await driver.restore(other, ID, NOTE.trashedAtMs, never());
    await driver.restore(other, ID, NOTE.trashedAtMs, never());
    expect(driver.volumes()).toMatchObject([other, REF]);
  });

  test("destroys only the entry that is meant, in the background, and goes on after a crash", async () => {
    const driver = await withVolume();
    await driver.trashVolume(REF, NOTE, never());
    expect(await failure(driver.purge(ID, 1, never()))).toMatchObject({ code: "not-found", retry: "permanent" });
    expect(existsSync(join(top, ENTRY, "data/file"))).toBe(true);
    await driver.purge(ID, NOTE.trashedAtMs, never());
    expect(driver.trash()).toEqual([]);
    await until(() => ran.some((line) => line.includes("rm -rf --one-file-system")));
    expect(existsSync(join(top, ENTRY))).toBe(false);
    await driver.purge(ID, NOTE.trashedAtMs, never());
    mkdirSync(join(top, ".purge/shop/left"), { recursive: true });
    await open();
    await until(() => !existsSync(join(top, ".purge/shop/left")));
  });
});

describe("a crash between two steps is made good by the next look", () => {
  /** What a crash left behind: notes and places that do not fit. */
  async function look(): Promise<VolumeDriver> {
    for (const driver of drivers) await driver.close();
    return await open();
  }

  test("of a new volume nothing is seen, and it is made anew", async () => {
    await withVolume();
    mkdirSync(join(top, ".new/shop/db-0-data/data"), { recursive: true });
    const driver = await look();
    expect(readdirSync(join(top, ".new/shop"))).toEqual([]);
    expect(driver.volumes()).toHaveLength(1);
  });

  test("marked as trash, not moved yet", async () => {
    const driver = await withVolume();
    await driver.trashVolume(REF, NOTE, never());
    mkdirSync(join(top, "web/3"), { recursive: true });
    renameSync(join(top, ENTRY), join(top, PLACE));
    const after = await look();
    expect(after.volumes()).toEqual([]);
    expect(after.trash()).toMatchObject([{ id: ID }]);
    expect(existsSync(join(top, ENTRY, "data/file"))).toBe(true);
  });

  test("marked as a slot's, still in the trash", async () => {
    const driver = await withVolume();
    await driver.trashVolume(REF, NOTE, never());
    const note = (await readNote(join(top, ENTRY)))!;
    await writeNote(join(top, ENTRY), { ...note, trash: null });
    const after = await look();
    expect(after.trash()).toEqual([]);
    expect(after.volumes()).toMatchObject([REF]);
    expect(existsSync(join(top, PLACE, "data/file"))).toBe(true);
  });

  test("what can't be put right without losing something is left alone and told", async () => {
    const driver = await withVolume();
    await driver.trashVolume(REF, NOTE, never());
    const note = (await readNote(join(top, ENTRY)))!;
    await driver.create({ ...REF, filesystem: null, sizeBytes: MB }, never());
    await writeNote(join(top, ENTRY), { ...note, trash: null });
    writeFileSync(join(top, PLACE, "volume.json.new"), "torn");
    const after = await look();
    expect(after.problem()).toContain(`${join(top, ENTRY)} should be ${join(top, PLACE)}, which is there already`);
    expect(existsSync(join(top, ENTRY, "data/file"))).toBe(true);
    writeFileSync(join(top, PLACE, "volume.json"), "{");
    await after.look(never());
    expect(after.problem()).toContain(`${join(top, PLACE, "volume.json")} is no note of a volume`);
  });
});

test("where the disk with the volumes is not mounted nothing is made in its place, and all goes on when it is", async () => {
  const driver = await withVolume();
  const away = join(base, "away");
  renameSync(top, away);
  expect(await failure(driver.look(never()))).toMatchObject({ code: "storage-missing" });
  expect(driver.problem()).toContain("is its disk mounted?");
  expect(await failure(driver.create({ ...REF, filesystem: null, sizeBytes: MB }, never()))).toMatchObject({ code: "storage-missing" });
  expect(existsSync(top)).toBe(false);
  renameSync(away, top);
  await driver.look(never());
  expect(driver.problem()).toBe(null);
  expect(driver.volumes()).toMatchObject([REF]);
});

test("use is measured, and a volume over its limit is read-only for all who start, until it is well below", async () => {
  usedBytes = MB + 1;
  const driver = await withVolume();
  await until(() => driver.volumes()[0]?.readOnly === true);
  expect(driver.volumes()).toEqual([{ ...REF, kind: "dir", sizeBytes: MB, usedBytes: MB + 1, readOnly: true }]);
  expect((await readNote(join(top, PLACE)))?.readOnly).toBe(true);
  const data = join(top, PLACE, "data");
  expect(ran).toContain(`mount -o bind,ro ${data} ${data}`);
  // A limit that is only just enough does not give the right back.
  await driver.grow(REF, MB + 2, never());
  expect(driver.volumes()[0]?.readOnly).toBe(true);
  await driver.grow(REF, 2 * MB, never());
  await until(() => driver.volumes()[0]?.readOnly === undefined);
  expect((await readNote(join(top, PLACE)))?.readOnly).toBe(false);
});

test("a folder is never looked for outside of the storage folder", () => {
  expect(new Folders("/srv/v", "shop").placeOf(REF)).toBe("/srv/v/web/3/data");
});

async function until(holds: () => boolean): Promise<void> {
  for (let turn = 0; turn < 500; turn++) {
    if (holds()) return;
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  throw new Error("it did not come to be within 5 s");
}
