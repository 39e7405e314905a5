import { readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { waitFor } from "../hosts/rig/wait.ts";
import type { VmHost } from "./rig/host.ts";
import { createVmRig, type VmRig } from "./rig/rig.ts";
import { ToldAgent } from "./told-agent.ts";
import { KILL_FOLDER, PROCESS_FOLDER, TRASHED_AT_MS, type TaskDone, type VolumeTask } from "./volume-process.ts";

/*
 * Who changes a volume is killed at each program that the change runs: before that does anything, and while it works and goes on alone. The
 * same change is then asked of the next process: the result is the one it has undisturbed, and no byte is lost.
 */

const MIB = 2 ** 20;
const PROGRAMS = ["lvcreate", "lvchange", "lvrename", "lvextend", "lvremove", "mkfs.ext4", "mount", "umount", "resize2fs"];
/** Stands before each of them in the path. Kills who called it at the n-th call, and works then only if it is told to. */
const KILLER = `#!/bin/sh
cd ${KILL_FOLDER}
name=$(basename "$0")
n=$(($(cat count) + 1))
echo $n >count
echo $name >>log
if [ $n = $(cat at) ]; then
  kill -9 $PPID
  [ $(cat mode) = before ] && exit 1
fi
cd /
PATH=/usr/sbin:/usr/bin:/sbin:/bin exec $name "$@"
`;
const PRODUCT = "/usr/local/lib/setpoint";
/** Compiled code of a process, for the next. */
const ENVIRONMENT = { NODE_COMPILE_CACHE: "/run/compiled", PATH: "/usr/local/bin:/usr/sbin:/usr/bin" };

let rig: VmRig;
let host: VmHost;
let foreign: string;

beforeAll(async () => {
  rig = await createVmRig({ hosts: ["a"] });
  host = rig.host("a");
  await sh("pvcreate -q /dev/vdb && vgcreate vg0 /dev/vdb && lvcreate --yes --name vm1-root --size 64M vg0");
  await sh("head -c 4M /dev/urandom > /dev/mapper/vg0-vm1--root; sync");
  await sh(`mkdir ${KILL_FOLDER} && cd ${KILL_FOLDER} && echo 0 >count && echo 0 >at && echo before >mode`);
  foreign = await foreignVolume();
  for (const program of PROGRAMS) await host.write(`/usr/local/sbin/${program}`, KILLER, "755");
  await host.write(`${PRODUCT}/test/vm/volume-process.ts`, readFileSync(join(import.meta.dirname, "volume-process.ts")));
});
afterAll(async () => {
  await rig?.close();
});

async function sh(script: string): Promise<string> {
  return (await host.exec(["sh", "-c", script], { deadlineMs: 240_000, env: { PATH: "/usr/sbin:/usr/bin" } })).stdout.trim();
}

function foreignVolume(): Promise<string> {
  return sh("lvs --noheadings -o lv_name,lv_uuid,lv_size,lv_tags vg0/vm1-root; md5sum /dev/mapper/vg0-vm1--root");
}

/** One change of a volume. */
interface Change {
  readonly name: string;
  /** What comes before it. */
  readonly before: readonly ("create" | "use" | "unmount" | "discard")[];
  readonly act: (index: number, trashId: string | null) => VolumeTask;
  /** In their order, undisturbed. */
  readonly programs: readonly string[];
  /** What is there in the end; see stateOf. */
  readonly leaves: string;
}

const CHANGES: readonly Change[] = [
  {
    name: "create",
    before: [],
    act: create,
    programs: ["lvcreate", "mkfs.ext4", "lvchange"],
    leaves: "setpoint.db-N.data ready 64 MiB, not mounted, empty",
  },
  {
    name: "grow in use",
    before: ["create", "use"],
    act: grow,
    programs: ["lvextend", "resize2fs", "lvchange"],
    leaves: "setpoint.db-N.data ready 128 MiB, mounted, its bytes, filled",
  },
  {
    name: "grow one that is not mounted",
    before: ["create", "use", "unmount"],
    act: grow,
    programs: ["lvextend", "mount", "resize2fs", "lvchange"],
    leaves: "setpoint.db-N.data ready 128 MiB, mounted, its bytes, filled",
  },
  {
    name: "trash",
    before: ["create", "use"],
    act: (index) => ({ kind: "trash", index }),
    programs: ["lvchange", "umount", "lvchange", "lvrename"],
    leaves: "setpoint.trash.ID.db-N.data trash 64 MiB, not mounted, its bytes",
  },
  {
    name: "restore",
    before: ["create", "use", "discard"],
    act: (index, trashId) => ({ kind: "restore", index, trashId }),
    programs: ["lvchange", "lvrename"],
    leaves: "setpoint.db-N.data ready 64 MiB, not mounted, its bytes",
  },
  {
    name: "purge",
    before: ["create", "use", "discard"],
    act: (index, trashId) => ({ kind: "purge", index, trashId }),
    programs: ["lvremove"],
    leaves: "nothing",
  },
];

function create(index: number): VolumeTask {
  return { kind: "create", index, sizeBytes: 64 * MIB };
}

function grow(index: number): VolumeTask {
  return { kind: "grow", index, sizeBytes: 128 * MIB };
}

const BEFORE: Readonly<Record<Change["before"][number], (index: number) => readonly VolumeTask[]>> = {
  create: (index) => [create(index)],
  use: (index) => [
    { kind: "mount", index },
    { kind: "write", index },
  ],
  unmount: (index) => [{ kind: "unmount", index }],
  discard: (index) => [{ kind: "trash", index }],
};

/** Has one process do all this; what it said of each, and how it ended. */
async function process(tasks: readonly VolumeTask[]): Promise<{ readonly done: readonly TaskDone[]; readonly end: string }> {
  // What ssh tells of a program that was killed is not its exit code.
  const argv = ["sh", "-c", 'node "$@"; echo $?', "sh", `${PRODUCT}/test/vm/volume-process.ts`, JSON.stringify(tasks)];
  const { stdout, stderr } = await host.exec(argv, { deadlineMs: 400_000, env: ENVIRONMENT });
  const lines = stdout.trim().split("\n");
  const exitCode = lines.pop();
  return {
    done: lines.map((line) => JSON.parse(line) as TaskDone),
    end: exitCode === "137" ? "killed" : exitCode === "0" ? "done" : stderr,
  };
}

/** Each change has a slot of its own. */
const slots = { used: 0 };

interface Killing {
  readonly index: number;
  /** The program that kills who runs it; 0: none does. */
  readonly at: number;
  readonly mode: "before" | "during";
  /** The change again, for the next process. */
  readonly again: VolumeTask;
}

/** A process ends what the one before it began, and is killed in a change of its own. Null: nothing was begun, nothing more is to be. */
async function live(
  { name, before, act, leaves }: Change,
  begun: Killing | null,
  place: Pick<Killing, "at" | "mode"> | null,
): Promise<Killing | null> {
  const index = ++slots.used;
  const own: readonly VolumeTask[] =
    place === null ? [] : [...before.flatMap((what) => BEFORE[what](index)), { kind: "arm", index, ...place }, act(index, null)];
  const { done, end } = await process(begun === null ? own : [begun.again, ...own]);
  expect([name, place, end]).toEqual([name, place, place === null || place.at === 0 ? "done" : "killed"]);
  if (begun !== null) {
    const which = `${name}, ${begun.mode} ${begun.at}: `;
    expect(which + (await stateOf(begun.index))).toBe(which + leaves);
    await drop(begun.index);
  }
  if (place === null) return null;
  const entry = done.flatMap(({ trash }) => trash).find((one) => one.index === index);
  return { index, ...place, again: act(index, entry?.id ?? null) };
}

/** What the last process ran since it was armed. */
async function programsRun(): Promise<readonly string[]> {
  return (await sh(`cat ${KILL_FOLDER}/log; echo 0 >${KILL_FOLDER}/at`)).split("\n");
}

/** The volume of the slot and what is in it, as `Change.leaves`. */
async function stateOf(index: number, folder = PROCESS_FOLDER): Promise<string> {
  const fields = "lv_name,lv_size,lv_tags,lv_dm_path";
  const found = await sh(
    `lvs --noheadings --units m --nosuffix --separator ';' -o ${fields} vg0 | grep 'setpoint.index=${index},' || true`,
  );
  if (found === "") return "nothing";
  const [name, size, tags, path] = found.split(";").map((field) => field.trim()) as [string, string, string, string];
  const state = /setpoint\.state=(\w+)/.exec(tags)![1]!;
  const point = `${folder}/db/${index}/data`;
  const isMounted = (await sh(`grep -c ' ${point} ' /proc/self/mountinfo || true`)) === "1";
  const at = isMounted ? point : "/mnt";
  const file = `${at}/data/f`;
  const look = `if [ -e ${file} ]; then seq -f 'slot ${index} line %g' 100000 | cmp - ${file} && echo its bytes; else echo empty; fi; df --output=size -BM ${at} | tail -1`;
  const [bytes, room] = (await sh(isMounted ? look : `mount -o ro ${path} /mnt; ${look}; umount /mnt`)).split("\n");
  const filled = Number(size) > 64 ? (Number.parseInt(room!, 10) > 100 ? ", filled" : ", not filled") : "";
  const shown = name.replace(/trash\.\w+\./, "trash.ID.").replace(`-${index}.`, "-N.");
  return `${shown} ${state} ${Number(size)} MiB, ${isMounted ? "mounted" : "not mounted"}, ${bytes}${filled}`;
}

/** Makes room. */
async function drop(index: number, folder = PROCESS_FOLDER): Promise<void> {
  await sh(`umount ${folder}/db/${index}/data 2>/dev/null; lvremove -q --yes --select lv_tags=setpoint.index=${index} vg0`);
}

test.each(CHANGES)("$name: killed at each program", async (change) => {
  const { programs } = change;
  let begun = await live(change, null, { at: 0, mode: "before" });
  expect(await programsRun()).toEqual(programs);
  for (const [place] of programs.entries()) {
    for (const mode of ["before", "during"] as const) {
      begun = await live(change, begun, { at: place + 1, mode });
      expect((await programsRun()).slice(0, place + 1)).toEqual(programs.slice(0, place + 1));
    }
  }
  await live(change, begun, null);
  expect(await foreignVolume()).toBe(foreign);
});

test("the agent itself: killed while it makes a file system and while it discards, its successor ends what it began", async () => {
  const agent = new ToldAgent(host);
  const folder = "/var/lib/setpoint/volumes";
  const arm = (at: number): Promise<string> => sh(`cd ${KILL_FOLDER}; echo 0 >count; echo during >mode; echo ${at} >at`);
  await agent.configure();
  const index = ++slots.used;
  const make = () => agent.step("createVolume", { volume: "data", filesystem: "ext4", sizeBytes: 64 * MIB }, { index });
  await arm(2);
  expect(await make()).toBe(null);
  await agent.isBack();
  await waitFor("the volume", async () => ((await make())?.outcome === "done" ? true : null), { everyMs: 1_000 });
  await arm(1);
  expect(await agent.step("trashVolume", { volume: "data", commit: "9c1d04f", trashedAtMs: TRASHED_AT_MS }, { index })).toBe(null);
  // Nobody asks again: its look alone ends it.
  await agent.isBack();
  await waitFor("the trash to have it", async () => (await agent.observe()).trash.find((entry) => entry.index === index) ?? null);
  expect(await stateOf(index, folder)).toBe("setpoint.trash.ID.db-N.data trash 64 MiB, not mounted, empty");
  await drop(index, folder);
  expect(await foreignVolume()).toBe(foreign);
});
