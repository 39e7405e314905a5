import { existsSync } from "node:fs";
import { chmod, chown, realpath } from "node:fs/promises";
import type { StorageSettings } from "../../../core/host-settings.ts";
import type { ObservedVolume, TrashedVolume } from "../../../core/observation.ts";
import type { RunCommand } from "../../commands.ts";
import { createTurns } from "../../in-turn.ts";
import { type Clock, type Log, StepError, type TrashNote, type VolumeRef, type VolumeRequest, type VolumeUser } from "../../ports.ts";
import type { VolumeDriver, VolumeOwner } from "../driver.ts";
import { nameOf, isSame } from "../volumes.ts";
import { dataOf, Folders, type FoundFolders, makeTop, type NotedFolder } from "./folders.ts";
import { createPurger, type Purger } from "./purge.ts";
import { setReadOnlyView } from "./read-only-view.ts";
import { SoftLimits } from "./soft-limits.ts";
import { openStorageMarker, type StorageMarker } from "./storage-marker.ts";

export interface DirDriverOptions {
  /** Asked each time. */
  readonly fleet: () => string;
  /** The agent's own, for what it remembers of storage folders. */
  readonly stateFolder: string;
  readonly run: RunCommand;
  readonly clock: Clock;
  readonly log: Log;
}

/** Volumes that are folders of the host's own file system, with a limit that is kept by taking the right to write away. */
export function createDirDriver(options: DirDriverOptions): VolumeDriver {
  return new DirDriver(options);
}

const NOTHING: FoundFolders = { volumes: [], trash: [], purged: [], problems: [] };

class DirDriver implements VolumeDriver {
  readonly kind = "dir";
  readonly #options: DirDriverOptions;
  readonly #lifetime = new AbortController();
  readonly #inTurn = createTurns();
  readonly #marker: StorageMarker;
  readonly #purger: Purger;
  readonly #limits: SoftLimits;
  #settings: StorageSettings | null = null;
  #found: FoundFolders = NOTHING;
  #problem: string | null = null;

  constructor(options: DirDriverOptions) {
    const { stateFolder, run, clock, log } = options;
    const lifetime = this.#lifetime.signal;
    this.#options = options;
    this.#marker = openStorageMarker(stateFolder);
    this.#purger = createPurger(run, log, lifetime);
    const setReadOnly = (ref: VolumeRef, on: boolean, signal: AbortSignal): Promise<void> => this.#setReadOnly(ref, on, signal);
    this.#limits = new SoftLimits({ run, clock, log, lifetime, setReadOnly });
  }

  capabilities(): [] {
    return [];
  }

  capacityBytes(): number {
    return 0;
  }

  problem(): string | null {
    const problems = [...(this.#problem === null ? [] : [this.#problem]), ...this.#found.problems];
    return problems.length === 0 ? null : problems.join("; ");
  }

  async apply(settings: StorageSettings | null): Promise<void> {
    this.#settings = settings;
    await this.look();
  }

  async look(): Promise<void> {
    await this.#inTurn(() => this.#read());
  }

  /** Each folder is measured at its own pace, by how long that takes. */
  async measure(): Promise<void> {}

  follow(users: readonly VolumeUser[]): void {
    this.#limits.follow(users);
  }

  volumes(): ObservedVolume[] {
    return this.#found.volumes.map(({ note }) => {
      const { set, index, name, limitBytes, readOnly } = note;
      const use = this.#limits.useOf(note);
      const trouble = use?.trouble ?? "";
      const state = readOnly ? { readOnly: true as const, ...(trouble === "" ? {} : { message: trouble }) } : {};
      return { set, index, name, kind: "dir", sizeBytes: limitBytes, usedBytes: use?.usedBytes ?? 0, ...state };
    });
  }

