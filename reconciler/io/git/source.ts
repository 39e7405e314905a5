import { UserError } from "../../core/errors/user-error.ts";
import type { Clock, Source, SourceReading } from "../../run/ports.ts";
import type { ManifestLoader } from "../manifests/loader.ts";
import { readCommitFiles } from "./commit.ts";
import type { Environment } from "./environment.ts";
import { explainFailure } from "./git-failure.ts";
import { isAncestor, type GitContext } from "./git-process.ts";
import { HeadWatch, troubleKey } from "./head-watch.ts";
import { LocalRepository } from "./local-repository.ts";
import { parseBranch, parseFolder, parseLocation, showLocation } from "./location.ts";
import { RemoteRepository } from "./remote-repository.ts";
import { headOf, toReading, type SourceDescription, type WatchedSource } from "./reading.ts";
import type { Repository } from "./repository.ts";

export interface GitSourceOptions {
  /** A path on this machine (bare, with a work tree, or a worktree) or any URL git fetches from. */
  readonly repository: string;
  readonly branch: string;
  /** Sub-folder with the manifests; "" for the top. */
  readonly folder: string;
  /** Holds the mirror of a remote repository, in `git/`. */
  readonly stateDir: string;
  readonly fetchDeadlineMs: number;
  /** How often a watched repository is looked at without any event; a remote is fetched then. */
  readonly pollMs: number;
  readonly clock: Clock;
  /** Not shared with another source: it keeps what it parsed for the load after. */
  readonly loader: ManifestLoader;
  /** Default 30 s, for each git process that only reads. */
  readonly readDeadlineMs?: number;
  /** Default: this process's. Only an allow-list of it reaches git. */
  readonly environment?: Environment;
}

/** Throws UserError for options that can never work; every trouble met later is a reading. Reads nothing yet. */
export function createGitSource(options: GitSourceOptions): WatchedSource & Required<Pick<Source, "readCommit">> {
  const branch = parseBranch(options.branch);
  const folder = parseFolder(options.folder);
  const location = parseLocation(options.repository);
  const { clock, fetchDeadlineMs, readDeadlineMs = 30_000, environment = process.env } = options;
  const repositoryOptions = { branch, clock, readDeadlineMs, fetchDeadlineMs, inherited: environment };
  const shown = showLocation(location);
  const repository =
    location.kind === "local"
      ? new LocalRepository(location.path, repositoryOptions)
      : new RemoteRepository(location.url, shown, options.stateDir, repositoryOptions);
  return new GitSource(repository, { ...options, branch, folder, readDeadlineMs });
}

interface Settings extends GitSourceOptions {
  readonly readDeadlineMs: number;
}

class GitSource implements WatchedSource {
  readonly #repository: Repository;
  readonly #settings: Settings;
  readonly #lifetime = new AbortController();
  /** Reads come one after the other: each builds on what the one before left known. */
  #queue: Promise<unknown> = Promise.resolve();
  /** The newest commit that was loaded, with its reading. */
  #loaded: { readonly commit: string; readonly reading: SourceReading } | null = null;
  #last: { readonly reading: SourceReading; readonly atMs: number } | null = null;
  /** Object ids by path of the newest load: what the loader has parsed. */
  #known: ReadonlyMap<string, string> = new Map();
  #watch: HeadWatch | null = null;
  /** The watch has just fetched what the next read asks for. */
  #fetched = false;

  constructor(repository: Repository, settings: Settings) {
    this.#repository = repository;
    this.#settings = settings;
  }

