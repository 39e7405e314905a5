import { resolve } from "node:path";
import { gitError, hideSecrets } from "./git-failure.ts";

/** Where a repository is: a folder on this machine, read in place, or a URL, fetched into a mirror. */
export type Location = { readonly kind: "local"; readonly path: string } | { readonly kind: "remote"; readonly url: string };

const SCHEMES = ["ssh:", "git+ssh:", "https:", "http:", "git:", "file:"];

/** Throws UserError `git-url` for what is neither a path nor a URL git fetches from. */
export function parseLocation(repository: string): Location {
  if (repository.trim() === "" || repository.startsWith("-") || repository.includes("\0")) throw badUrl(repository);
  const scheme = /^([a-z][a-z0-9+.-]*:)\/\//i.exec(repository)?.[1]?.toLowerCase();
  if (scheme !== undefined) {
    if (!SCHEMES.includes(scheme)) throw badUrl(repository);
    return { kind: "remote", url: repository };
  }
  if (repository.includes("::")) throw badUrl(repository);
  // As git reads it: user@host:path is ssh, unless a slash comes before the colon.
  if (/^[^/]+:/.test(repository)) return { kind: "remote", url: repository };
  return { kind: "local", path: resolve(repository) };
}

function badUrl(repository: string): Error {
  return gitError(
    "git-url",
    `"${hideSecrets(repository)}" is neither a path nor a URL Setpoint can fetch from`,
    "Give a path, an ssh://, https://, http://, git:// or file:// URL, or user@host:path.",
  );
}

/** The location as people may see it: no password, no token. */
export function showLocation(location: Location): string {
  return location.kind === "local" ? location.path : hideSecrets(location.url);
}

/** Short name of a branch; throws UserError `git-branch-name`. The rules are those of git check-ref-format. */
export function parseBranch(branch: string): string {
  // oxlint-disable-next-line no-control-regex -- git forbids control characters in ref names
  const forbidden = /^$|^[-/]|[\u0000-\u0020\u007f~^:?*[\\]|\.\.|@\{|\/\/|(^|\/)\.|\.lock(\/|$)|[./]$|^@$/;
  if (forbidden.test(branch)) {
    throw gitError("git-branch-name", `${JSON.stringify(branch)} can't be the name of a branch`, "Give the short name, for example main.");
  }
  if (branch.startsWith("refs/")) {
    const short = branch.replace(/^refs\/(heads|remotes|tags)\//, "");
    throw gitError("git-branch-name", `"${branch}" is a full ref name, not a branch`, `Give the short name: ${short}`);
  }
  return branch;
}

/** Folder in the repository without slashes at its ends, "" for the top; throws UserError `git-folder-name`. */
export function parseFolder(folder: string): string {
  const parts = folder.split("/").filter((part) => part !== "" && part !== ".");
  if (folder.startsWith("/") || parts.includes("..") || folder.includes("\0")) {
    throw gitError(
      "git-folder-name",
      `folder ${JSON.stringify(folder)} is not a path inside the repository`,
      "Give it relative to the top of the repository, for example fleet/production, or leave it empty for the top.",
    );
  }
  if (parts.some((part) => part.startsWith("."))) {
    throw gitError("git-folder-name", `folder ${JSON.stringify(folder)} is hidden, and hidden folders hold no manifests`, "Rename it.");
  }
  return parts.join("/");
}
