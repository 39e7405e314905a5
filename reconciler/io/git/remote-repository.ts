import { rm } from "node:fs/promises";
import { dirname, join } from "node:path";
import { shortHash } from "../../core/hash.ts";
import { branchMissing, commitMissing } from "./diagnose.ts";
import { sshCommandOf } from "./environment.ts";
import { explainFailure, GitFailure } from "./git-failure.ts";
import { gitText, hasCommit, type GitContext } from "./git-process.ts";
import { clearLeftovers, makeMirrorFolder } from "./mirror.ts";
import type { Repository, RepositoryOptions } from "./repository.ts";

const MIRROR_REF = "refs/setpoint/head";

/**
 * Commits fetched: no more than the head's files are needed, which keeps a huge repository cheap; the few before it let us tell
 * a fast-forward from rewritten history.
 */
const DEPTH = ["--depth", "50"];

const FETCH_FLAGS = ["--no-tags", "--force", "--no-write-fetch-head", "--no-recurse-submodules", "--no-auto-maintenance"];

/** A repository elsewhere, fetched into a bare mirror under the state folder. The mirror is a cache: losing it costs one fetch. */
export class RemoteRepository implements Repository {
  readonly shown: string;
  readonly #url: string;
  readonly #mirror: string;
  readonly #options: RepositoryOptions;
  readonly #lifetime = new AbortController();
  #sshCommand: string | null = null;
  #depth: readonly string[] = DEPTH;
  #head: string | null = null;
  #fetching: Promise<void> | null = null;
  #nextFetch: Promise<void> | null = null;
  /** How the last fetch ended; null before the first. */
  #fetched: { readonly error: unknown } | null = null;

  constructor(url: string, shown: string, stateDir: string, options: RepositoryOptions) {
    this.shown = shown;
    this.#url = url;
    this.#mirror = join(stateDir, "git", `${shortHash(url)}.git`);
    this.#options = options;
  }

