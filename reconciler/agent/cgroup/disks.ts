import { existsSync, readFileSync, realpathSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { type Mount, mountOf } from "./mounts.ts";

/** The disk (`major:minor`) that a folder lies on; null when there is none below it, as for tmpfs. `sys` is /sys. */
export function diskOfPath(mounts: readonly Mount[], path: string, sys: string): string | null {
  if (!existsSync(path)) return null;
  const mount = mountOf(mounts, realpathSync(path));
  return mount === null ? null : diskOf(mount, sys);
}

/** The disks that a process can reach through its mounts, sorted. */
export function disksOfMounts(mounts: readonly Mount[], sys: string): readonly string[] {
  const disks = mounts.map((mount) => diskOf(mount, sys)).filter((disk) => disk !== null);
  return [...new Set(disks)].sort();
}

/** The kernel limits whole disks (also logical volumes), never partitions. */
function diskOf(mount: Mount, sys: string): string | null {
  const device = mount.device.startsWith("0:") ? deviceOfSource(mount.source, sys) : mount.device;
  if (device === null) return null;
  const folder = join(sys, "dev/block", device);
  if (!existsSync(folder)) return null;
  const real = realpathSync(folder);
  return existsSync(join(real, "partition")) ? readDevice(join(dirname(real), "dev")) : device;
}

/** File systems such as btrfs number their mounts themselves and name the device only. */
function deviceOfSource(source: string, sys: string): string | null {
  if (!source.startsWith("/dev/") || !existsSync(source)) return null;
  return readDevice(join(sys, "class/block", basename(realpathSync(source)), "dev"));
}

function readDevice(file: string): string | null {
  return existsSync(file) ? readFileSync(file, "latin1").trim() : null;
}
