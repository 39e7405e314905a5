import { dirname, join } from "node:path";
import { commitMissing, explainMissingBranch, explainNoRepository, realFolder } from "./diagnose.ts";
import { explainFailure, GitFailure } from "./git-failure.ts";
import { gitText, hasCommit, type GitContext } from "./git-process.ts";
import type { Repository, RepositoryOptions } from "./repository.ts";

interface Opened {
  readonly context: GitContext;
  /** Where the refs are: the git folder, or the main one's for a worktree. */
  readonly commonFolder: string;
  /** The branch, then what it points to when it is a symbolic ref. */
  readonly refs: readonly string[];
}

/** A repository on this machine, bare or with a work tree: read from its object store, never from the work tree. */
export class LocalRepository implements Repository {
  readonly shown: string;
  readonly #options: RepositoryOptions;
  #opened: Opened | null = null;
  /** Once the branch was there, its absence means that it was deleted. */
  #lastHead: string | null = null;

  constructor(path: string, options: RepositoryOptions) {
    this.shown = path;
    this.#options = options;
  }

  async head(fetch: boolean, signal: AbortSignal): Promise<string> {
    const fromBefore = this.#opened !== null;
    try {
      const opened = (this.#opened ??= await open(this.shown, this.#options, signal));
      this.#lastHead = await resolveBranch(opened, this.#options.branch, this.#lastHead, signal);
      return this.#lastHead;
    } catch (error) {
      // What was found out before may no longer hold: the whole repository may have been moved or replaced.
      if (fromBefore && error instanceof GitFailure && error.reason !== "deadline") {
        this.#opened = null;
        return this.head(fetch, signal);
      }
      // What was just opened stays known: its refs can be watched until the branch is there.
      throw explainFailure(error, this.shown, this.#options.readDeadlineMs);
    }
  }

  async context(signal: AbortSignal): Promise<GitContext> {
    this.#opened ??= await open(this.shown, this.#options, signal);
    return this.#opened.context;
  }

  async ensure(commit: string, signal: AbortSignal): Promise<void> {
    if (!(await hasCommit(await this.context(signal), commit, signal))) throw commitMissing(commit, this.shown);
  }

  reopen(): void {
    this.#opened = null;
  }

  watchPaths(): readonly string[] {
    if (this.#opened === null) return [];
    return [...this.#opened.refs, "packed-refs", "reftable"].map((name) => join(this.#opened!.commonFolder, name));
  }

  async heal(): Promise<boolean> {
    return false;
  }

  close(): void {}
}

async function open(shown: string, options: RepositoryOptions, signal: AbortSignal): Promise<Opened> {
  const folder = await realFolder(shown);
  const { branch, clock, inherited, readDeadlineMs } = options;
  const context: GitContext = { folder, ceiling: dirname(folder), inherited, sshCommand: null, clock, deadlineMs: readDeadlineMs };
  try {
    const commonFolder = await gitText(context, ["rev-parse", "--path-format=absolute", "--git-common-dir"], signal);
    return { context, commonFolder, refs: await refChain(context, `refs/heads/${branch}`, signal) };
  } catch (error) {
    if (error instanceof GitFailure && error.stderr.includes("not a git repository")) throw await explainNoRepository(context, signal);
    throw error;
  }
}

/** A ref and, while it is a symbolic one, the ref it points to; git itself follows at most five. */
async function refChain(context: GitContext, ref: string, signal: AbortSignal): Promise<readonly string[]> {
  const chain = [ref];
  try {
    while (chain.length < 5) chain.push(await gitText(context, ["symbolic-ref", "--quiet", chain.at(-1)!], signal));
  } catch (error) {
    // 1: not symbolic. Anything else is a damaged ref, which resolveBranch explains.
    if (!(error instanceof GitFailure && error.reason === "exit")) throw error;
  }
  return chain;
}

async function resolveBranch(opened: Opened, branch: string, lastHead: string | null, signal: AbortSignal): Promise<string> {
  try {
    return await gitText(opened.context, ["rev-parse", "--verify", "--quiet", `refs/heads/${branch}^{commit}`], signal);
  } catch (error) {
    if (!(error instanceof GitFailure && error.reason === "exit")) throw error;
    throw await explainMissingBranch(opened.context, opened.commonFolder, branch, lastHead, error, signal);
  }
}
