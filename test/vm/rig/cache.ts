import { createHash } from "node:crypto";
import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, statSync, utimesSync } from "node:fs";
import { createServer, type Server } from "node:net";
import { join } from "node:path";
import { waitFor } from "../../hosts/rig/wait.ts";

/** What is slow to make and equal for equal inputs: images and saved machines. Machines that run have other machines' disks below theirs. */
export const CACHE = process.env["SETPOINT_VM_CACHE"] ?? "/var/tmp/setpoint-vm";

/** Of each kind so many stay, the ones used last; one that was used within an hour stays in any case, also unfinished. */
const KEPT = 6;
const IN_USE_MS = 3_600_000;

const MAKE_WITHIN_MS = 900_000;

/**
 * The folder of the cache that holds this, which `make` fills when it is not there; then others of its kind go. Processes that want the same
 * make it once. Its contents must depend on the key alone, and never change.
 */
export async function cached(kind: string, key: string, make: (folder: string) => Promise<void>): Promise<string> {
  const folder = join(CACHE, kind, key);
  mkdirSync(join(CACHE, kind), { recursive: true, mode: 0o700 });
  if (touch(folder)) return folder;
  const lock = await waitFor(`another process to make ${folder}`, () => tryLock(folder), { deadlineMs: MAKE_WITHIN_MS, everyMs: 200 });
  try {
    if (touch(folder)) return folder;
    const unfinished = `${folder}.new`;
    rmSync(unfinished, { recursive: true, force: true });
    mkdirSync(unfinished);
    try {
      await make(unfinished);
    } catch (error) {
      rmSync(unfinished, { recursive: true, force: true });
      throw error;
    }
    renameSync(unfinished, folder);
    removeUnused(kind);
    return folder;
  } finally {
    lock.close();
  }
}

/** A key of the cache: different when any part is. */
export function keyOf(...parts: readonly (string | Uint8Array)[]): string {
  const hash = createHash("sha256");
  for (const part of parts) hash.update(`${part.length}\0`).update(part);
  return hash.digest("hex").slice(0, 16);
}

/** Paths and contents of all files below these, as one part of a key. */
export function digestOfFiles(root: string, paths: readonly string[]): string {
  const hash = createHash("sha256");
  for (const path of paths.flatMap((path) => filesBelow(root, path)).toSorted()) {
    hash.update(`${path}\0${statSync(join(root, path)).mode}\0`).update(readFileSync(join(root, path)));
  }
  return hash.digest("hex");
}

function filesBelow(root: string, path: string): string[] {
  if (!statSync(join(root, path)).isDirectory()) return [path];
  return readdirSync(join(root, path)).flatMap((name) => filesBelow(root, join(path, name)));
}

/** Notes that a folder was used just now; false: it is not there. */
function touch(folder: string): boolean {
  try {
    utimesSync(folder, new Date(), new Date());
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return false;
    throw error;
  }
}

/** A lock that the kernel takes back when its process ends: a name in the abstract space of unix sockets. Null while another has it. */
function tryLock(name: string): Promise<Server | null> {
  return new Promise((resolve, reject) => {
    const server = createServer((socket) => socket.destroy());
    server.once("error", (error: NodeJS.ErrnoException) => (error.code === "EADDRINUSE" ? resolve(null) : reject(error)));
    server.listen(`\0${name}`, () => resolve(server));
  });
}

function removeUnused(kind: string): void {
  const byUse = readdirSync(join(CACHE, kind)).map((name) => ({
    path: join(CACHE, kind, name),
    usedAtMs: statSync(join(CACHE, kind, name)).mtimeMs,
  }));
  const unused = byUse.toSorted((a, b) => b.usedAtMs - a.usedAtMs).slice(KEPT);
  for (const { path, usedAtMs } of unused) if (Date.now() - usedAtMs > IN_USE_MS) rmSync(path, { recursive: true, force: true });
}
