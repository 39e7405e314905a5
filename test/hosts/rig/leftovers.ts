import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { signalOne, startTimeOf } from "./process.ts";
import { waitUntil } from "./wait.ts";

/** Everything of all rigs of this machine lies here, and one note per rig that says what belongs to it. */
export const RIGS = "/var/tmp/setpoint-rig";

const CGROUPS = "/sys/fs/cgroup";

/** A process that can't be taken for a later one with the same pid. */
export interface ProcessMark {
  readonly pid: number;
  readonly startTime: string;
}

/** What a rig has on the machine, written down before it is made. */
export interface RigNote {
  readonly owner: ProcessMark;
  readonly folder: string;
  /** Paths under each hierarchy of cgroups, without a slash at the start. */
  readonly cgroups: readonly string[];
  /** Their end is the end of everything in their namespaces. */
  readonly processes: readonly ProcessMark[];
}

export function markOf(pid: number): ProcessMark {
  return { pid, startTime: startTimeOf(pid) ?? "" };
}

/** Written whole or not at all. */
export function writeNote(id: string, note: RigNote): void {
  mkdirSync(RIGS, { recursive: true });
  writeFileSync(join(RIGS, `${id}.new`), JSON.stringify(note));
  renameSync(join(RIGS, `${id}.new`), join(RIGS, `${id}.json`));
}

export function forgetNote(id: string): void {
  rmSync(join(RIGS, `${id}.json`), { force: true });
}

/** Removes what rigs left behind whose process ended without closing them; those of living processes stay. Several may do it at once. */
export async function removeLeftovers(): Promise<void> {
  if (!existsSync(RIGS)) return;
  for (const file of readdirSync(RIGS).filter((name) => name.endsWith(".json"))) {
    const path = join(RIGS, file);
    const note = readNote(path);
    if (note === null || isAlive(note.owner)) continue;
    for (const process of note.processes) await endProcess(process);
    for (const cgroup of note.cgroups) await removeCgroup(cgroup);
    rmSync(note.folder, { recursive: true, force: true });
    rmSync(path, { force: true });
  }
}

/** Null when another run removed it meanwhile. */
function readNote(path: string): RigNote | null {
  try {
    return JSON.parse(readFileSync(path, "utf8")) as RigNote;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return null;
    throw error;
  }
}

export function isAlive({ pid, startTime }: ProcessMark): boolean {
  return startTimeOf(pid) === startTime;
}

async function endProcess(mark: ProcessMark): Promise<void> {
  if (!isAlive(mark)) return;
  signalOne(mark.pid, "SIGKILL");
  await waitUntil(`process ${mark.pid} of an earlier rig to end`, () => !isAlive(mark));
}

/** Removes a cgroup and those in it from every hierarchy; waits for the last processes in them to be gone. */
export async function removeCgroup(path: string): Promise<void> {
  const roots = [CGROUPS, ...readdirSync(CGROUPS).map((name) => join(CGROUPS, name))];
  for (const folder of roots.map((root) => join(root, path)).filter((folder) => existsSync(folder))) {
    for (let tries = 1; !removeTree(folder); tries++) {
      if (tries > 250) throw new Error(`the cgroup ${folder} can't be removed: something still runs in it`);
      await sleep(20);
    }
  }
}

/** False while a process is in one of them. */
function removeTree(folder: string): boolean {
  try {
    for (const entry of readdirSync(folder, { withFileTypes: true })) {
      if (entry.isDirectory() && !removeTree(join(folder, entry.name))) return false;
    }
    rmdirSync(folder);
    return true;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "ENOENT") return true;
    if (code === "EBUSY") return false;
    throw error;
  }
}
