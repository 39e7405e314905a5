import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import type { Clock, InstanceRef } from "../ports.ts";
import { type Labels, type Owner, readLabels } from "./labels.ts";
import { isProcessOf } from "./processes.ts";

const TRIES = 50;
const EVERY_MS = 100;

interface Process {
  readonly pid: number;
  readonly containerId: string;
}

/**
 * Kills an Instance while the engine hangs or is dead, from what the engine wrote about its containers on disk. The first process of a
 * container takes all others of it along: that is how the kernel ends a pid namespace. Returns false when it can't tell whether all are dead.
 */
export async function killByKernel(clock: Clock, owner: Owner, ref: InstanceRef, dataRoot: string, signal: AbortSignal): Promise<boolean> {
  const processes = await readProcesses(join(dataRoot, "containers"), owner, ref);
  if (processes === null) return false;
  for (const { pid, containerId } of processes) if (isProcessOf(pid, containerId)) process.kill(pid, "SIGKILL");
  for (let attempt = 0; attempt < TRIES; attempt++) {
    if (!processes.some(({ pid, containerId }) => isProcessOf(pid, containerId))) return true;
    await clock.sleep(EVERY_MS, signal);
  }
  return false;
}

/** First processes of the Instance's containers; null when the engine's records can't be read. */
async function readProcesses(folder: string, owner: Owner, ref: InstanceRef): Promise<Process[] | null> {
  const ids = await readdir(folder).catch(() => null);
  if (ids === null) return null;
  const found: Process[] = [];
  for (const containerId of ids) {
    const record = await readRecord(join(folder, containerId, "config.v2.json"));
    const labels = readLabels(record?.Config?.Labels, owner);
    if (labels === null || labels.set !== ref.set || labels.index !== ref.index || labels.generation !== ref.generation) continue;
    found.push({ pid: record?.State?.Pid ?? 0, containerId });
  }
  return found;
}

interface EngineRecord {
  readonly State?: { readonly Pid?: number };
  readonly Config?: { readonly Labels?: Labels | null };
}

/** The engine renames these files into place, so one that can't be read belongs to a container that is just removed. */
async function readRecord(path: string): Promise<EngineRecord | null> {
  try {
    return JSON.parse(await readFile(path, "utf8")) as EngineRecord;
  } catch {
    return null;
  }
}
