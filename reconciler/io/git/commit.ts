import type { ManifestProblem } from "../../core/manifests.ts";
import type { ManifestFile } from "../manifests/manifest-file.ts";
import { readBlobs, readFiles } from "./blobs.ts";
import { explainMissingFolder } from "./diagnose.ts";
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
 * Reads the manifests of a commit from the object store. `known`: object ids by path of the files the loader has; they are listed but
 * not read. Throws UserError `git-folder-missing`, `git-too-large`, `git-corrupt`; rejects with GitFailure.
 */
export async function readCommitFiles(
  context: GitContext,
  commit: string,
  folder: string,
  known: ReadonlyMap<string, string>,
  signal: AbortSignal,
): Promise<CommitFiles> {
  const paths = folder === "" ? [] : ["--", `${folder}/`];
  const args = ["--literal-pathspecs", "ls-tree", "-r", "-z", "--full-tree", commit, ...paths];
  const entries = parseTree(await gitBytes(context, args, "", signal));
  if (entries.length === 0 && folder !== "") throw await explainMissingFolder(context, commit, folder, signal);
  const selection = select(entries);
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
