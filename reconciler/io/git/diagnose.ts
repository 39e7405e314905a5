import { realpath, stat } from "node:fs/promises";
import { join } from "node:path";
import { suggest } from "../../core/suggest.ts";
import { gitError, GitFailure } from "./git-failure.ts";
import { gitText, type GitContext } from "./git-process.ts";

/** The real path of a folder; throws UserError `git-path-missing` or `git-permission`. */
export async function realFolder(path: string): Promise<string> {
  try {
    const real = await realpath(path);
    if ((await stat(real)).isDirectory()) return real;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "ENOENT" || code === "ENOTDIR") {
      throw gitError("git-path-missing", `the repository ${path} does not exist`, "Mend the path, or mount the disk it is on.");
    }
    throw gitError(
      "git-permission",
      `the repository ${path} can't be opened (${code})`,
      "Give the user that runs Setpoint read permission on it.",
    );
  }
  throw gitError(
    "git-path-missing",
    `the repository ${path} is a file, not a folder`,
    "Give the folder that holds .git, or a bare repository.",
  );
}

/** Why a folder that exists is no repository: it may be a folder inside one. */
export async function explainNoRepository(context: GitContext, signal: AbortSignal): Promise<Error> {
  const message = `${context.folder} is not a git repository`;
  try {
    const around = await gitText({ ...context, ceiling: "/" }, ["rev-parse", "--show-toplevel", "--show-prefix"], signal);
    const [top = "", prefix = ""] = around.split("\n");
    return gitError(
      "git-not-a-repository",
      `${message} but a folder inside ${top}`,
      `Give ${top} as the repository and ${prefix.replace(/\/$/, "")} as the folder.`,
    );
  } catch (error) {
    if (!(error instanceof GitFailure)) throw error;
    return gitError("git-not-a-repository", message, "Run `git init` in it, or give the top of a repository.");
  }
}

/** Why the branch gives no commit: damaged, deleted, mistyped, or nothing was ever committed. */
export async function explainMissingBranch(
  context: GitContext,
  commonFolder: string,
  branch: string,
  lastHead: string | null,
  failure: GitFailure,
  signal: AbortSignal,
): Promise<Error> {
  // A safe.directory refusal and the like fail here the same way and say why.
  const list = await gitText(context, ["for-each-ref", "--format=%(refname:strip=2)", "--count=1000", "refs/heads"], signal);
  const branches = list === "" ? [] : list.split("\n");
  const points = await gitText(context, ["rev-parse", "--verify", "--quiet", `refs/heads/${branch}`], signal).catch(() => null);
  const mend = "Run `git fsck --full` in it, then restore the branch from a good clone.";
  if (points !== null) {
    return gitError(
      "git-corrupt",
      `branch "${branch}" of ${context.folder} points to ${points.slice(0, 12)}, which is missing or damaged`,
      mend,
    );
  }
  if (await isFile(join(commonFolder, "refs/heads", branch))) {
    return gitError("git-corrupt", `the ref of branch "${branch}" of ${context.folder} is damaged`, mend);
  }
  if (failure.stderr !== "") return failure;
  return branchMissing(branch, context.folder, branches, lastHead);
}

async function isFile(path: string): Promise<boolean> {
  return stat(path).then(
    (found) => found.isFile(),
    () => false,
  );
}

/** The branch is not among `branches`; `lastHead`: the commit it was seen at before. */
export function branchMissing(branch: string, where: string, branches: readonly string[], lastHead: string | null): Error {
  if (lastHead !== null) {
    const hint = "Push it again, or start Setpoint with another branch. What was read last keeps running.";
    return gitError("git-branch-deleted", `branch "${branch}" of ${where} was deleted; it was at ${lastHead.slice(0, 12)}`, hint);
  }
  if (branches.length === 0) {
    return gitError("git-empty", `${where} has no commits yet`, `Commit the first manifests to branch "${branch}" (and push them).`);
  }
  const close = suggest(branch, branches);
  const shown = branches.slice(0, 10).join(", ") + (branches.length > 10 ? ` and ${branches.length - 10} more` : "");
  const hint = close === null ? `Its branches: ${shown}.` : `Did you mean "${close}"? Its branches: ${shown}.`;
  return gitError("git-branch-missing", `${where} has no branch "${branch}"`, hint);
}

/** Why a commit has nothing at the folder's path. */
export async function explainMissingFolder(context: GitContext, commit: string, folder: string, signal: AbortSignal): Promise<Error> {
  const at = `commit ${commit.slice(0, 12)}`;
  const entry = await gitText(context, ["--literal-pathspecs", "ls-tree", "--full-tree", commit, "--", folder], signal);
  const kind = /^(100|120|160)/.exec(entry)?.[1];
  const what = { "100": "a file", "120": "a symbolic link", "160": "a submodule" }[kind ?? ""];
  if (what !== undefined) {
    return gitError("git-folder-missing", `${folder} is ${what}, not a folder, in ${at}`, "Give a folder of this repository.");
  }
  const list = await gitText(context, ["ls-tree", "-r", "-d", "--name-only", "--full-tree", commit], signal);
  const folders = list === "" ? [] : list.split("\n");
  const close = suggest(folder, folders.slice(0, 10_000));
  const meant = close === null ? "" : `Did you mean "${close}"? `;
  return gitError(
    "git-folder-missing",
    `${at} has no folder ${folder}`,
    `${meant}An absent folder is never read as "remove everything": bring it back, or start Setpoint with another folder.`,
  );
}

/** An older commit that a rewritten branch left behind and git has removed since. */
export function commitMissing(commit: string, where: string): Error {
  return gitError(
    "git-commit-missing",
    `${where} no longer has commit ${commit.slice(0, 12)}`,
    "Push a branch or tag that holds it, or mend the head.",
  );
}
