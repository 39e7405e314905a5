/** One line of /proc/PID/mountinfo. */
export interface Mount {
  /** `major:minor`; major 0 for a file system without a block device of its own. */
  readonly device: string;
  /** What of the file system is mounted here, from its own root. */
  readonly root: string;
  readonly point: string;
  readonly type: string;
  readonly source: string;
  /** Of the file system, such as the controllers of a cgroup v1 hierarchy. */
  readonly options: readonly string[];
}

/** A mount as the kernel lists it. */
export interface ListedMount extends Mount {
  /** Unique while it is mounted, in all namespaces. */
  readonly id: number;
  /** Of the mount, not of the file system: `rw`, `nosuid` and such. */
  readonly flags: readonly string[];
}

/** The mounts of /proc/PID/mountinfo, in the kernel's order: a later one on the same point hides an earlier one. */
export function parseMounts(mountinfo: string): readonly ListedMount[] {
  return mountinfo.split("\n").flatMap((line) => {
    const [left, right] = line.split(" - ");
    if (left === undefined || right === undefined) return [];
    const [id, , device, root, point, flags] = left.split(" ");
    const [type, source, options] = right.split(" ");
    if (device === undefined || root === undefined || point === undefined || flags === undefined || type === undefined) return [];
    const names = { root: unescape(root), point: unescape(point), source: unescape(source ?? "") };
    return [{ id: Number(id), device, type, ...names, flags: flags.split(","), options: (options ?? "").split(",") }];
  });
}

/** The mount that a path lies on. */
export function mountOf<Found extends Mount>(mounts: readonly Found[], path: string): Found | null {
  let best: Found | null = null;
  for (const mount of mounts) {
    const below = mount.point === "/" || path === mount.point || path.startsWith(`${mount.point}/`);
    if (below && (best === null || mount.point.length >= best.point.length)) best = mount;
  }
  return best;
}

/** The kernel writes blanks and backslashes in octal. */
function unescape(field: string): string {
  return field.replaceAll(/\\([0-7]{3})/g, (_, octal: string) => String.fromCharCode(Number.parseInt(octal, 8)));
}
