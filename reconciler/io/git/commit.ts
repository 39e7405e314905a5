import type { ManifestProblem } from "../../core/manifests.ts";
import { MAX_FILES } from "../manifests/limits.ts";
import type { ManifestFile } from "../manifests/manifest-file.ts";
import { readBlobs, readFiles, tooLarge } from "./blobs.ts";
import { explainMissingFolder } from "./diagnose.ts";
import { gitError } from "./git-failure.ts";
import { gitBytes, type GitContext } from "./git-process.ts";
import { linkProblems, select, submoduleProblems, type Selection } from "./selection.ts";
import { parseTree } from "./tree.ts";

/** What one commit holds in the manifests' folder. */
export interface CommitFiles {
  readonly files: readonly ManifestFile[];
  /** About links and submodules. */
  readonly problems: readonly ManifestProblem[];
}

/**
 * Reads the manifests of a commit from the object store. Files whose object id is in `known` are listed but not read.
 * Throws UserError `git-folder-missing`, `git-no-manifests`, `git-too-large`, `git-corrupt`; rejects with GitFailure.
 */
export async function readCommitFiles(
  context: GitContext,
  commit: string,
  folder: string,
  known: ReadonlySet<string>,
  signal: AbortSignal,
): Promise<CommitFiles> {
  const paths = folder === "" ? [] : ["--", `${folder}/`];
  const args = ["--literal-pathspecs", "ls-tree", "-r", "-z", "--full-tree", commit, ...paths];
  const entries = parseTree(await gitBytes(context, args, "", signal));
  if (entries.length === 0 && folder !== "") throw await explainMissingFolder(context, commit, folder, signal);
  const selection = select(entries);
  if (selection.files.length === 0 && selection.links.length === 0) throw noManifests(commit, folder);
  if (selection.files.length > MAX_FILES) throw tooLarge(`${selection.files.length} manifest files`, `${MAX_FILES}`);
  return {
    files: await readFiles(context, selection.files, known, signal),
    problems: [...submoduleProblems(selection.submodules), ...(await checkLinks(context, selection, folder, signal))],
  };
}

async function checkLinks(
  context: GitContext,
  selection: Selection,
  folder: string,
  signal: AbortSignal,
): Promise<readonly ManifestProblem[]> {
  const distinct = [...new Map(selection.links.map((link) => [link.id, link])).values()];
  const targets = await readBlobs(context, distinct, signal);
  return linkProblems(selection, folder, (link) => targets.get(link.id)!.toString("utf8"));
}

/** A commit without any manifest is a slip far more often than the wish to remove a fleet. */
function noManifests(commit: string, folder: string): Error {
  return gitError(
    "git-no-manifests",
    `commit ${commit.slice(0, 12)} has no .yaml or .yml file${folder === "" ? "" : ` in ${folder}`}`,
    'That is never read as "remove everything": to remove every Set, keep the HostPools and delete the Sets.',
  );
}
