import { slotKey } from "../../../core/ids.ts";
import { Permits } from "../../apply/lanes.ts";
import type { VolumeRef, VolumeUser } from "../../ports.ts";
import { type FolderUse, FolderWatch, type LimitedFolder, type WatchParts } from "./folder-watch.ts";

/** Walks through folders at once. */
const WALKS_AT_ONCE = 2;

/** Keeps the limits of all folders: measures each at its own pace, and takes and gives back the right to write in the containers that have it. */
export class SoftLimits {
  readonly #parts: WatchParts;
  readonly #walks = new Permits(WALKS_AT_ONCE);
  readonly #watches = new Map<string, FolderWatch>();
  #users: ReadonlyMap<string, readonly VolumeUser[]> = new Map();

  constructor(parts: WatchParts) {
    this.#parts = parts;
  }

  /** The folders that there are now. */
  keep(folders: readonly LimitedFolder[]): void {
    const wanted = new Map(folders.map((folder) => [keyOf(folder.ref), folder]));
    for (const [key, watch] of this.#watches) {
      if (wanted.has(key)) continue;
      watch.stop();
      this.#watches.delete(key);
    }
    for (const [key, folder] of wanted) {
      const watch = this.#watches.get(key);
      if (watch !== undefined) watch.update(folder);
      else this.#watches.set(key, new FolderWatch(folder, this.#users.get(key) ?? [], this.#walks, this.#parts));
    }
  }

  /** The running containers that have any of them. */
  follow(users: readonly VolumeUser[]): void {
    this.#users = Map.groupBy(users, keyOf);
    for (const [key, watch] of this.#watches) watch.follow(this.#users.get(key) ?? []);
  }

  /** Null while it was not measured yet. */
  useOf(ref: VolumeRef): FolderUse | null {
    return this.#watches.get(keyOf(ref))?.use ?? null;
  }
}

function keyOf({ set, index, name }: VolumeRef): string {
  return `${slotKey(set, index)}/${name}`;
}
