import { watch, type FSWatcher } from "chokidar";
import { UserError } from "../../core/errors/user-error.ts";
import type { Clock, SourceReading } from "../../run/ports.ts";
import { readFolder } from "../manifests/folder.ts";
import type { ManifestLoader } from "../manifests/loader.ts";
import { headOf, toReading, type SourceDescription, type WatchedSource } from "./reading.ts";

/** An editor's save or an unpacked archive is many events: one call for all within this time. */
const DEBOUNCE_MS = 50;

export interface FolderSourceOptions {
  readonly folder: string;
  readonly clock: Clock;
  readonly loader: ManifestLoader;
}

/** Manifests of a plain folder, without git. Its commit is a hash of the content; older states are not kept. */
export function createFolderSource(options: FolderSourceOptions): WatchedSource {
  return new FolderSource(options);
}

class FolderSource implements WatchedSource {
  readonly #options: FolderSourceOptions;
  #queue: Promise<unknown> = Promise.resolve();
  #last: { readonly reading: SourceReading; readonly atMs: number; readonly key: string } | null = null;
  #watcher: FSWatcher | null = null;
  #timer: NodeJS.Timeout | null = null;
  #onChange: () => void = () => {};

  constructor(options: FolderSourceOptions) {
    this.#options = options;
  }

  async read(signal: AbortSignal): Promise<SourceReading> {
    const turn = this.#queue.then(
      () => this.#read(signal),
      () => this.#read(signal),
    );
    this.#queue = turn;
    return turn;
  }

  watch(onChange: () => void): void {
    this.#onChange = onChange;
    this.#watcher ??= watch(this.#options.folder, {
      ignored: (path) => isHiddenBelow(this.#options.folder, path),
      ignoreInitial: true,
      followSymlinks: false,
      ignorePermissionErrors: true,
    })
      .on("all", () => this.nudge())
      .on("ready", () => this.nudge())
      .on("error", () => this.nudge());
  }

  nudge(): void {
    this.#timer ??= setTimeout(() => {
      this.#timer = null;
      this.#onChange();
    }, DEBOUNCE_MS);
  }

  describe(): SourceDescription {
    const reading = this.#last?.reading ?? null;
    return {
      repository: this.#options.folder,
      branch: "",
      folder: "",
      head: headOf(reading),
      readAtMs: this.#last?.atMs ?? null,
      reading,
    };
  }

  async close(): Promise<void> {
    this.#onChange = () => {};
    if (this.#timer !== null) clearTimeout(this.#timer);
    await this.#watcher?.close();
    await this.#queue.catch(() => {});
  }

  async #read(signal: AbortSignal): Promise<SourceReading> {
    const { folder, loader, clock } = this.#options;
    const atMs = clock.now();
    try {
      const { commit, files, problems } = await readFolder(folder, signal);
      const key = JSON.stringify([commit, problems]);
      const unchanged = this.#last?.key === key ? this.#last.reading : null;
      const reading = unchanged ?? toReading(await loader.load(files, commit, problems, signal));
      this.#last = { reading, atMs, key };
      return reading;
    } catch (error) {
      signal.throwIfAborted();
      if (!(error instanceof UserError)) throw error;
      const reading: SourceReading = { kind: "failed", code: error.code, why: error.message, hint: error.hint };
      this.#last = { reading, atMs, key: "" };
      return reading;
    }
  }
}

/** A name below the folder that starts with a dot: such are not read. */
function isHiddenBelow(folder: string, path: string): boolean {
  return path.startsWith(folder) && /\/\./.test(path.slice(folder.length));
}
