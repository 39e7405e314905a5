import type { RunCommand } from "../../commands.ts";
import type { ListedMount } from "../../cgroup/mounts.ts";
import { isAt, isReadOnly, locate, mountsOf } from "./location.ts";

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
function viewsOf(data: string, mounts: readonly ListedMount[]): ListedMount[] {
  const top = mounts.findLast(({ point }) => point === data);
  if (top === undefined || !isReadOnly(top)) return [];
  const rest = mounts.filter((mount) => mount !== top);
  return isAt(top, locate(data, rest)) ? [top, ...viewsOf(data, rest)] : [];
}
