import { truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { imageArchive } from "../../hosts/rig/images.ts";
import type { VmHost } from "./host.ts";
import { RAM_MIB } from "./qemu.ts";

/** Boots, and does once what is slow the first time: programs come into memory, and modules into the kernel. */
export async function bootWarm(host: VmHost): Promise<void> {
  writeFileSync(join(host.folder, "ram"), "");
  truncateSync(join(host.folder, "ram"), RAM_MIB * 1024 * 1024);
  await host.bootNew();
  await host.engine.send("/images/load?quiet=1", imageArchive());
  for (const line of WARM_UP) await host.exec(line.split(" "));
}

/** Commands by their words. */
export const WARM_UP = [
  "docker run --rm --publish 65000:1 rig.test/sleeper:1 true",
  "node -e 1",
  "modprobe -a dm_thin_pool dm_snapshot xfs vxlan ifb sch_htb sch_tbf sch_netem sch_ingress act_police cls_u32 cls_matchall cls_flower",
  "pvcreate -q /dev/vdb",
  "vgcreate -q warm /dev/vdb",
  "lvcreate -q -n up -L 320M warm",
  "mkfs.ext4 -q /dev/warm/up",
  "mount /dev/warm/up /mnt",
  "umount /mnt",
  "mkfs.xfs -f -q /dev/warm/up",
  "vgremove -q -y warm",
  "pvremove -q /dev/vdb",
  // Also what the file systems left on it.
  "blkdiscard /dev/vdb",
  "ovs-vsctl add-br warm",
  "ip link set warm up",
  "tc qdisc add dev warm root handle 1: htb",
  "tc qdisc add dev warm ingress",
  "ovs-vsctl del-br warm",
];