  async head(fetch: boolean, signal: AbortSignal): Promise<string> {
    if (fetch || this.#fetched === null) await untilAborted(this.#fetchInTurn(), signal);
    const error = this.#fetched?.error ?? null;
    if (error !== null) throw error;
    return this.#head!;
  }

  async context(signal: AbortSignal): Promise<GitContext> {
    if (this.#sshCommand === null) await this.#prepare(signal);
    return this.#readContext();
  }

  async ensure(commit: string, signal: AbortSignal): Promise<void> {
    const context = await this.context(signal);
    if (await hasCommit(context, commit, signal)) return;
    try {
      await gitText(this.#fetchContext(), ["fetch", ...FETCH_FLAGS, "--depth", "1", this.#url, commit], signal);
    } catch (error) {
      // A server may serve no commit by its id; then it is the same as one that is gone.
      if (error instanceof GitFailure && error.reason === "exit") throw commitMissing(commit, this.shown);
      throw explainFailure(error, this.shown, this.#options.fetchDeadlineMs);
    }
  }

  reopen(): void {}

  watchPaths(): readonly string[] {
    return [];
  }

  async heal(signal: AbortSignal): Promise<boolean> {
    await untilAborted(this.#fetching ?? Promise.resolve(), signal);
    await rm(this.#mirror, { recursive: true, force: true });
    this.#sshCommand = null;
    this.#fetched = null;
    return true;
  }

  close(): void {
    this.#lifetime.abort(new Error("the source was closed"));
  }

  /**
   * One fetch at a time. Who comes while one runs waits for the next, as the running one may have asked the remote too early;
   * who gives up waiting does not stop it for the others.
   */
  async #fetchInTurn(): Promise<void> {
    if (this.#fetching === null) {
      this.#fetching = this.#refresh().finally(() => (this.#fetching = null));
      return this.#fetching;
    }
    this.#nextFetch ??= this.#fetching.then(() => {
      this.#nextFetch = null;
      return this.#fetchInTurn();
    });
    return this.#nextFetch;
  }

  /** Fetches and keeps the outcome; never rejects. */
  async #refresh(): Promise<void> {
    let error: unknown = null;
    try {
      await this.#fetch(this.#lifetime.signal);
    } catch (cause) {
      error = explainFailure(cause, this.shown, this.#options.fetchDeadlineMs);
    }
    this.#fetched = { error };
  }

  async #fetch(signal: AbortSignal): Promise<void> {
    if (this.#sshCommand === null) await this.#prepare(signal);
    try {
      await this.#fetchBranch(signal);
    } catch (error) {
      if (!(error instanceof GitFailure) || !(await this.#maySucceedNow(error))) throw await this.#explainNoBranch(error, signal);
      await this.#fetchBranch(signal);
    }
    const head = await gitText(this.#readContext(), ["rev-parse", "--verify", `${MIRROR_REF}^{commit}`], signal);
    if (head !== this.#head && this.#head !== null) await this.#tidy(signal);
    this.#head = head;
  }

  /** Makes the mirror, or leaves the one that is there. */
  async #prepare(signal: AbortSignal): Promise<void> {
    await makeMirrorFolder(this.#mirror);
    const context = this.#readContext();
    await gitText(context, ["init", "--bare", "--quiet", "--template="], signal);
    await clearLeftovers(this.#mirror, this.#lockHorizon());
    const configured = await gitText(context, ["config", "--get", "core.sshCommand"], signal).catch(() => null);
    this.#sshCommand = sshCommandOf(this.#options.inherited, configured);
  }

  async #fetchBranch(signal: AbortSignal): Promise<void> {
    const refs = `+refs/heads/${this.#options.branch}:${MIRROR_REF}`;
    await gitText(this.#fetchContext(), ["fetch", ...FETCH_FLAGS, ...this.#depth, this.#url, refs], signal);
  }

  /** Removes the cause of a failed fetch where that can be done, and says whether it was. */
  async #maySucceedNow(failure: GitFailure): Promise<boolean> {
    if (failure.stderr.includes("does not support shallow")) {
      this.#depth = [];
      return true;
    }
    const locks = await clearLeftovers(this.#mirror, this.#lockHorizon());
    return locks > 0;
  }

  /** Wall clock before which a lock in the mirror can't belong to a living fetch. */
  #lockHorizon(): number {
    return this.#options.clock.now() - 2 * this.#options.fetchDeadlineMs;
  }

  async #explainNoBranch(error: unknown, signal: AbortSignal): Promise<unknown> {
    if (!(error instanceof GitFailure && /couldn't find remote ref/.test(error.stderr))) return error;
    const list = await gitText(this.#fetchContext(), ["ls-remote", "--heads", this.#url], signal);
    const branches = [...list.matchAll(/\trefs\/heads\/(.*)$/gm)].map((match) => match[1]!);
    return branchMissing(this.#options.branch, this.shown, branches, this.#head);
  }

  /** Lets git pack the mirror when it holds many loose objects. Not needed for correctness. */
  async #tidy(signal: AbortSignal): Promise<void> {
    await gitText(this.#fetchContext(), ["-c", "gc.autoDetach=false", "gc", "--auto", "--quiet"], signal).catch(() => "");
  }

  #fetchContext(): GitContext {
    return { ...this.#readContext(), deadlineMs: this.#options.fetchDeadlineMs };
  }

  #readContext(): GitContext {
    const { clock, inherited, readDeadlineMs } = this.#options;
    const folder = this.#mirror;
    return { folder, ceiling: dirname(folder), inherited, sshCommand: this.#sshCommand, clock, deadlineMs: readDeadlineMs };
  }
}

/** The promise, or a rejection with the signal's reason as soon as it is aborted. */
async function untilAborted<Result>(promise: Promise<Result>, signal: AbortSignal): Promise<Result> {
  signal.throwIfAborted();
  const done = new AbortController();
  const aborted = new Promise<never>((_, reject) => {
    signal.addEventListener("abort", () => reject(signal.reason as Error), { signal: done.signal, once: true });
  });
  try {
    return await Promise.race([promise, aborted]);
  } finally {
    done.abort();
  }
}
