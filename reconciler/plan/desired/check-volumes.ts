import type * as written from "../../core/manifest-types.ts";
import { formatBytes, formatBytesRounded } from "../../core/units.ts";
import type { SetDraft } from "./hashes.ts";
import { didYouMean, listed } from "./report.ts";
import type { Path, Report } from "./report.ts";
import { canonicalPath } from "./template.ts";
import { sizeOf } from "./volumes.ts";

const VOLUMES: Path = ["spec", "template", "volumes"];
/** mkfs needs this much; xfs refuses less than 300 MiB. */
const LEAST_LVM_BYTES = { ext4: 4 * 1024 ** 2, xfs: 300 * 1024 ** 2 } as const;
/** Below this an empty folder would be over its limit on some file systems. */
const LEAST_DIR_BYTES = 1024 ** 2;
/** They travel with every start, and are kept on each host that runs the Set. */
const MOST_FILE_BYTES = 64 * 1024;
const MOST_FILES_BYTES = 256 * 1024;

/** Names, sizes and files of a Set's volumes. */
export function checkVolumes(template: written.Template, draft: SetDraft, report: Report): void {
  const mounted = new Set(template.containers.flatMap(({ mounts }) => (mounts ?? []).map(({ volume }) => volume)));
  const seen = new Set<string>();
  for (const [index, volume] of (template.volumes ?? []).entries()) {
    const path = [...VOLUMES, index];
    if (seen.has(volume.name)) {
      report.error(
        "duplicate-volume",
        [...path, "name"],
        `Two volumes are named \`${volume.name}\`; names are unique within a Set.`,
        "Rename one.",
      );
    } else if (!mounted.has(volume.name)) {
      const message = `Volume \`${volume.name}\` is not mounted by any container, so nothing can use it.`;
      report.warning("unused-volume", [...path, "name"], message, "Add it to the mounts of a container, or remove it.");
    }
    seen.add(volume.name);
    checkSize(volume, draft.live.volumes[volume.name] ?? 0, path, report);
  }
  checkFiles(template.volumes ?? [], report);
}

function checkSize(volume: written.Volume, sizeBytes: number, path: Path, report: Report): void {
  const size = sizeOf(volume);
  const { what, leastBytes } = leastOf(volume);
  if (size === null || sizeBytes >= leastBytes) return;
  const message = `Volume \`${volume.name}\` has ${formatBytes(sizeBytes)}. ${what} needs at least ${formatBytes(leastBytes)}.`;
  report.error("volume-too-small", [...path, ...size.path], message, "Raise it.");
}

function leastOf({ lvm, dir }: written.Volume): { readonly what: string; readonly leastBytes: number } {
  if (dir !== undefined) return { what: "A softLimit", leastBytes: LEAST_DIR_BYTES };
  if (lvm === undefined) return { what: "A tmpfs", leastBytes: 1 };
  const filesystem = lvm.filesystem ?? "ext4";
  return { what: `An ${filesystem} file system`, leastBytes: LEAST_LVM_BYTES[filesystem] };
}

/** Each file by itself, and all of the Set together. */
function checkFiles(volumes: readonly written.Volume[], report: Report): void {
  let sumBytes = 0;
  for (const [index, { name, config }] of volumes.entries()) {
    for (const [file, text] of Object.entries(config?.files ?? {})) {
      const bytes = Buffer.byteLength(text);
      const path = [...VOLUMES, index, "config", "files", file];
      if (bytes > MOST_FILE_BYTES) {
        const message = `File \`${file}\` of volume \`${name}\` has ${bytes} bytes; allowed: at most ${formatBytes(MOST_FILE_BYTES)} (${MOST_FILE_BYTES}).`;
        report.error("config-too-large", path, message, "Bring large files with the image, or keep them on a volume.");
      } else if (sumBytes <= MOST_FILES_BYTES && sumBytes + bytes > MOST_FILES_BYTES) {
        const message = `With file \`${file}\` of volume \`${name}\` the config files of the Set have ${formatBytesRounded(sumBytes + bytes)}; allowed: at most ${formatBytes(MOST_FILES_BYTES)} in all.`;
        report.error("config-too-large", path, message, "Bring large files with the image, or keep them on a volume.");
      }
      sumBytes += bytes;
    }
  }
}

/** Each mount has a volume, and a place of its own in its container. */
export function checkMounts(template: written.Template, report: Report): void {
  const declared = (template.volumes ?? []).map(({ name }) => name);
  for (const [containerIndex, container] of template.containers.entries()) {
    const paths = new Set<string>();
    for (const [index, mount] of (container.mounts ?? []).entries()) {
      const path = ["spec", "template", "containers", containerIndex, "mounts", index];
      if (!declared.includes(mount.volume)) {
        const message = `Container \`${container.name}\` mounts volume \`${mount.volume}\`, which is not declared; volumes of this Set: ${listed(declared)}.`;
        report.error("unknown-volume", [...path, "volume"], message, didYouMean(mount.volume, declared, "Declare it in template.volumes."));
      }
      const target = canonicalPath(mount.path);
      if (paths.has(target)) {
        const message = `Container \`${container.name}\` mounts two volumes at \`${target}\`; a path can hold one.`;
        report.error("duplicate-mount", [...path, "path"], message, "Mount one of them elsewhere.");
      }
      paths.add(target);
    }
  }
}
