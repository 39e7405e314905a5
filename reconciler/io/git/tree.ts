import { isUtf8 } from "node:buffer";

/** One file, link or submodule of a commit. */
export interface TreeEntry {
  readonly kind: "file" | "link" | "submodule";
  /** Object id: equal ids mean equal bytes. */
  readonly id: string;
  /** From the top of the repository; printable; see `printablePath`. */
  readonly path: string;
}

/** Parses the output of `git ls-tree -r -z`: records `MODE SP TYPE SP ID TAB PATH NUL`. */
export function parseTree(output: Buffer): readonly TreeEntry[] {
  const utf8 = isUtf8(output);
  const entries: TreeEntry[] = [];
  for (const record of output.toString(utf8 ? "utf8" : "latin1").split("\0")) {
    if (record === "") continue;
    const tab = record.indexOf("\t");
    const [mode = "", , id = ""] = record.slice(0, tab).split(" ");
    const name = record.slice(tab + 1);
    entries.push({ kind: kindOf(mode), id, path: utf8 ? printablePath(name) : shownPath(Buffer.from(name, "latin1")) });
  }
  return entries;
}

function kindOf(mode: string): TreeEntry["kind"] {
  if (mode === "160000") return "submodule";
  return mode === "120000" ? "link" : "file";
}

/** A path that may not be UTF-8 as text: such a one with `\xe9` for its foreign bytes. */
function shownPath(bytes: Buffer): string {
  if (isUtf8(bytes)) return printablePath(bytes.toString("utf8"));
  // oxlint-disable-next-line no-control-regex -- control characters are what is looked for
  return bytes.toString("latin1").replace(/[\u0000-\u001f\u007f-\u00ff\\]/g, (character) => escape("x", character, 2));
}

/**
 * A path that is safe on a terminal: control characters are written `\u001b`, and so is the backslash, that different paths
 * never read the same.
 */
function printablePath(path: string): string {
  // oxlint-disable-next-line no-control-regex -- control characters are what is looked for
  return path.replace(/[\u0000-\u001f\u007f-\u009f\\]/g, (character) => escape("u", character, 4));
}

function escape(letter: string, character: string, digits: number): string {
  return `\\${letter}${character.charCodeAt(0).toString(16).padStart(digits, "0")}`;
}
