import { mkdirSync, readFileSync, rmdirSync, writeFileSync } from "node:fs";
import { randomUUID } from "node:crypto";
import { join } from "node:path";
import { type Hierarchy, readWords } from "./hierarchies.ts";

/** True when the kernel takes an io limit for this disk: tried on an empty cgroup that is removed at once. */
export function ioLimitsWork({ version, mount }: Hierarchy, disk: string): boolean {
  const folder = join(mount.point, `setpoint-trial-${randomUUID()}`);
  const file = join(folder, version === 1 ? "blkio.throttle.write_bps_device" : "io.max");
  const value = version === 1 ? `${disk} 1048576` : `${disk} wbps=1048576`;
  try {
    // Docker's runtime does the same before its first container.
    if (version === 2 && !readWords(join(mount.point, "cgroup.subtree_control")).includes("io")) {
      writeFileSync(join(mount.point, "cgroup.subtree_control"), "+io");
    }
    mkdirSync(folder);
  } catch {
    return false;
  }
  try {
    writeFileSync(file, value, { flag: "r+" });
    return readFileSync(file, "latin1").includes("1048576");
  } catch {
    return false;
  } finally {
    rmdirSync(folder);
  }
}
