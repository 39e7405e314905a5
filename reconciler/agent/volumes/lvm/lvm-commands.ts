import type { Command } from "../../commands.ts";
import { DEVICE_FIELDS, GROUP_FIELDS, VOLUME_FIELDS } from "./report.ts";

/** Reading; LVM itself waits for those who change something. */
const READ_WITHIN_MS = 15_000;
/** One change of the group's metadata, and of the devices after it. */
const CHANGE_WITHIN_MS = 40_000;

const FORMAT = ["--reportformat", "json", "--units", "b", "--nosuffix"];

export function reportGroup(group: string): Command {
  return { program: "vgs", args: [...FORMAT, "-o", GROUP_FIELDS, group], deadlineMs: READ_WITHIN_MS };
}

export function reportVolumes(group: string): Command {
  return { program: "lvs", args: [...FORMAT, "-o", VOLUME_FIELDS, group], deadlineMs: READ_WITHIN_MS };
}

export function reportDevices(group: string): Command {
  return { program: "pvs", args: [...FORMAT, "-o", DEVICE_FIELDS, "--select", `vg_name=${group}`], deadlineMs: READ_WITHIN_MS };
}

/** With its tags from the first moment, so that none is ever there without an owner. */
export function createLv(
  group: string,
  lv: { readonly name: string; readonly sizeBytes: number; readonly thinPool: string | null; readonly tags: readonly string[] },
): Command {
  const tags = lv.tags.flatMap((tag) => ["--addtag", tag]);
  const size =
    lv.thinPool === null
      ? ["--size", `${lv.sizeBytes}b`, "--wipesignatures", "y", "--zero", "y"]
      : ["--virtualsize", `${lv.sizeBytes}b`, "--thinpool", lv.thinPool];
  return change("lvcreate", ["--yes", "--name", lv.name, ...size, ...tags, group]);
}

/** All in one change of the metadata. */
export function retagLv(
  group: string,
  name: string,
  tags: { readonly remove: readonly string[]; readonly add: readonly string[] },
): Command {
  const removed = tags.remove.flatMap((tag) => ["--deltag", tag]);
  const added = tags.add.flatMap((tag) => ["--addtag", tag]);
  return change("lvchange", [...removed, ...added, `${group}/${name}`]);
}

export function renameLv(group: string, from: string, to: string): Command {
  return change("lvrename", [group, from, to]);
}

export function extendLv(group: string, name: string, sizeBytes: number): Command {
  return change("lvextend", ["--size", `${sizeBytes}b`, `${group}/${name}`]);
}

export function activateLv(group: string, name: string): Command {
  return change("lvchange", ["--activate", "y", `${group}/${name}`]);
}

/** Destroys it. */
export function removeLv(group: string, name: string): Command {
  return change("lvremove", ["--yes", `${group}/${name}`]);
}

function change(program: string, args: readonly string[]): Command {
  return { program, args, deadlineMs: CHANGE_WITHIN_MS };
}
