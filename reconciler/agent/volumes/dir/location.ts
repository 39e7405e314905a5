import { readFile } from "node:fs/promises";
import { type ListedMount, mountOf, parseMounts } from "../../cgroup/mounts.ts";

/** A folder by the file system that it is on and its path there: the same in every namespace. */
export type Location = Pick<ListedMount, "device" | "root">;

/** All mounts that a process has; empty when it is gone. */
export async function mountsOf(pid: number | "self"): Promise<readonly ListedMount[]> {
  return parseMounts(await readFile(`/proc/${pid}/mountinfo`, "utf8").catch(() => ""));
}

/** Where a path of this namespace really is; `path` has no symbolic link in it. */
export function locate(path: string, mounts: readonly ListedMount[]): Location | null {
  const mount = mountOf(mounts, path);
  if (mount === null) return null;
  const rest = mount.point === "/" ? path : path.slice(mount.point.length);
  return { device: mount.device, root: mount.root === "/" && rest !== "" ? rest : `${mount.root}${rest}` };
}

/** Whether a mount shows exactly this folder. */
export function isAt({ device, root }: ListedMount, location: Location | null): boolean {
  return device === location?.device && root === location.root;
}

export function isReadOnly({ flags }: ListedMount): boolean {
  return flags.includes("ro");
}
