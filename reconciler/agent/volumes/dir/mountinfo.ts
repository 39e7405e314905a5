import { readFile } from "node:fs/promises";

/** One mount, as the kernel lists it for a process. */
export interface Mounted {
  /** Unique while it is mounted, in all namespaces. */
  readonly id: number;
  /** `major:minor`. */
  readonly device: string;
  /** Which folder of the file system it shows. */
  readonly root: string;
  readonly mountPoint: string;
  /** Of the mount, not of the file system: `rw`, `nosuid`, ... */
  readonly options: readonly string[];
}

/** A folder by the file system that it is on and its path there: the same in every namespace. */
export type Location = Pick<Mounted, "device" | "root">;

/** All mounts that a process has; empty when it is gone. */
export async function mountsOf(pid: number | "self"): Promise<readonly Mounted[]> {
  try {
    return parseMounts(await readFile(`/proc/${pid}/mountinfo`, "utf8"));
  } catch {
    return [];
  }
}

export function parseMounts(text: string): Mounted[] {
  return text.split("\n").flatMap((line) => {
    const [id, , device, root, mountPoint, options] = line.split(" ");
    if (options === undefined) return [];
    return [{ id: Number(id), device: device!, root: plain(root!), mountPoint: plain(mountPoint!), options: options.split(",") }];
  });
}

/** Where a path really is. `mounts`: of this process; `path` has no symbolic link in it. */
export function locate(path: string, mounts: readonly Mounted[]): Location | null {
  let found: Mounted | null = null;
  // Of several at one place the last hides the others.
  for (const mount of mounts)
    if (isWithin(path, mount.mountPoint) && mount.mountPoint.length >= (found?.mountPoint.length ?? 0)) found = mount;
  if (found === null) return null;
  const rest = path.slice(found.mountPoint === "/" ? 0 : found.mountPoint.length);
  return { device: found.device, root: found.root === "/" && rest !== "" ? rest : `${found.root}${rest}` };
}

/** Those mounts that show exactly this folder. */
export function mountsAt(location: Location, mounts: readonly Mounted[]): Mounted[] {
  return mounts.filter(({ device, root }) => device === location.device && root === location.root);
}

export function isReadOnly({ options }: Mounted): boolean {
  return options.includes("ro");
}

function isWithin(path: string, folder: string): boolean {
  return folder === "/" || path === folder || path.startsWith(`${folder}/`);
}

/** The kernel writes blanks and such as `\040`. */
function plain(field: string): string {
  return field.replace(/\\([0-7]{3})/g, (_, octal: string) => String.fromCharCode(Number.parseInt(octal, 8)));
}
