import type { Clock } from "../../run/ports.ts";
import type { Environment } from "./environment.ts";
import type { GitContext } from "./git-process.ts";

/** What the source needs of a repository, be it on this machine or elsewhere. All rejections are UserErrors, or the signal's reason. */
export interface Repository {
  /** For people: no secrets. */
  readonly shown: string;
  /**
   * Commit at the branch's head. Of a remote after a fetch, or with `fetch` false as of the last fetch, if there was any; one that
   * failed fails this call the same way.
   */
  head(fetch: boolean, signal: AbortSignal): Promise<string>;
  /** How to run git on the repository's objects. */
  context(signal: AbortSignal): Promise<GitContext>;
  /** Makes sure that an older commit can be read; fetches it where it must. */
  ensure(commit: string, signal: AbortSignal): Promise<void>;
  /** Forgets where things are in it, as any of it may have been replaced. */
  reopen(): void;
  /** Files and folders whose change may mean a new head; empty for a remote, and while the path can't be opened. */
  watchPaths(): readonly string[];
  /** After damaged objects were met: makes a copy anew if it is ours. Returns false where only a person can mend it. */
  heal(signal: AbortSignal): Promise<boolean>;
  close(): void;
}

export interface RepositoryOptions {
  readonly branch: string;
  readonly clock: Clock;
  /** For each git process that only reads. */
  readonly readDeadlineMs: number;
  readonly fetchDeadlineMs: number;
  readonly inherited: Environment;
}
