import { chmod, chown, lstat, mkdir, readdir, readFile, readlink, rename, rm, rmdir, statfs } from "node:fs/promises";
import { dirname, join } from "node:path";
import { type Mount, parseMounts } from "../cgroup/mounts.ts";
import type { VolumeOwner } from "./driver.ts";

/** What volumes need of the host's files. */
export interface VolumeFiles {
  /** What is mounted on the host. */
  mounts(): Promise<readonly Mount[]>;
  /** Makes a folder that only its owner may enter, and those above it. */
  makeFolder(path: string): Promise<void>;
  isEmpty(path: string): Promise<boolean>;
  /** Removes the folder and those above it, as far as they are empty and below `top`. */
  dropFolder(path: string, top: string): Promise<void>;
  /** Makes the folder that containers see; one that is there stays as it is. `owner` null: all may write. */
  makeData(path: string, owner: VolumeOwner | null): Promise<void>;
  usedBytes(point: string): Promise<number>;
  /** Who keeps a mounted file system busy, for a message: `postgres (PID 411)`. A few at most. */
  holders(device: string, point: string): Promise<readonly string[]>;
}

const MOST_HOLDERS = 3;

export function createVolumeFiles(): VolumeFiles {
  return {
    mounts: async () => parseMounts(await readFile("/proc/self/mountinfo", "utf8")),
    async makeFolder(path) {
      await mkdir(path, { recursive: true, mode: 0o700 });
    },
    isEmpty: async (path) => (await readdir(path)).length === 0,
    async dropFolder(path, top) {
      for (let folder = path; folder.startsWith(`${top}/`); folder = dirname(folder)) {
        const failure = await rmdir(folder).then(
          () => null,
          (error: NodeJS.ErrnoException) => error.code,
        );
        if (failure !== null && failure !== "ENOENT") return;
      }
    },
    makeData,
    async usedBytes(point) {
      const { blocks, bfree, bsize } = await statfs(point);
      return (blocks - bfree) * bsize;
    },
    holders,
  };
}

/** Under another name first, so that it is never seen with another owner. */
async function makeData(path: string, owner: VolumeOwner | null): Promise<void> {
  if ((await lstat(path).catch(() => null)) !== null) return;
  const made = join(dirname(path), ".new");
  await rm(made, { recursive: true, force: true });
  await mkdir(made);
  await chmod(made, owner === null ? 0o777 : 0o755);
  if (owner !== null) await chown(made, owner.uid, owner.gid);
  await rename(made, path);
}

/** Processes with a file open there or a folder of it as theirs, and those that have it mounted in a namespace of their own. */
async function holders(device: string, point: string): Promise<readonly string[]> {
  const found: string[] = [];
  const own = await readlink("/proc/self/ns/mnt");
  const spaces = new Set([own]);
  for (const pid of (await readdir("/proc")).filter((name) => /^\d+$/.test(name))) {
    if (found.length >= MOST_HOLDERS) break;
    if ((await isInside(pid, point)) || (await mountsIt(pid, device, spaces))) found.push(`${await programOf(pid)} (PID ${pid})`);
  }
  return found;
}

async function isInside(pid: string, point: string): Promise<boolean> {
  const folder = `/proc/${pid}`;
  const files = await readdir(`${folder}/fd`).catch(() => []);
  const links = [...["cwd", "root", "exe"].map((name) => `${folder}/${name}`), ...files.map((file) => `${folder}/fd/${file}`)];
  for (const link of links) {
    const target = await readlink(link).catch(() => "");
    if (target === point || target.startsWith(`${point}/`)) return true;
  }
  return false;
}

/** The first process of each other namespace answers for it. */
async function mountsIt(pid: string, device: string, spaces: Set<string>): Promise<boolean> {
  const space = await readlink(`/proc/${pid}/ns/mnt`).catch(() => null);
  if (space === null || spaces.has(space)) return false;
  spaces.add(space);
  return keepsMounted(await readFile(`/proc/${pid}/mountinfo`, "utf8").catch(() => ""), device);
}

/** Whether a mount of the device there outlives its end on the host: not one that is shared with the host's or follows it, as those of services. */
export function keepsMounted(mountinfo: string, device: string): boolean {
  return mountinfo.split("\n").some((line) => {
    const [left] = line.split(" - ");
    return left!.split(" ")[2] === device && !/ (shared|master):\d+/.test(left!);
  });
}

async function programOf(pid: string): Promise<string> {
  return (await readFile(`/proc/${pid}/comm`, "utf8").catch(() => "a process")).trim();
}
