import { createHash } from "node:crypto";
import type { Dirent } from "node:fs";
import { lstat, readdir, readFile, realpath, stat } from "node:fs/promises";
import { join, relative, sep } from "node:path";
import { UserError } from "../../core/errors/user-error.ts";
import type { ManifestProblem } from "../../core/manifests.ts";
import { compareText, sortedBy } from "../../core/order.ts";
import { MAX_FILE_BYTES, MAX_FOLDER_DEPTH, MAX_FOLDER_ENTRIES } from "./limits.ts";
import { isManifestPath, type ManifestFile } from "./manifest-file.ts";
import { fileProblem } from "./mistake.ts";

/** The manifest files of a plain folder, and what could not be read. */
export interface FolderReading {
  /** `dir-` and 12 hex digits over paths and contents. */
  readonly commit: string;
  /** Sorted by path. */
  readonly files: readonly ManifestFile[];
  readonly problems: readonly ManifestProblem[];
}

interface Walk {
  /** Real path of the folder. */
  readonly root: string;
  readonly files: ManifestFile[];
  readonly problems: ManifestProblem[];
  readonly signal: AbortSignal | undefined;
  entries: number;
}

/**
 * Reads all .yaml and .yml files below a folder, hidden ones left out. Throws UserError `folder-missing` or `file-unreadable` for the folder itself, and the signal's reason.
 */
export async function readFolder(folder: string, signal?: AbortSignal): Promise<FolderReading> {
  const walk: Walk = { root: await openFolder(folder), files: [], problems: [], signal, entries: 0 };
  await readEntries(walk, "", 0);
  const files = sortedBy(walk.files, ({ path }) => path);
  const hash = createHash("sha256");
  for (const file of files) hash.update(`${JSON.stringify(file.path)} ${file.blobId}\n`);
  return { commit: `dir-${hash.digest("hex").slice(0, 12)}`, files, problems: walk.problems };
}

async function openFolder(folder: string): Promise<string> {
  try {
    const root = await realpath(folder);
    if (!(await stat(root)).isDirectory())
      throw new UserError("folder-missing", `${folder} is not a folder`, "Give the folder that holds the manifests.");
    return root;
  } catch (error) {
    if (error instanceof UserError) throw error;
    throw unreadableFolder(folder, error);
  }
}

/** Everything below one folder; `path` is from the root, empty for the root itself. */
async function readEntries(walk: Walk, path: string, depth: number): Promise<void> {
  let entries: Dirent[];
  try {
    entries = await readdir(join(walk.root, path), { withFileTypes: true });
  } catch (error) {
    if (path === "") throw unreadableFolder(walk.root, error);
    walk.problems.push(fileProblem("file-unreadable", path, `the folder can't be read (${reasonOf(error)})`, "Give the right to read it."));
    return;
  }
  for (const entry of entries.sort((a, b) => compareText(a.name, b.name))) {
    walk.signal?.throwIfAborted();
    if (++walk.entries > MAX_FOLDER_ENTRIES) {
      throw new UserError(
        "manifest-too-many",
        `${walk.root} holds more than ${MAX_FOLDER_ENTRIES} entries`,
        "Point to the folder that holds only manifests.",
      );
    }
    if (entry.name.startsWith(".")) continue;
    await readEntry(walk, entry, path === "" ? entry.name : `${path}/${entry.name}`, depth);
  }
}

async function readEntry(walk: Walk, entry: Dirent, path: string, depth: number): Promise<void> {
  if (entry.isSymbolicLink()) return judgeLink(walk, path);
  if (entry.isDirectory()) {
    if (depth < MAX_FOLDER_DEPTH) return readEntries(walk, path, depth + 1);
    walk.problems.push(fileProblem("file-unreadable", path, `folders are nested more than ${MAX_FOLDER_DEPTH} deep`, "Move it up."));
    return;
  }
  if (!isManifestPath(path)) return;
  if (entry.isFile()) return addFile(walk, path);
  walk.problems.push(
    fileProblem("file-not-regular", path, "this is named like a manifest, but is not a regular file", "Remove or rename it."),
  );
}

/**
 * No link is followed, as in a git repository. One named like a manifest is refused, so that turning a file into a link
 * can't remove its Sets unseen; but only skipped when it leads to a manifest of the folder, which is read anyway.
 */
async function judgeLink(walk: Walk, path: string): Promise<void> {
  const target = await linkTarget(walk, path);
  const mend = "Put the file itself in place of the link.";
  const refuse = (message: string, severity: "error" | "warning"): void => {
    walk.problems.push(fileProblem("file-symlink", path, message, mend, severity));
  };
  if (!isManifestPath(path)) {
    if (target === "outside") refuse("this link leads out of the folder of manifests; nothing behind it is read", "warning");
  } else if (target === "outside") refuse("this link leads out of the folder of manifests", "error");
  else if (target === "nowhere") refuse("this link leads nowhere", "error");
  else if (target === "manifest") refuse("this link leads to a manifest that is read under its own name", "warning");
  else refuse("this link leads to something that is no manifest of the folder", "error");
}

async function linkTarget(walk: Walk, path: string): Promise<"outside" | "nowhere" | "manifest" | "other"> {
  try {
    const real = await realpath(join(walk.root, path));
    const target = relative(walk.root, real);
    if (target === ".." || target.startsWith(`..${sep}`)) return "outside";
    return isManifestPath(target) && (await stat(real)).isFile() ? "manifest" : "other";
  } catch {
    return "nowhere";
  }
}

/** Reads now: the content hash is the file's identity. A file that is too large is left to the loader's message. */
async function addFile(walk: Walk, path: string): Promise<void> {
  try {
    const { size: sizeBytes } = await lstat(join(walk.root, path));
    if (sizeBytes > MAX_FILE_BYTES) {
      walk.files.push({ path, blobId: `large-${sizeBytes}`, sizeBytes, read: () => new Uint8Array(sizeBytes) });
      return;
    }
    const bytes = await readFile(join(walk.root, path), walk.signal === undefined ? {} : { signal: walk.signal });
    const blobId = createHash("sha256").update(bytes).digest("hex");
    walk.files.push({ path, blobId, sizeBytes: bytes.length, read: () => bytes });
  } catch (error) {
    walk.signal?.throwIfAborted();
    walk.problems.push(fileProblem("file-unreadable", path, `the file can't be read (${reasonOf(error)})`, "Give the right to read it."));
  }
}

function unreadableFolder(folder: string, error: unknown): UserError {
  const code = reasonOf(error);
  if (code === "no such file or folder") return new UserError("folder-missing", `there is no folder ${folder}`, "Mend the path.");
  return new UserError("file-unreadable", `the folder ${folder} can't be read (${code})`, "Give the right to read it.");
}

const REASONS: Readonly<Record<string, string>> = {
  ENOENT: "no such file or folder",
  ENOTDIR: "no such file or folder",
  EACCES: "permission denied",
  EPERM: "permission denied",
  ELOOP: "links in a circle",
};

function reasonOf(error: unknown): string {
  const code = error instanceof Error && "code" in error ? String(error.code) : "unknown error";
  return REASONS[code] ?? code;
}
