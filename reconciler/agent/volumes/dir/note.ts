import { readFile } from "node:fs/promises";
import { join } from "node:path";
import type { TrashNote, VolumeRef } from "../../ports.ts";
import { syncFolder, writeDurably } from "../../state/durable.ts";

/**
 * What stands in a volume's folder, beside its data: whose it is, and what it is. The folder's place follows it: where a crash came
 * between writing the note and moving the folder, the note is right.
 */
export interface FolderNote extends VolumeRef {
  readonly fleet: string;
  /** The soft limit. */
  readonly limitBytes: number;
  /** The data belongs to whoever uses it: a fresh volume is given to the first. */
  readonly owned: boolean;
  /** Over its limit when it was last measured. */
  readonly readOnly: boolean;
  /** Null: it is a slot's. */
  readonly trash: TrashMark | null;
}

export interface TrashMark extends TrashNote {
  /** Of the entry; also the folder's name. */
  readonly id: string;
  /** When it was last measured. */
  readonly usedBytes: number;
}

const FILE = "volume.json";
const KIND = "setpoint-volume";
/** Raised when an older agent would misread it. */
const FORMAT = 1;

/** Null for a folder that has none, and so is not ours. Throws for one that can't be read: that folder is left alone, and somebody told. */
export async function readNote(folder: string): Promise<FolderNote | null> {
  const path = join(folder, FILE);
  let text: string;
  try {
    text = await readFile(path, "utf8");
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "ENOENT" || code === "ENOTDIR") return null;
    throw new Error(`${path} can't be read: ${code ?? String(error)}`, { cause: error });
  }
  const { kind, format, ...note } = parse(text) ?? {};
  if (kind !== KIND) throw new Error(`${path} is no note of a volume`);
  if (format !== FORMAT) throw new Error(`${path} was written by another version of Setpoint`);
  return note as unknown as FolderNote;
}

/** On the disk when it resolves. */
export async function writeNote(folder: string, note: FolderNote): Promise<void> {
  await writeDurably(join(folder, FILE), `${JSON.stringify({ kind: KIND, format: FORMAT, ...note })}\n`, 0o600);
  syncFolder(folder);
}

function parse(text: string): Readonly<Record<string, unknown>> | null {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "object" ? (value as Readonly<Record<string, unknown>> | null) : null;
  } catch {
    return null;
  }
}
