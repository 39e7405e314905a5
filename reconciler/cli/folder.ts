import { resolve } from "node:path";
import type { Desired } from "../core/desired.ts";
import type { ManifestProblem } from "../core/manifests.ts";
import { readFolder } from "../io/manifests/folder.ts";
import { createManifestLoader } from "../io/manifests/loader.ts";
import { buildDesired } from "../plan/desired/builder.ts";

/** What a folder's manifests ask for; `desired` is null when a problem is an error. */
export interface FolderDesired {
  readonly commit: string;
  readonly desired: Desired | null;
  readonly problems: readonly ManifestProblem[];
}

/** Reads and checks a folder, cross-file checks included. Throws a UserError when the folder itself can't be read.
 * Making a loader takes a while: pass one to read often. */
export async function desiredFromFolder(dir: string, signal?: AbortSignal, loader = createManifestLoader()): Promise<FolderDesired> {
  const { commit, files, problems: found } = await readFolder(resolve(dir), signal);
  const loaded = await loader.load(files, commit, found, signal);
  if (loaded.kind === "invalid") return { commit, desired: null, problems: loaded.problems };
  const { desired, problems } = buildDesired(loaded.manifests);
  return { commit, desired, problems: [...loaded.problems, ...problems] };
}
