import { setImmediate } from "node:timers/promises";
import type { HostPool, Policy, Set as SetManifest } from "../../core/manifest-types.ts";
import type { Loaded, ManifestProblem, Manifests } from "../../core/manifests.ts";
import { compareText } from "../../core/order.ts";
import { compareProblems } from "../../core/problems.ts";
import { MAX_FILE_BYTES, MAX_FILES } from "./limits.ts";
import { isManifestPath, type ManifestFile } from "./manifest-file.ts";
import { folderProblem } from "./mistake.ts";
import { readFile, sizeProblem, type FileReading } from "./read-file.ts";
import { compileSchemas, type Kind } from "./schemas.ts";

/** Files read between two chances for the rest of the process to run. */
const FILES_PER_TURN = 20;

export type LoadResult =
  /** `problems` are warnings. */
  | { readonly kind: "loaded"; readonly manifests: Manifests; readonly problems: readonly ManifestProblem[] }
  | { readonly kind: "invalid"; readonly commit: string; readonly problems: readonly ManifestProblem[] };

export interface ManifestLoader {
  /**
   * Parses and schema-checks the files of one Revision; all problems of all files, sorted. `found` are problems the
   * source of the files met itself. Never throws for a user's mistake; an error of `read()` is passed on, and so is the
   * signal's reason. A file with the path and blob id of the load before gives the same Loaded objects.
   */
  load(files: readonly ManifestFile[], commit: string, found?: readonly ManifestProblem[], signal?: AbortSignal): Promise<LoadResult>;
}

export function createManifestLoader(): ManifestLoader {
  const validators = compileSchemas();
  let known: ReadonlyMap<string, KnownFile> = new Map();
  const readings = async (files: readonly ManifestFile[], signal: AbortSignal | undefined): Promise<readonly FileReading[]> => {
    const fresh = new Map<string, KnownFile>();
    let parsed = 0;
    for (const file of files) {
      signal?.throwIfAborted();
      const before = known.get(file.path);
      if (before?.blobId === file.blobId) {
        fresh.set(file.path, before);
        continue;
      }
      const reading = isTooLarge(file)
        ? { documents: [], problems: [sizeProblem(file.path, file.sizeBytes)] }
        : readFile(file.path, await file.read(), validators);
      fresh.set(file.path, { blobId: file.blobId, reading });
      if (++parsed % FILES_PER_TURN === 0) await setImmediate();
    }
    known = fresh;
    return [...fresh.values()].map(({ reading }) => reading);
  };
  return {
    async load(files, commit, found = [], signal) {
      const wanted = files.filter(({ path }) => isManifestPath(path)).sort((a, b) => compareText(a.path, b.path));
      if (wanted.length > MAX_FILES) return { kind: "invalid", commit, problems: [tooManyFiles(wanted.length)] };
      return combine(await readings(wanted, signal), commit, found);
    },
  };
}

interface KnownFile {
  readonly blobId: string;
  readonly reading: FileReading;
}

function isTooLarge(file: ManifestFile): file is ManifestFile & { readonly sizeBytes: number } {
  return file.sizeBytes !== null && file.sizeBytes > MAX_FILE_BYTES;
}

/** All files together. No manifest at all is a mistake: a wrong folder must not empty a fleet. */
function combine(readings: readonly FileReading[], commit: string, found: readonly ManifestProblem[]): LoadResult {
  const problems = [...found, ...readings.flatMap(({ problems }) => problems)];
  const documents = readings.flatMap(({ documents }) => documents);
  if (documents.length === 0 && problems.length === 0) problems.push(noManifests());
  problems.sort(compareProblems);
  if (documents.length === 0 || problems.some(({ severity }) => severity === "error")) return { kind: "invalid", commit, problems };
  const ofKind = (kind: Kind): Loaded<unknown>[] => documents.filter((document) => document.kind === kind).map(({ loaded }) => loaded);
  const manifests = {
    revision: { commit },
    // The schema of its kind has passed each of them.
    pools: ofKind("HostPool") as Loaded<HostPool>[],
    sets: ofKind("Set") as Loaded<SetManifest>[],
    policies: ofKind("Policy") as Loaded<Policy>[],
  };
  return { kind: "loaded", manifests, problems };
}

function noManifests(): ManifestProblem {
  return folderProblem(
    "manifest-empty",
    "there are no manifests: no .yaml or .yml file outside hidden folders holds a document",
    "Check the folder and the branch.",
  );
}

function tooManyFiles(count: number): ManifestProblem {
  return folderProblem(
    "manifest-too-many",
    `there are ${count} manifest files; allowed: at most ${MAX_FILES}`,
    "Point to the folder that holds only manifests.",
  );
}
