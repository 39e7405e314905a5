import { MAX_FILE_BYTES, MAX_FILES } from "../manifests/limits.ts";
import type { ManifestFile } from "../manifests/manifest-file.ts";
import { gitError } from "./git-failure.ts";
import { gitBytes, type GitContext } from "./git-process.ts";
import type { TreeEntry } from "./tree.ts";

/** Bytes of all files of one commit that were not read before; far above any fleet. */
const MAX_TOTAL_BYTES = 128 * 1024 * 1024;

/**
 * The commit's files for the loader. Those the loader does not have (`known`: object ids by path) are read now, in two git processes
 * whatever their number; should it ask for another after all, that is read then.
 * Throws UserError `git-corrupt` or `git-too-large`; rejects with GitFailure.
 */
export async function readFiles(
  context: GitContext,
  entries: readonly TreeEntry[],
  known: ReadonlyMap<string, string>,
  signal: AbortSignal,
  maxTotalBytes = MAX_TOTAL_BYTES,
): Promise<readonly ManifestFile[]> {
  // The loader refuses too many files without reading any.
  const unknown = entries.length > MAX_FILES ? [] : entries.filter(({ id, path }) => known.get(path) !== id);
  const wanted = [...new Map(unknown.map((entry) => [entry.id, entry])).values()];
  const sizes = await blobSizes(context, wanted, signal);
  // The loader refuses a larger file by its size alone.
  const small = wanted.filter(({ id }) => sizes.get(id)! <= MAX_FILE_BYTES);
  const total = small.reduce((sum, { id }) => sum + sizes.get(id)!, 0);
  if (total > maxTotalBytes) throw tooLarge(total, maxTotalBytes);
  const blobs = await readBlobs(context, small, signal);
  return entries.map((entry) => ({
    path: entry.path,
    blobId: entry.id,
    sizeBytes: sizes.get(entry.id) ?? null,
    read: () => blobs.get(entry.id) ?? readOne(context, entry, signal),
  }));
}

function tooLarge(bytes: number, limit: number): Error {
  const found = `the folder holds ${mebibytes(bytes)} of YAML; the limit is ${mebibytes(limit)}`;
  return gitError("git-too-large", found, "Give the folder that holds only manifests.");
}

function mebibytes(bytes: number): string {
  return `${Math.ceil(bytes / 1024 / 1024)} MiB`;
}

/** Contents by object id, by `git cat-file --batch`: ids in, for each `ID blob SIZE LF BYTES LF` out. */
export async function readBlobs(
  context: GitContext,
  entries: readonly TreeEntry[],
  signal: AbortSignal,
): Promise<ReadonlyMap<string, Buffer>> {
  const blobs = new Map<string, Buffer>();
  if (entries.length === 0) return blobs;
  const output = await gitBytes(context, ["cat-file", "--batch", "--buffer"], idLines(entries), signal);
  let at = 0;
  for (const entry of entries) {
    const lineEnd = output.indexOf(0x0a, at);
    const start = lineEnd + 1;
    at = start + sizeOf(output.toString("latin1", at, lineEnd), entry) + 1;
    blobs.set(entry.id, output.subarray(start, at - 1));
  }
  return blobs;
}

async function readOne(context: GitContext, entry: TreeEntry, signal: AbortSignal): Promise<Buffer> {
  return (await readBlobs(context, [entry], signal)).get(entry.id)!;
}

/** Sizes by object id, without reading the contents. */
async function blobSizes(context: GitContext, entries: readonly TreeEntry[], signal: AbortSignal): Promise<ReadonlyMap<string, number>> {
  if (entries.length === 0) return new Map();
  const output = await gitBytes(context, ["cat-file", "--batch-check", "--buffer"], idLines(entries), signal);
  const lines = output.toString("latin1").split("\n");
  return new Map(entries.map((entry, index) => [entry.id, sizeOf(lines[index] ?? "", entry)]));
}

function idLines(entries: readonly TreeEntry[]): string {
  return entries.map(({ id }) => `${id}\n`).join("");
}

/** SIZE of a line `ID blob SIZE`; git writes `ID missing` for an object it has not or can't read. */
function sizeOf(line: string, entry: TreeEntry): number {
  const match = /^([0-9a-f]+) blob (\d+)$/.exec(line);
  if (match?.[1] === entry.id) return Number(match[2]);
  throw gitError(
    "git-corrupt",
    `object ${entry.id.slice(0, 12)} of ${entry.path} is missing or damaged`,
    "Run `git fsck --full` in it, then fetch what is missing from a good clone.",
  );
}
