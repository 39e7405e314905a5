import { readdir, readFile, readlink } from "node:fs/promises";

const MOST_NAMED = 3;
/** The lowest two bits of a file's flags: not opened for reading alone. */
const WRITES = 0o3;

/**
 * Who keeps a mount writable, for people: `mysqld (pid 7) has /var/lib/x open for writing`. `pid`: a process that has the mount, whose
 * container is looked through. Only called where the kernel said that there is somebody.
 */
export async function describeWriters(pid: number, mountId: number): Promise<string> {
  const found: string[] = [];
  for (const other of await processesWithMountsOf(pid)) {
    const path = await writtenBy(other, mountId);
    if (path === null) continue;
    found.push(`${await nameOf(other)} (pid ${other}) has ${path} open for writing`);
    if (found.length === MOST_NAMED) break;
  }
  // A file that was mapped into memory and then closed is in no list.
  return found.length === 0 ? "a process has a file there open for writing" : found.join(", ");
}

/** Processes in the same mount namespace, by number. */
async function processesWithMountsOf(pid: number): Promise<number[]> {
  const namespaceOf = (of: number | string): Promise<string | null> => readlink(`/proc/${of}/ns/mnt`).catch(() => null);
  const wanted = await namespaceOf(pid);
  const numbers = (await readdir("/proc")).filter((name) => /^\d+$/.test(name));
  const namespaces = await Promise.all(numbers.map(namespaceOf));
  return numbers.filter((_, at) => wanted !== null && namespaces[at] === wanted).map(Number);
}

/** A file on the mount that the process may write to; null: it has none. */
async function writtenBy(pid: number, mountId: number): Promise<string | null> {
  for (const descriptor of await readdir(`/proc/${pid}/fdinfo`).catch(() => [])) {
    const text = await readFile(`/proc/${pid}/fdinfo/${descriptor}`, "utf8").catch(() => "");
    const flags = Number.parseInt(/^flags:\s*(\d+)$/m.exec(text)?.[1] ?? "0", 8);
    if ((flags & WRITES) === 0 || !new RegExp(`^mnt_id:\\s*${mountId}$`, "m").test(text)) continue;
    return await readlink(`/proc/${pid}/fd/${descriptor}`).catch(() => "a file");
  }
  return null;
}

async function nameOf(pid: number): Promise<string> {
  return (await readFile(`/proc/${pid}/comm`, "utf8").catch(() => "a process")).trim();
}