  async read(signal: AbortSignal): Promise<SourceReading> {
    return this.#inTurn(signal, async (signal) => {
      const reading = await this.#attempt(signal, () => this.#readHead(signal));
      this.#last = { reading, atMs: this.#settings.clock.now() };
      return reading;
    });
  }

  async readCommit(commit: string, signal: AbortSignal): Promise<SourceReading> {
    return this.#inTurn(signal, (signal) =>
      this.#attempt(signal, async () => {
        await this.#repository.ensure(commit, signal);
        return this.#load(await this.#repository.context(signal), commit, signal);
      }),
    );
  }

  watch(onChange: () => void): void {
    const { clock, pollMs } = this.#settings;
    const changed = (): void => {
      this.#fetched = true;
      onChange();
    };
    this.#watch ??= new HeadWatch(this.#repository, clock, pollMs, () => readingKey(this.#last?.reading ?? null), changed);
  }

  nudge(): void {
    this.#watch?.nudge();
  }

  describe(): SourceDescription {
    const { branch, folder } = this.#settings;
    const reading = this.#last?.reading ?? null;
    return { repository: this.#repository.shown, branch, folder, head: headOf(reading), readAtMs: this.#last?.atMs ?? null, reading };
  }

  async close(): Promise<void> {
    this.#lifetime.abort(new Error("the source was closed"));
    this.#repository.close();
    await this.#watch?.close();
    await this.#queue.catch(() => {});
  }

  /** After the work before it; with a signal that is aborted by the caller's or by close(). */
  async #inTurn<Result>(signal: AbortSignal, work: (signal: AbortSignal) => Promise<Result>): Promise<Result> {
    const either = AbortSignal.any([signal, this.#lifetime.signal]);
    const run = async (): Promise<Result> => {
      either.throwIfAborted();
      return work(either);
    };
    const turn = this.#queue.then(run, run);
    this.#queue = turn;
    return turn;
  }

  /** A trouble of the repository becomes a reading; a mistake of the program and an abort reject. */
  async #attempt(signal: AbortSignal, work: () => Promise<SourceReading>): Promise<SourceReading> {
    try {
      return await work();
    } catch (cause) {
      signal.throwIfAborted();
      const error = explainFailure(cause, this.#repository.shown, this.#settings.readDeadlineMs);
      if (!(error instanceof UserError)) throw error;
      return { kind: "failed", code: error.code, why: error.message, hint: error.hint };
    }
  }

  async #readHead(signal: AbortSignal): Promise<SourceReading> {
    const fetch = !this.#fetched;
    this.#fetched = false;
    const commit = await this.#repository.head(fetch, signal);
    if (this.#loaded?.commit === commit) return this.#loaded.reading;
    const reading = await this.#loadHealing(commit, signal);
    this.#loaded = { commit: headOf(reading) ?? commit, reading };
    return reading;
  }

  /** Loads; a damaged copy of a remote is thrown away and fetched again, once. */
  async #loadHealing(commit: string, signal: AbortSignal): Promise<SourceReading> {
    try {
      return await this.#loadNext(commit, signal);
    } catch (cause) {
      const error = explainFailure(cause, this.#repository.shown, this.#settings.readDeadlineMs);
      if (!(error instanceof UserError && error.code === "git-corrupt" && (await this.#repository.heal(signal)))) throw error;
      return this.#loadNext(await this.#repository.head(true, signal), signal);
    }
  }

  /** Loads a new head and says whether the branch was rewritten since the one before. */
  async #loadNext(commit: string, signal: AbortSignal): Promise<SourceReading> {
    const context = await this.#repository.context(signal);
    const before = this.#loaded?.commit ?? commit;
    const [reading, follows] = await Promise.all([
      this.#load(context, commit, signal),
      before === commit || isAncestor(context, before, commit, signal),
    ]);
    return follows || reading.kind === "failed" ? reading : { ...reading, rewrittenFrom: before };
  }

  async #load(context: GitContext, commit: string, signal: AbortSignal): Promise<SourceReading> {
    const { folder, loader } = this.#settings;
    const { files, problems } = await readCommitFiles(context, commit, folder, this.#known, signal);
    const result = await loader.load(files, commit, problems, signal);
    this.#known = new Map(files.map(({ path, blobId }) => [path, blobId]));
    return toReading(result);
  }
}

/** Equal for readings of the same commit, or of the same trouble. */
function readingKey(reading: SourceReading | null): string {
  return reading?.kind === "failed" ? troubleKey(reading.code) : (headOf(reading) ?? "");
}
