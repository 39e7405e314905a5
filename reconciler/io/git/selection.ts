import { posix } from "node:path";
import type { ManifestProblem } from "../../core/manifests.ts";
import { isManifestPath } from "../manifests/manifest-file.ts";
import type { TreeEntry } from "./tree.ts";

/** What of a commit is read as manifests. */
export interface Selection {
  readonly files: readonly TreeEntry[];
  /** Links that may matter; where they point to stands in their blob. */
  readonly links: readonly TreeEntry[];
  readonly submodules: readonly TreeEntry[];
}

/** Picks what may be or hold manifests; nothing below a name that starts with a dot (.github). */
export function select(entries: readonly TreeEntry[]): Selection {
  return {
    files: entries.filter((entry) => entry.kind === "file" && isManifestPath(entry.path)),
    links: entries.filter((entry) => entry.kind === "link" && !isHidden(entry.path)),
    submodules: entries.filter((entry) => entry.kind === "submodule" && !isHidden(entry.path)),
  };
}

function isHidden(path: string): boolean {
  return /(^|\/)\./.test(path);
}

/** One warning for each submodule in the folder. */
export function submoduleProblems(submodules: readonly TreeEntry[]): readonly ManifestProblem[] {
  return submodules.map(({ path }) =>
    problem("warning", "git-submodule", path, `${path} is a submodule; its files are not read`, "Copy its manifests into this repository."),
  );
}

/**
 * What to say about the folder's symbolic links. None is followed. A link named like a manifest is refused, so that turning a file
 * into a link can't remove its Sets unseen; but skipped when it points to a manifest of the folder, which is read anyway.
 */
export function linkProblems({ links, files }: Selection, folder: string, target: (link: TreeEntry) => string): readonly ManifestProblem[] {
  if (links.length === 0) return [];
  const paths = new Set(files.map(({ path }) => path));
  return links.flatMap((link) => linkProblem(link, target(link), paths, folder));
}

function linkProblem(link: TreeEntry, target: string, files: ReadonlySet<string>, folder: string): ManifestProblem[] {
  const path = posix.isAbsolute(target) ? null : posix.join(posix.dirname(link.path), target);
  const inside =
    path !== null && (folder === "" ? path !== ".." && !path.startsWith("../") : path === folder || path.startsWith(`${folder}/`));
  const shown = `${link.path} is a symbolic link to ${JSON.stringify(target)}`;
  const mend = "Commit the file itself in place of the link.";
  if (isManifestPath(link.path)) {
    if (inside && files.has(path))
      return [problem("warning", "file-symlink", link.path, `${shown}, which is read under its own name`, mend)];
    const why = inside ? "which is no manifest of this folder" : "which lies outside the folder";
    return [problem("error", "file-symlink", link.path, `${shown}, ${why}; links are not followed`, mend)];
  }
  if (inside) return [];
  return [problem("warning", "file-symlink", link.path, `${shown}, which lies outside the folder; nothing behind it is read`, mend)];
}

function problem(severity: "error" | "warning", code: string, file: string, message: string, hint: string): ManifestProblem {
  return { code, severity, position: { file, line: 1, column: 1 }, message, hint, frame: "" };
}
