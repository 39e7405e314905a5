import type { DesiredPool } from "../../core/desired.ts";
import type * as written from "../../core/manifest-types.ts";
import { readQuantity } from "./report.ts";
import type { Path, Report } from "./report.ts";

type Written = NonNullable<written.HostPool["spec"]["storage"]>;

const STORAGE: Path = ["spec", "storage"];
/** Where volumes of kind `dir` lie when the pool does not say. */
const FOLDER = "/var/lib/setpoint/volumes";
/** Nothing lasts there, or the system or Docker rules there. */
const FORBIDDEN = [
  ..."/bin /boot /dev /etc /lib /lib32 /lib64 /proc /run /sbin /sys /tmp /usr".split(" "),
  ..."/var/run /var/tmp /var/lib/docker /var/lib/containerd".split(" "),
];
/** Folders for volumes may be made there, but these are shared with everything else. */
const SHARED = "/home /media /mnt /opt /root /srv /var /var/lib".split(" ");

/** A pool's storage in canonical form. */
export function readStorage({ volumeGroup, thinPool, folder = FOLDER, trash }: Written, report: Report): DesiredPool["storage"] {
  if (thinPool !== undefined && volumeGroup === undefined) {
    const message = `storage.thinPool \`${thinPool}\` lies in no volume group: it needs storage.volumeGroup.`;
    report.error("thin-pool-without-group", [...STORAGE, "thinPool"], message, "Name the group as well: `vgs` on the hosts lists theirs.");
  }
  checkFolder(folder, report);
  return {
    volumeGroup: volumeGroup ?? null,
    thinPool: thinPool ?? null,
    folder,
    trashKeepForMs: readQuantity(report, [...STORAGE, "trash", "keepFor"], "duration", trash?.keepFor ?? "7d"),
    trashReclaim: trash?.reclaim ?? "never",
  };
}

/** The schema lets absolute paths through. */
function checkFolder(folder: string, report: Report): void {
  const path = [...STORAGE, "folder"];
  const parts = folder.slice(1).split("/");
  const forbidden = FORBIDDEN.find((root) => folder === root || folder.startsWith(`${root}/`));
  if (parts.includes(".") || parts.includes("..")) {
    const message = `storage.folder \`${folder}\` has \`.\` or \`..\` in it; it must be the plain path from the root.`;
    report.error("storage-folder", path, message, "Write where the folder is, such as /srv/volumes.");
  } else if (forbidden !== undefined) {
    const message = `storage.folder \`${folder}\` lies in ${forbidden}, which is the system's or does not last; volumes can't lie there.`;
    report.error("storage-folder", path, message, "Use a folder of its own on a disk, such as /srv/volumes.");
  } else if (SHARED.includes(folder)) {
    const message = `storage.folder \`${folder}\` is not for volumes alone: other things lie there too.`;
    report.error("storage-folder", path, message, `Use a folder of its own in it, such as ${folder}/volumes.`);
  }
}
