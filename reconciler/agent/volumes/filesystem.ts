import type { Command } from "../commands.ts";

export type Filesystem = "ext4" | "xfs";

const MAKE_WITHIN_MS = 45_000;
const GROW_WITHIN_MS = 50_000;
const MOUNT_WITHIN_MS = 30_000;
/** What was written is brought to the disk first. */
const UNMOUNT_WITHIN_MS = 45_000;

/** An empty file system on the whole device, whatever was on it. Discards nothing: that takes minutes on some disks. */
export function makeFilesystem(filesystem: Filesystem, device: string): Command {
  const args = {
    // Nothing is kept for root, who has other disks. Small ones get blocks of 1 KiB else, and with those can't grow far.
    ext4: ["-q", "-F", "-m", "0", "-b", "4096", "-E", "nodiscard", device],
    xfs: ["-q", "-f", "-K", device],
  };
  return { program: `mkfs.${filesystem}`, args: args[filesystem], deadlineMs: MAKE_WITHIN_MS };
}

/** Makes a mounted file system fill its device; does nothing when it does. */
export function growFilesystem(filesystem: Filesystem, device: string, point: string): Command {
  if (filesystem === "xfs") return { program: "xfs_growfs", args: ["-d", point], deadlineMs: GROW_WITHIN_MS };
  return { program: "resize2fs", args: [device], deadlineMs: GROW_WITHIN_MS };
}

/** `discards`: room that is freed goes back to a thin pool. */
export function mountFilesystem(filesystem: Filesystem, device: string, point: string, discards: boolean): Command {
  const options = ["nosuid", "nodev", ...(filesystem === "ext4" ? ["errors=remount-ro"] : []), ...(discards ? ["discard"] : [])];
  return { program: "mount", args: ["-t", filesystem, "-o", options.join(","), device, point], deadlineMs: MOUNT_WITHIN_MS };
}

export function unmountFilesystem(point: string): Command {
  return { program: "umount", args: [point], deadlineMs: UNMOUNT_WITHIN_MS };
}

/** How a person has a damaged one repaired. */
export function repairCommand(filesystem: Filesystem, device: string): string {
  return filesystem === "ext4" ? `e2fsck -f ${device}` : `xfs_repair ${device}`;
}
