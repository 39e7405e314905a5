import { writeFileSync } from "node:fs";
import { createCommandRunner } from "../../reconciler/agent/commands.ts";
import type { VolumeRef } from "../../reconciler/agent/ports.ts";
import { createVolumeFiles } from "../../reconciler/agent/volumes/files.ts";
import { unmountFilesystem } from "../../reconciler/agent/volumes/filesystem.ts";
import { LvmDriver } from "../../reconciler/agent/volumes/lvm/lvm-driver.ts";
import type { TrashedVolume } from "../../reconciler/core/observation.ts";

/*
 * Runs on the machine: the agent's driver, without the rest of an agent, which takes half a minute to start there. Looks at the volumes as every
 * agent does first, then does what it is given as JSON, one after the other, and prints a line after each.
 */

/** About the volume `data` of the slot `db/index`. */
export type VolumeTask = { readonly index: number } & (
  | { readonly kind: "create" | "grow"; readonly sizeBytes: number }
  | { readonly kind: "mount" | "unmount" | "trash" }
  /** `trashId` null: what the trash has of the slot. */
  | { readonly kind: "restore" | "purge"; readonly trashId: string | null }
  /** Writes its file, in which each line names the slot. */
  | { readonly kind: "write" }
  /** From now on programs are counted, and the one with this number kills this process. */
  | { readonly kind: "arm"; readonly at: number; readonly mode: "before" | "during" }
);

export interface TaskDone {
  readonly task: VolumeTask["kind"];
  readonly index: number;
  readonly trash: readonly TrashedVolume[];
}

/** Not the agent's, which is on the same machine and must leave them alone. */
export const PROCESS_FLEET = "killed";
export const PROCESS_FOLDER = "/var/lib/killed";
/** Where those who kill are told when. */
export const KILL_FOLDER = "/run/kill";
export const TRASHED_AT_MS = 1_700_000_000_000;
const LINES = 100_000;

const SILENT = { info: () => undefined, warn: () => undefined, error: () => undefined };
const PATIENCE_MS = 120_000;
const { signal } = new AbortController();
const run = createCommandRunner(60_000, { LVM_SUPPRESS_FD_WARNINGS: "1" });

async function work(driver: LvmDriver, task: VolumeTask): Promise<void> {
  const ref: VolumeRef = { set: "db", index: task.index, name: "data" };
  switch (task.kind) {
    case "create":
      return await driver.create({ ...ref, filesystem: "ext4", sizeBytes: task.sizeBytes }, signal);
    case "grow":
      return await driver.grow(ref, task.sizeBytes, signal);
    case "mount":
      return void (await driver.mount(ref, null, signal));
    case "trash":
      return await driver.trashVolume(ref, { trashedAtMs: TRASHED_AT_MS, commit: "9c1d04f", taskId: "4bf92f35" }, signal);
    case "restore":
      return await driver.restore(ref, task.trashId ?? entryOf(driver, task.index), TRASHED_AT_MS, signal);
    case "purge":
      return await driver.purge(task.trashId ?? entryOf(driver, task.index), TRASHED_AT_MS, signal);
    case "unmount":
      return void (await run(unmountFilesystem(`${PROCESS_FOLDER}/db/${task.index}/data`), signal));
    case "write":
      return writeFileSync(`${PROCESS_FOLDER}/db/${task.index}/data/data/f`, contentOf(task.index), { flush: true });
    case "arm":
      for (const [name, text] of Object.entries({ count: "0", log: "", mode: task.mode, at: String(task.at) })) {
        writeFileSync(`${KILL_FOLDER}/${name}`, text);
      }
      return;
    default:
      return task satisfies never;
  }
}

function entryOf(driver: LvmDriver, index: number): string {
  const entry = driver.trash().find((one) => one.index === index);
  if (entry === undefined) throw new Error(`the trash has nothing of db/${index}`);
  return entry.id;
}

/** As `seq -f "slot N line %g" 100000`. */
function contentOf(index: number): string {
  return Array.from({ length: LINES }, (_, line) => `slot ${index} line ${line + 1}\n`).join("");
}

/** What a killed process had begun may still be at work, which is told as a failure that passes. */
async function patiently(driver: LvmDriver, task: VolumeTask): Promise<void> {
  const untilMs = performance.now() + PATIENCE_MS;
  for (;;) {
    try {
      return await work(driver, task);
    } catch (error) {
      if (performance.now() > untilMs) throw error;
      await new Promise((resolve) => setTimeout(resolve, 500));
    }
  }
}

async function main(asked: string): Promise<void> {
  const told = (): { fleet: string; host: string } => ({ fleet: PROCESS_FLEET, host: "a" });
  const driver = new LvmDriver({ run, files: createVolumeFiles(), folder: PROCESS_FOLDER, told, log: SILENT });
  await driver.apply({ volumeGroup: "vg0", thinPool: null, folder: "/nowhere" });
  for (const task of JSON.parse(asked) as readonly VolumeTask[]) {
    await patiently(driver, task);
    const done: TaskDone = { task: task.kind, index: task.index, trash: driver.trash() };
    process.stdout.write(`${JSON.stringify(done)}\n`);
  }
}

if (import.meta.main) await main(process.argv[2]!);
