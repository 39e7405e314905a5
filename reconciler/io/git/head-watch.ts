import { UserError } from "../../core/errors/user-error.ts";
import type { Clock } from "../../run/ports.ts";
import { RefWatcher } from "./ref-watcher.ts";
import type { Repository } from "./repository.ts";

/** Tells when the head may differ from what was read: at once where refs can be watched, at the next poll elsewhere. */
export class HeadWatch {
  readonly #repository: Repository;
  readonly #clock: Clock;
  readonly #pollMs: number;
  readonly #seen: () => string;
  readonly #onChange: () => void;
  readonly #refs: RefWatcher;
  readonly #lifetime = new AbortController();
  readonly #running: Promise<void>;
  #nap = new AbortController();

  /** Starts watching. `seen`: the commit, or troubleKey, of what was read last. */
  constructor(repository: Repository, clock: Clock, pollMs: number, seen: () => string, onChange: () => void) {
    this.#repository = repository;
    this.#clock = clock;
    this.#pollMs = pollMs;
    this.#seen = seen;
    this.#onChange = () => {
      if (!this.#lifetime.signal.aborted) onChange();
    };
    this.#refs = new RefWatcher(this.#onChange);
    this.#running = this.#run();
  }

  /** Looks now instead of at the next poll. */
  nudge(): void {
    this.#nap.abort();
  }

  async close(): Promise<void> {
    this.#lifetime.abort();
    this.#nap.abort();
    await this.#running;
    await this.#refs.close();
  }

  async #run(): Promise<void> {
    while (!this.#lifetime.signal.aborted) {
      // Renewed before looking, so that a nudge meanwhile makes the next nap end at once.
      this.#nap = new AbortController();
      const unseen = await this.#look();
      if (!unseen) await this.#clock.sleep(this.#pollMs, this.#nap.signal).catch(() => {});
    }
  }

  /** Compares the head with what was read. True: look again at once, as watching has only begun. */
  async #look(): Promise<boolean> {
    this.#repository.reopen();
    let key: string;
    try {
      key = await this.#repository.head(true, this.#lifetime.signal);
    } catch (error) {
      key = troubleKey(error instanceof UserError ? error.code : String(error));
    }
    if (this.#lifetime.signal.aborted) return false;
    if (key !== this.#seen()) this.#onChange();
    return this.#refs.follow(this.#repository.watchPaths());
  }
}

/** Stands for a source that can't be read, in place of a commit. */
export function troubleKey(code: string): string {
  return `trouble ${code}`;
}
