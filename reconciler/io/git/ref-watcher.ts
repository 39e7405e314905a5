import { watch, type FSWatcher } from "chokidar";

/** Git writes a ref by lock and rename and may touch several files for one commit: one call for all within this time. */
const DEBOUNCE_MS = 20;

/** Watches the files of a repository's refs, never its work tree. */
export class RefWatcher {
  #watcher: FSWatcher | null = null;
  #watched = "";
  #timer: NodeJS.Timeout | null = null;
  readonly #onChange: () => void;

  constructor(onChange: () => void) {
    this.#onChange = onChange;
  }

  /**
   * Watches exactly these paths from now on; a path need not exist. Resolves to true when they were others before: what
   * happened until then went unseen.
   */
  async follow(paths: readonly string[]): Promise<boolean> {
    const wanted = paths.join("\0");
    if (wanted === this.#watched) return false;
    this.#watched = wanted;
    await this.#watcher?.close();
    this.#watcher = null;
    if (paths.length === 0) return false;
    const watcher = watch([...paths], { ignoreInitial: true, atomic: false, depth: 1, ignorePermissionErrors: true });
    this.#watcher = watcher;
    const ready = new Promise<void>((resolve) => watcher.once("ready", resolve));
    watcher.on("all", () => this.#soon());
    // For example too many inotify watches: from here on the poll alone sees new commits.
    watcher.on("error", () => this.#soon());
    await ready;
    return true;
  }

  async close(): Promise<void> {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
    await this.#watcher?.close();
    this.#watcher = null;
  }

  #soon(): void {
    this.#timer ??= setTimeout(() => {
      this.#timer = null;
      this.#onChange();
    }, DEBOUNCE_MS);
  }
}
