import { existsSync } from "node:fs";
import { chmod, mkdir, readdir, rename, rm, rmdir } from "node:fs/promises";
import { dirname, join } from "node:path";
import { compareText } from "../../../core/order.ts";
import type { VolumeRef } from "../../ports.ts";
import { syncFolder } from "../../state/durable.ts";
import { type FolderNote, readNote, writeNote } from "./note.ts";

/** A folder with a note of our fleet. */
export interface NotedFolder {
  readonly path: string;
  readonly note: FolderNote;
}

/** What lies below the storage folder. */
export interface FoundFolders {
  readonly volumes: readonly NotedFolder[];
  readonly trash: readonly NotedFolder[];
  /** Paths of what is being destroyed. */
  readonly purged: readonly string[];
  /** What nobody but a person can put right. */
  readonly problems: readonly string[];
}

/** Where the data lies, in a volume's folder. */
export function dataOf(folder: string): string {
  return join(folder, "data");
}

/**
 * The storage folder: `SET/INDEX/NAME` is a volume, `.trash/FLEET/ID` one in the trash. Whatever is changed is one rename away from being so, and what was
 * begun when the power was cut is finished by `scan`. Not to be used twice at a time.
 */
export class Folders {
  readonly #top: string;
  readonly #fleet: string;

  constructor(top: string, fleet: string) {
    this.#top = top;
    this.#fleet = fleet;
  }

  placeOf({ set, index, name }: VolumeRef): string {
    return join(this.#top, set, String(index), name);
  }

  /** All of ours; what a crash left half done is done. */
  async scan(): Promise<FoundFolders> {
    const problems: string[] = [];
    const found = async (path: string): Promise<NotedFolder[]> => {
      try {
        const note = await readNote(path);
        return note?.fleet === this.#fleet ? [{ path, note }] : [];
      } catch (error) {
        problems.push((error as Error).message);
        return [];
      }
    };
    await this.#dropUnfinished();
    const slots = (await Promise.all((await list(this.#top)).filter(isVisible).map(list))).flat();
    const placed = (await Promise.all((await Promise.all(slots.map(list))).flat().map(found))).flat();
    const trashed = (await Promise.all((await list(this.#hidden("trash"))).map(found))).flat();
    const { volumes, trash } = await this.#settle(placed, trashed, problems);
    return { volumes, trash, purged: await list(this.#hidden("purge")), problems };
  }

  /** A new volume with an empty folder for its data. */
  async create(note: FolderNote): Promise<NotedFolder> {
    const made = join(this.#hidden("new"), `${note.set}-${note.index}-${note.name}`);
    await mkdir(dataOf(made), { recursive: true, mode: 0o700 });
    await writeNote(made, note);
    return await this.#move({ path: made, note }, this.placeOf(note));
  }

  /** The volume with another note; what that says of trash or slot decides where it lies from now on. */
  async change({ path }: NotedFolder, note: FolderNote): Promise<NotedFolder> {
    await writeNote(path, note);
    const place = this.#rightPlace(note);
    return place === path ? { path, note } : await this.#move({ path, note }, place);
  }

  /** Out of the trash for ever: only its files are left to be removed. */
  async discard({ path, note }: NotedFolder): Promise<void> {
    await this.#move({ path, note }, join(this.#hidden("purge"), note.trash!.id));
  }

  /** Moves what lies where its note does not say. Where that is taken it stays, for a person to decide. */
  async #settle(
    placed: readonly NotedFolder[],
    trashed: readonly NotedFolder[],
    problems: string[],
  ): Promise<Pick<FoundFolders, "volumes" | "trash">> {
    const all: NotedFolder[] = [];
    for (const folder of [...placed, ...trashed]) {
      const place = this.#rightPlace(folder.note);
      if (place === folder.path) all.push(folder);
      else if (existsSync(place)) problems.push(`${folder.path} should be ${place}, which is there already`);
      else all.push(await this.#move(folder, place));
    }
    return { volumes: all.filter(({ note }) => note.trash === null), trash: all.filter(({ note }) => note.trash !== null) };
  }

  #rightPlace(note: FolderNote): string {
    return note.trash === null ? this.placeOf(note) : join(this.#hidden("trash"), note.trash.id);
  }

  async #move({ path, note }: NotedFolder, place: string): Promise<NotedFolder> {
    await mkdir(dirname(place), { recursive: true, mode: 0o700 });
    await rename(path, place);
    syncFolder(dirname(place));
    syncFolder(dirname(path));
    await this.#tidy(dirname(path));
    return { path: place, note };
  }

  /** Folders of slots and Sets without a volume go. */
  async #tidy(folder: string): Promise<void> {
    for (let at = folder; at !== this.#top && at.startsWith(`${this.#top}/`); at = dirname(at)) {
      // One that is not empty stays.
      if (
        !(await rmdir(at).then(
          () => true,
          () => false,
        ))
      )
        return;
    }
  }

  /** Never more than an empty folder and a note. */
  async #dropUnfinished(): Promise<void> {
    for (const path of await list(this.#hidden("new"))) await rm(path, { recursive: true, force: true });
  }

  #hidden(what: "new" | "trash" | "purge"): string {
    return join(this.#top, `.${what}`, this.#fleet);
  }
}

/** The storage folder itself, for its owner alone where it is made now. */
export async function makeTop(top: string): Promise<void> {
  const made = await mkdir(top, { recursive: true, mode: 0o700 });
  if (made !== undefined) await chmod(top, 0o700);
}

function isVisible(path: string): boolean {
  return !path.slice(path.lastIndexOf("/") + 1).startsWith(".");
}

/** Paths of what is in a folder, sorted; nothing where there is none. */
async function list(folder: string): Promise<string[]> {
  const names = await readdir(folder).catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT" || error.code === "ENOTDIR") return [];
    throw error;
  });
  return names.sort(compareText).map((name) => join(folder, name));
}
