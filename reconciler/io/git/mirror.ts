import { mkdir, readdir, rm, stat } from "node:fs/promises";
import { dirname, join } from "node:path";
import { gitError } from "./git-failure.ts";

/** Makes the folder of a mirror; throws UserError `git-state-folder` or `git-disk-full`. */
export async function makeMirrorFolder(folder: string): Promise<void> {
  try {
    await mkdir(folder, { recursive: true, mode: 0o700 });
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    const parent = dirname(folder);
    if (code === "ENOSPC" || code === "EDQUOT") throw gitError("git-disk-full", `no space left in ${parent}`, "Free space on its disk.");
    throw gitError("git-state-folder", `can't make a folder in ${parent} (${code})`, "Give another state folder, or mend its permissions.");
  }
}

/**
 * Removes what a git that was killed left in the mirror: `*.lock` files last written before `olderThanMs` (wall clock),
 * and half-received packs. Returns how many locks went. Only this process fetches into the mirror, so no living git
 * owns a lock that is older than any fetch may run.
 */
export async function clearLeftovers(mirror: string, olderThanMs: number): Promise<number> {
  let locks = 0;
  for (const path of await filesUnder(mirror)) {
    const isLock = path.endsWith(".lock");
    if (!isLock && !/\/objects\/(pack|[0-9a-f]{2})\/tmp_[^/]*$/.test(path)) continue;
    const written = await stat(path).then(
      ({ mtimeMs }) => mtimeMs,
      () => Infinity,
    );
    if (written >= olderThanMs) continue;
    await rm(path, { force: true });
    if (isLock) locks++;
  }
  return locks;
}

async function filesUnder(folder: string): Promise<readonly string[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true }).catch(() => []);
  return entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
}
