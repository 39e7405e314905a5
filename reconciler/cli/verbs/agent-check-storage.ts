import { existsSync } from "node:fs";
import { formatBytesRounded } from "../../core/units.ts";
import type { Finding } from "./agent-check-finding.ts";

/** Runs a program of the host: what it printed; null when it is not there or failed. */
type Ask = (program: string, ...args: readonly string[]) => Promise<string | null>;

/** The kernel's device mapper, which LVM works by. */
const DEVICE_MAPPER = "/dev/mapper/control";
const GROUP_FIELDS = "vg_name,vg_size,vg_free,vg_missing_pv_count";

/** What volumes of kind `lvm` need: LVM with a group that is whole, and the programs of each file system. */
export async function checkStorage(ask: Ask): Promise<Finding[]> {
  const lvm = await checkLvm(ask);
  if (lvm.state === "lacking") return [lvm];
  const [ext4, xfs] = await Promise.all([ask("mkfs.ext4", "-V"), ask("mkfs.xfs", "-V")]);
  const lacks: Finding[] = [];
  if (ext4 === null)
    lacks.push({ part: "ext4", state: "lacking", found: "no volumes with filesystem ext4", fix: "apt-get install e2fsprogs" });
  if (xfs === null) lacks.push({ part: "xfs", state: "advice", found: "no volumes with filesystem xfs", fix: "apt-get install xfsprogs" });
  return [lvm, ...lacks];
}

async function checkLvm(ask: Ask): Promise<Finding> {
  const lacking = (found: string, fix: string): Finding => ({ part: "lvm", state: "lacking", found, fix });
  const report = await ask("vgs", "--noheadings", "--separator", ",", "--units", "b", "--nosuffix", "-o", GROUP_FIELDS);
  if (report === null) return lacking("no volumes of kind lvm", "apt-get install lvm2");
  if (!existsSync(DEVICE_MAPPER))
    return lacking("installed, but the kernel has no device mapper", "modprobe dm_mod, or a kernel with CONFIG_BLK_DEV_DM");
  const groups = report
    .split("\n")
    .map((line) => line.trim().split(","))
    .filter((fields) => fields.length === GROUP_FIELDS.split(",").length);
  if (groups.length === 0) return lacking("installed, but there is no volume group", "vgcreate NAME /dev/DISK");
  const damaged = groups.find(([, , , missing]) => missing !== "0");
  if (damaged !== undefined) {
    const [name, , , missing] = damaged;
    return lacking(`the volume group ${name} lacks ${missing} of its disks: nothing can be changed in it`, `pvs --select vg_name=${name}`);
  }
  const sizes = groups.map(
    ([name, size, free]) => `${name} (${formatBytesRounded(Number(free))} free of ${formatBytesRounded(Number(size))})`,
  );
  return { part: "lvm", state: "present", found: `volume groups: ${sizes.join(", ")}`, fix: "" };
}