  trash(): TrashedVolume[] {
    return this.#found.trash.map(({ note: { set, index, name, limitBytes, trash } }) => {
      return { set, index, name, kind: "dir", sizeBytes: limitBytes, ...trash! };
    });
  }

  async create({ set, index, name, sizeBytes: limitBytes }: VolumeRequest): Promise<void> {
    await this.#change(async (folders, top) => {
      const ref = { set, index, name };
      const present = this.#volume(ref);
      if (present !== undefined) return await this.#limit(folders, present, limitBytes);
      if (existsSync(folders.placeOf(ref))) throw refused("not-ours", `${folders.placeOf(ref)} is there already, and is not of this fleet`);
      await makeTop(top);
      await this.#marker.take(top);
      await folders.create({ ...ref, fleet: this.#options.fleet(), limitBytes, owned: false, readOnly: false, trash: null });
    });
  }

  async grow(ref: VolumeRef, limitBytes: number): Promise<void> {
    await this.#change(async (folders) => {
      const present = this.#volume(ref);
      if (present === undefined) throw refused("not-found", `there is no volume ${nameOf(ref)}`);
      await this.#limit(folders, present, limitBytes);
    });
  }

  async trashVolume(ref: VolumeRef, { trashedAtMs, commit, taskId }: TrashNote, signal: AbortSignal): Promise<void> {
    await this.#change(async (folders) => {
      const present = this.#volume(ref);
      // A step that comes twice must not take what was made since.
      const isDone = this.#found.trash.some(({ note }) => isSame(note, ref) && note.trash?.trashedAtMs === trashedAtMs);
      if (present === undefined || isDone) return;
      await setReadOnlyView(dataOf(present.path), false, this.#options.run, signal);
      let id = `${ref.set}-${ref.index}-${ref.name}-${trashedAtMs}`;
      while (this.#found.trash.some(({ note }) => note.trash?.id === id)) id += "+";
      const usedBytes = this.#limits.useOf(ref)?.usedBytes ?? 0;
      await folders.change(present, { ...present.note, readOnly: false, trash: { id, trashedAtMs, commit, taskId, usedBytes } });
    });
  }

  async restore(ref: VolumeRef, trashId: string, trashedAtMs: number): Promise<void> {
    await this.#change(async (folders) => {
      const entry = this.#entry(trashId, trashedAtMs);
      if (entry === undefined && this.#volume(ref) !== undefined) return;
      if (entry === undefined) throw refused("not-found", `${trashId} is not in the trash`, "permanent");
      if (existsSync(folders.placeOf(ref))) throw refused("volume-exists", `there is a volume ${nameOf(ref)} already`);
      const { set, index, name } = ref;
      await folders.change(entry, { ...entry.note, set, index, name, trash: null });
    });
  }

  async purge(trashId: string, trashedAtMs: number): Promise<void> {
    await this.#change(async (folders) => {
      const entry = this.#entry(trashId, trashedAtMs);
      if (entry !== undefined) await folders.discard(entry);
    });
  }

  async mount(ref: VolumeRef, owner: VolumeOwner | null, signal: AbortSignal): Promise<string> {
    let data = "";
    await this.#change(async (folders) => {
      const present = this.#volume(ref);
      if (present === undefined) throw refused("not-ready", `there is no volume ${nameOf(ref)}`);
      data = dataOf(present.path);
      if (!present.note.owned) {
        if (owner === null) await chmod(data, 0o777);
        else await chown(data, owner.uid, owner.gid).then(() => chmod(data, 0o755));
        await folders.change(present, { ...present.note, owned: true });
      }
      await setReadOnlyView(data, present.note.readOnly, this.#options.run, signal);
    });
    return data;
  }

  async close(): Promise<void> {
    this.#lifetime.abort(new Error("the agent stops"));
    await this.#inTurn(() => Promise.resolve());
  }

  /** Looks, does the work, and looks again: one at a time, so that nothing moves between. Rejects where there is no storage, or not the right one. */
  async #change(work: (folders: Folders, top: string) => Promise<unknown>): Promise<void> {
    await this.#inTurn(async () => {
      if (!(await this.#read())) throw refused("no-capability", "the pool of this host names no folder for volumes");
      const { top, folders } = await this.#place();
      try {
        await work(folders, top);
      } catch (error) {
        throw asStepError(error, top);
      }
      await this.#read();
    });
  }

  /** What there is now, repaired; false where there is no storage. */
  async #read(): Promise<boolean> {
    if (this.#settings === null || this.#options.fleet() === "") {
      this.#show(NOTHING, null);
      return false;
    }
    const { top, folders } = await this.#place();
    try {
      await this.#marker.check(top);
      this.#show(await folders.scan(), null);
      return true;
    } catch (error) {
      const told = asStepError(error, top);
      this.#show(NOTHING, told instanceof Error ? told.message : String(told));
      throw told;
    }
  }

  async #place(): Promise<{ readonly top: string; readonly folders: Folders }> {
    const { folder } = this.#settings!;
    const top = await realpath(folder).catch(() => folder);
    return { top, folders: new Folders(top, this.#options.fleet()) };
  }

  #show(found: FoundFolders, problem: string | null): void {
    this.#found = found;
    this.#problem = problem;
    this.#purger.purge(found.purged);
    this.#limits.keep(
      found.volumes.map(({ path, note: { set, index, name, limitBytes, readOnly } }) => {
        return { ref: { set, index, name }, data: dataOf(path), limitBytes, readOnly };
      }),
    );
  }

  #volume(ref: VolumeRef): NotedFolder | undefined {
    return this.#found.volumes.find(({ note }) => isSame(note, ref));
  }

  /** The entry of the trash; rejects for another one under that id. */
  #entry(trashId: string, trashedAtMs: number): NotedFolder | undefined {
    const entry = this.#found.trash.find(({ note }) => note.trash!.id === trashId);
    if (entry === undefined || entry.note.trash!.trashedAtMs === trashedAtMs) return entry;
    throw refused("not-found", `${trashId} in the trash is not the volume that was meant`, "permanent");
  }

  async #limit(folders: Folders, present: NotedFolder, limitBytes: number): Promise<void> {
    if (present.note.limitBytes !== limitBytes) await folders.change(present, { ...present.note, limitBytes });
  }

  /** Written down first: what a crash leaves undone is done by the next round, or before the next start. */
  async #setReadOnly(ref: VolumeRef, readOnly: boolean, signal: AbortSignal): Promise<void> {
    await this.#change(async (folders) => {
      const present = this.#volume(ref);
      if (present === undefined) return;
      await folders.change(present, { ...present.note, readOnly });
      await setReadOnlyView(dataOf(present.path), readOnly, this.#options.run, signal);
    });
  }
}

/** What the kernel or a program said, as a code and a sentence. */
function asStepError(error: unknown, top: string): unknown {
  if (error instanceof StepError) return error;
  const { code, message } = error as NodeJS.ErrnoException;
  if (code === "ENOSPC" || code === "EDQUOT") return new StepError("disk-full", `there is no room left in ${top}`);
  if (code === "EBUSY")
    return new StepError("volume-busy", `a folder in ${top} is a mount point of its own and can't be moved: ${message}`);
  return new StepError("volume-failed", `the folder ${top} for volumes can't be used: ${message}`);
}

function refused(code: string, text: string, retry: "transient" | "permanent" = "transient"): StepError {
  return new StepError(code, text, { retry, outcome: "refused" });
}
