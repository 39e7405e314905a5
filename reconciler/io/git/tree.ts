import { isUtf8 } from "node:buffer";

/** One file, link or submodule of a commit. */
export interface TreeEntry {
  readonly kind: "file" | "link" | "submodule";
  /** Object id: equal ids mean equal bytes. */
  readonly id: string;
  /** From the top of the repository; see `shownPath`. */
  readonly path: string;
}

/** Parses the output of `git ls-tree -r -z`: records `MODE SP TYPE SP ID TAB PATH NUL`. */
export function parseTree(output: Buffer): readonly TreeEntry[] {
  const entries: TreeEntry[] = [];
  let start = 0;
  for (let end = output.indexOf(0); end !== -1; start = end + 1, end = output.indexOf(0, start)) {
    const tab = output.indexOf(0x09, start);
    const [mode = "", , id = ""] = output.toString("latin1", start, tab).split(" ");
    entries.push({ kind: kindOf(mode), id, path: shownPath(output.subarray(tab + 1, end)) });
  }
  return entries;
}

function kindOf(mode: string): TreeEntry["kind"] {
  if (mode === "160000") return "submodule";
  return mode === "120000" ? "link" : "file";
}

/**
 * A path as text that is safe on a terminal. Control characters and the backslash itself are written `\u001b`, and so
 * `\xe9` the bytes of a name that is not UTF-8: different paths never read the same.
 */
function shownPath(bytes: Buffer): string {
  // oxlint-disable no-control-regex -- control characters are what is looked for
  if (isUtf8(bytes)) return bytes.toString("utf8").replace(/[\u0000-\u001f\u007f-\u009f\\]/g, (character) => escape("u", character, 4));
  return bytes.toString("latin1").replace(/[\u0000-\u001f\u007f-\u00ff\\]/g, (character) => escape("x", character, 2));
}

function escape(letter: string, character: string, digits: number): string {
  return `\\${letter}${character.charCodeAt(0).toString(16).padStart(digits, "0")}`;
}
