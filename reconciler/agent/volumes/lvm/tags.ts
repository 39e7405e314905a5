import { shortHash } from "../../../core/hash.ts";
import type { TrashNote, VolumeRef } from "../../ports.ts";

/** What our tags say of a logical volume: all that is known of it is there, so that its name does not matter. */
export interface LvOwner extends VolumeRef {
  readonly filesystem: "ext4" | "xfs";
  /** `new`: it was never mounted, nothing can be in it. */
  readonly state: "new" | "ready" | "trash";
  /** Size of the volume that its file system was last made to fill. */
  readonly filledBytes: number;
  /** As it was when it was mounted last and on its way to the trash. */
  readonly usedBytes: number;
  /** Only in the trash. */
  readonly trash: TrashEntry | null;
}

export interface TrashEntry extends TrashNote {
  readonly id: string;
}

const PREFIX = "setpoint.";
const FLEET = `${PREFIX}fleet`;

/** What the tags of a logical volume say; null when they are not this fleet's, or can't be read: then it is someone else's. */
export function readTags(tags: readonly string[], fleet: string): LvOwner | null {
  const values = new Map(tags.map((tag) => tag.split("=", 2) as [string, string | undefined]));
  const text = (key: string): string => values.get(`${PREFIX}${key}`) ?? "";
  if (fleet === "" || values.get(FLEET) !== fleet) return null;
  const [set, name, filesystem, state] = [text("set"), text("volume"), text("filesystem"), text("state")];
  const [index, filledBytes, usedBytes] = [wholeNumber(text("index")), wholeNumber(text("filled")), wholeNumber(text("used"))];
  if (set === "" || name === "" || index === null || !isFilesystem(filesystem) || !isState(state)) return null;
  const owner = { set, index, name, filesystem, state, filledBytes: filledBytes ?? 0, usedBytes: usedBytes ?? 0 };
  if (state !== "trash") return { ...owner, trash: null };
  const trashedAtMs = wholeNumber(text("trashed"));
  if (trashedAtMs === null || text("trash") === "") return null;
  return { ...owner, trash: { id: text("trash"), trashedAtMs, commit: text("commit"), taskId: text("task") } };
}

/** The tags that say so; sorted. */
export function writeTags(owner: LvOwner, fleet: string): string[] {
  const { set, index, name, filesystem, state, filledBytes, usedBytes, trash } = owner;
  const fields = { fleet, set, index, volume: name, filesystem, state, filled: filledBytes, used: usedBytes };
  const inTrash = trash === null ? {} : { trash: trash.id, trashed: trash.trashedAtMs, commit: trash.commit, task: trash.taskId };
  return Object.entries({ ...fields, ...inTrash })
    .map(([key, value]) => `${PREFIX}${key}=${tagText(String(value))}`)
    .sort();
}

/** Which tags to take away and to add so that a volume with `present` says what `owner` does; those of others stay. */
export function changeTags(
  present: readonly string[],
  owner: LvOwner,
  fleet: string,
): { readonly remove: readonly string[]; readonly add: readonly string[] } {
  const wanted = writeTags(owner, fleet);
  return {
    remove: present.filter((tag) => tag.startsWith(PREFIX) && !wanted.includes(tag)),
    add: wanted.filter((tag) => !present.includes(tag)),
  };
}

/** `setpoint.web-3.data`, in the trash `setpoint.trash.ID.web-3.data`: for people, and for nothing else. */
export function lvName({ set, index, name, trash }: Pick<LvOwner, "set" | "index" | "name" | "trash">): string {
  const place = trash === null ? "" : `trash.${trash.id}.`;
  const full = `${PREFIX}${place}${set}-${index}.${name}`;
  if (deviceLength(full) <= MOST_LENGTH) return full;
  const hash = shortHash([set, index, name]);
  return `${PREFIX}${place}${set.slice(0, KEPT_LENGTH)}.${hash}`;
}

/** Of 127 characters of the device mapper the group's name, doubled hyphens and the ends of temporary names take some. */
const MOST_LENGTH = 80;
const KEPT_LENGTH = 12;

/** In names of devices a hyphen is written twice. */
function deviceLength(name: string): number {
  return name.length + (name.match(/-/g)?.length ?? 0);
}

/** Identity within the host's trash: the same for the same volume put there once, whoever finishes that. */
export function trashId(uuid: string, trashedAtMs: number): string {
  return shortHash([uuid, trashedAtMs]).slice(0, 12);
}

/** What LVM takes in a tag. */
function tagText(text: string): string {
  return text.replaceAll(/[^A-Za-z0-9_+.\-/:#]/g, "_");
}

function wholeNumber(text: string): number | null {
  return /^\d{1,16}$/.test(text) ? Number(text) : null;
}

function isFilesystem(text: string): text is LvOwner["filesystem"] {
  return text === "ext4" || text === "xfs";
}

function isState(text: string): text is LvOwner["state"] {
  return text === "new" || text === "ready" || text === "trash";
}
