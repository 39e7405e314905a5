import { constants } from "node:fs";
import { open, readFile, readlink } from "node:fs/promises";
import type { ListedMount } from "../../cgroup/mounts.ts";
import { CommandError, type RunCommand } from "../../commands.ts";
import type { VolumeUser } from "../../ports.ts";
import { isAt, isReadOnly, type Location, mountsOf } from "./location.ts";
import { describeWriters } from "./writers.ts";

/** Only to name a file, not to use it; Node has no word for it. */
const O_PATH = 0o10000000;

/**
 * Makes the mounts of a volume in a running container read-only or writable. Resolves to why that could not be done to all of them, in a sentence;
 * null when it is so. Mounts that the manifest wants read-only stay so.
 */
export async function setMounts(
  user: VolumeUser,
  location: Location,
  readOnly: boolean,
  run: RunCommand,
  signal: AbortSignal,
): Promise<string | null> {
  const troubles: string[] = [];
  for (const mount of await wrongMounts(user, location, readOnly)) {
    try {
      await remount(user.pid, mount, readOnly, run, signal);
    } catch (error) {
      signal.throwIfAborted();
      // It ended meanwhile: then there is nothing to be done.
      if ((await wrongMounts(user, location, readOnly)).length === 0) continue;
      const busy = error instanceof CommandError && /busy/i.test(error.stderr);
      troubles.push(busy ? await describeWriters(user.pid, mount.id) : (error as Error).message);
    }
  }
  return troubles.length === 0 ? null : `container ${user.container}: ${troubles.join("; ")}`;
}

/** Mounts of the volume that are not as they should be; none of a process in our own namespace, which a reused number may be. */
async function wrongMounts(
  { pid, writablePaths, readOnlyPaths }: VolumeUser,
  location: Location,
  readOnly: boolean,
): Promise<ListedMount[]> {
  const [own, its] = await Promise.all(["self", pid].map((of) => readlink(`/proc/${of}/ns/mnt`).catch(() => null)));
  if (its === null || its === own) return [];
  const wrong = (await mountsOf(pid)).filter((mount) => isAt(mount, location) && isReadOnly(mount) !== readOnly);
  if (readOnly || readOnlyPaths.length === 0) return wrong;
  return wrong.filter(({ point }) => writablePaths.includes(point));
}

/**
 * Exactly this mount, whatever the container does meanwhile to the path that leads to it: it is opened first and told by its number. The host's own
 * programs run in the container's list of mounts, with the mount as their working folder.
 */
async function remount(pid: number, mount: ListedMount, readOnly: boolean, run: RunCommand, signal: AbortSignal): Promise<void> {
  const handle = await open(`/proc/${pid}/root${mount.point}`, O_PATH | constants.O_DIRECTORY);
  try {
    const facts = await readFile(`/proc/self/fdinfo/${handle.fd}`, "utf8");
    if (!new RegExp(`^mnt_id:\\s*${mount.id}$`, "m").test(facts)) throw new Error(`${mount.point} leads to something else`);
    const into = [`--mount=/proc/${pid}/ns/mnt`, "--root=/", `--wd=/proc/${process.pid}/fd/${handle.fd}`];
    const options = ["remount", "bind", readOnly ? "ro" : "rw", ...mount.flags.filter((option) => option !== "ro" && option !== "rw")];
    await run({ program: "nsenter", args: [...into, "mount", "--no-canonicalize", "-o", options.join(","), "none", "."] }, signal);
  } finally {
    await handle.close();
  }
}
