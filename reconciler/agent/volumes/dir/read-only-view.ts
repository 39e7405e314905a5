import type { RunCommand } from "../../commands.ts";
import { isReadOnly, locate, mountsOf, type Mounted } from "./mountinfo.ts";

/**
 * A mount of the folder over itself through which nobody can write: a container that is started while it is there has no other way to the
 * data from its first instruction on. Containers that run are not touched. Done when it is so already. `data` has no symbolic link in it.
 */
export async function setReadOnlyView(data: string, on: boolean, run: RunCommand, signal: AbortSignal): Promise<void> {
  const views = viewsOf(data, await mountsOf("self"));
  if (on) {
    if (views.length === 0) await run({ program: "mount", args: ["-o", "bind,ro", data, data] }, signal);
    return;
  }
  for (const _ of views) await run({ program: "umount", args: ["--lazy", data] }, signal);
}

/** Ours among the mounts at this place: read-only, and showing what is there without them. */
function viewsOf(data: string, mounts: readonly Mounted[]): Mounted[] {
  const top = mounts.findLast(({ mountPoint }) => mountPoint === data);
  if (top === undefined || !isReadOnly(top)) return [];
  const rest = mounts.filter((mount) => mount !== top);
  const below = locate(data, rest);
  return below?.device === top.device && below.root === top.root ? [top, ...viewsOf(data, rest)] : [];
}
