import { isUtf8 } from "node:buffer";

/** One file, link or submodule of a commit. */
export interface TreeEntry {
  readonly kind: "file" | "link" | "submodule";
  /** Object id: equal ids mean equal bytes. */
  readonly id: string;
  /** From the top of the repository; bytes that are no UTF-8 and control characters are written `\xe9`. */
  readonly path: string;
}

/** Parses the output of `git ls-tree -r -z`. */
export function parseTree(output: Buffer): readonly TreeEntry[] {
  const text = isUtf8(output) ? output.toString("utf8") : escapeForeignNames(output);
  const entries: TreeEntry[] = [];
  for (const record of text.split("\0")) {
    if (record === "") continue;
    // MODE SP TYPE SP ID TAB PATH
    const tab = record.indexOf("\t");
    const [mode = "", , id = ""] = record.slice(0, tab).split(" ");
    entries.push({ kind: kindOf(mode), id, path: escapeControls(record.slice(tab + 1)) });
  }
  return entries;
}

function kindOf(mode: string): TreeEntry["kind"] {
  if (mode === "160000") return "submodule";
  return mode === "120000" ? "link" : "file";
}

/** The whole output as text, with the foreign bytes of each name that is not UTF-8 written as `\xNN`. */
function escapeForeignNames(output: Buffer): string {
  const records: string[] = [];
  let start = 0;
  for (let end = output.indexOf(0); end !== -1; start = end + 1, end = output.indexOf(0, start)) {
    const record = output.subarray(start, end);
    records.push(isUtf8(record) ? record.toString("utf8") : escapeBytes(record));
  }
  return records.join("\0");
}

function escapeBytes(record: Buffer): string {
  return record.toString("latin1").replace(/[\u0080-\u00ff]/g, hexEscape);
}

/** Names are shown on terminals: no file name may move the cursor or fake a line. */
function escapeControls(path: string): string {
  // oxlint-disable-next-line no-control-regex -- control characters are what this looks for
  return path.replace(/[\u0000-\u001f\u007f-\u009f]/g, hexEscape);
}

function hexEscape(character: string): string {
  return `\\x${character.charCodeAt(0).toString(16).padStart(2, "0")}`;
}
