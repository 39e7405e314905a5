import type { Volume } from "../../core/desired.ts";
import type * as written from "../../core/manifest-types.ts";
import { sortedRecord } from "../../core/order.ts";
import { readQuantity } from "./report.ts";
import type { Path, Report } from "./report.ts";

/** The canonical volume, without its size, which is live. The schema lets exactly one kind through. */
export function readVolume({ name, lvm, dir, docker, config, secret }: written.Volume): Volume {
  if (lvm !== undefined) return { filesystem: lvm.filesystem ?? "ext4", kind: "lvm", name };
  if (dir !== undefined) return { kind: "dir", name };
  if (docker !== undefined) {
    return { driver: docker.driver, kind: "docker", name, options: readOptions(docker.options ?? {}), shared: docker.shared ?? false };
  }
  if (config !== undefined) return { files: sortedRecord(config.files), kind: "config", name };
  return secret === undefined ? { kind: "tmpfs", name } : { kind: "secret", name, secret: secret.name };
}

/** Plugins take texts. */
function readOptions(options: Readonly<Record<string, string | number>>): Readonly<Record<string, string>> {
  return sortedRecord(Object.fromEntries(Object.entries(options).map(([name, value]) => [name, String(value)])));
}

/** Bytes of each volume that has a size or limit, by name. */
export function readSizes(volumes: readonly written.Volume[], path: Path, report: Report): Readonly<Record<string, number>> {
  const sizes: Record<string, number> = {};
  for (const [index, volume] of volumes.entries()) {
    const size = sizeOf(volume);
    if (size !== null) sizes[volume.name] = readQuantity(report, [...path, index, ...size.path], "bytes", size.value);
  }
  return sortedRecord(sizes);
}

/** What is written as the volume's size, and where in the volume; null for a kind without one. */
export function sizeOf({
  lvm,
  dir,
  tmpfs,
}: written.Volume): { readonly path: readonly [string, string]; readonly value: string | number } | null {
  if (lvm !== undefined) return { path: ["lvm", "size"], value: lvm.size };
  if (dir !== undefined) return { path: ["dir", "softLimit"], value: dir.softLimit };
  return tmpfs === undefined ? null : { path: ["tmpfs", "size"], value: tmpfs.size };
}

/** The volume that two Instances of a slot may not have at once; null when there is none. */
export function exclusiveVolume(volumes: readonly Volume[]): Volume | null {
  return volumes.find((volume) => volume.kind === "lvm" || (volume.kind === "docker" && !volume.shared)) ?? null;
}
