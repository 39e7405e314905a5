import { fc, test } from "@fast-check/vitest";
import { expect } from "vitest";
import { printProblems } from "../../reconciler/core/problems.ts";
import { readFolder } from "../../reconciler/io/manifests/folder.ts";
import { createManifestLoader } from "../../reconciler/io/manifests/loader.ts";

const loader = createManifestLoader();
const { files } = await readFolder(new URL("../../manifests-example", import.meta.url).pathname);
const EXAMPLES = await Promise.all(files.map(async (file) => Buffer.from(await file.read()).toString("utf8")));
let number = 0;

/** Whatever the bytes: a result, and each problem at a place that exists, printable on a terminal. */
async function survives(bytes: Uint8Array): Promise<void> {
  const result = await loader.load([{ path: "a.yaml", blobId: String(number++), sizeBytes: null, read: () => bytes }], "c");
  if (result.kind === "invalid") expect(result.problems.length).toBeGreaterThan(0);
  const lines = new TextDecoder().decode(bytes).split("\n");
  for (const { position, frame, message } of result.problems) {
    expect(message).not.toMatch(/undefined|\[object|NaN/);
    if (position === null) continue;
    expect(position.line).toBeGreaterThanOrEqual(1);
    expect(position.line).toBeLessThanOrEqual(lines.length);
    expect(position.column).toBeGreaterThanOrEqual(1);
    expect(position.column).toBeLessThanOrEqual(lines[position.line - 1]!.length + 1);
    expect(frame.split("\n").length).toBeLessThanOrEqual(3);
  }
  // oxlint-disable-next-line no-control-regex -- control characters are what must not be there
  expect(printProblems(result.problems)).not.toMatch(/[\u0000-\u0009\u000b-\u001f\u007f-\u009f]/);
  if (result.kind === "loaded") {
    for (const loaded of [...result.manifests.sets, ...result.manifests.pools, ...result.manifests.policies]) {
      expect(loaded.at(["spec", "template", "containers", 0, "image"]).line).toBeGreaterThanOrEqual(loaded.position.line);
    }
  }
}

/** Text that means something to a YAML parser or to a schema. */
const snippet = fc.oneof(
  fc.constantFrom(
    "\n",
    "\t",
    " ",
    "  ",
    "- ",
    ": ",
    "{",
    "}",
    "[",
    "]",
    "'",
    '"',
    "#",
    "&a ",
    "*a",
    "!x ",
    "|",
    ">",
    "? ",
    "%",
    "@",
    "---\n",
    "...\n",
    "\r",
    "\0",
  ),
  fc.constantFrom(
    "null",
    "true",
    "-1",
    "1e999",
    ".nan",
    "0x10",
    "{}",
    "[]",
    "''",
    "~",
    "<<: ",
    "__proto__: ",
    "constructor: 1",
    "\u2028",
    "\u{1f600}",
    "\ufeff",
    "\u001b[2J",
  ),
  fc.string({ maxLength: 8 }),
);

interface Edit {
  readonly at: number;
  readonly remove: number;
  readonly insert: string;
}

const edit: fc.Arbitrary<Edit> = fc.record({
  at: fc.double({ min: 0, max: 1, noNaN: true }),
  remove: fc.nat({ max: 30 }),
  insert: snippet,
});

function applyEdit(text: string, { at, remove, insert }: Edit): string {
  const start = Math.floor(at * text.length);
  return text.slice(0, start) + insert + text.slice(start + remove);
}

/** Replaces the value behind the n-th `: ` of a text. */
function replaceValue(text: string, at: number, value: string): string {
  const places = [...text.matchAll(/: (?=\S)/g)].map(({ index }) => index + 2);
  const start = places[Math.floor(at * places.length)] ?? 0;
  const end = /[\n,}\]]/.exec(text.slice(start))?.index ?? 0;
  return text.slice(0, start) + value + text.slice(start + end);
}

const example = fc.constantFrom(...EXAMPLES);
const RUNS = { numRuns: 60 };

test.prop([fc.uint8Array({ maxLength: 300 })], RUNS)("random bytes", survives);

test.prop([fc.array(snippet, { maxLength: 40 })], RUNS)("random YAML", async (parts) => {
  await survives(Buffer.from(parts.join("")));
});

test.prop([example, fc.array(edit, { minLength: 1, maxLength: 4 })], RUNS)("damaged examples", async (text, edits) => {
  await survives(Buffer.from(edits.reduce(applyEdit, text)));
});

test.prop([example, fc.double({ min: 0, max: 0.999, noNaN: true }), fc.oneof(fc.json(), snippet)], RUNS)(
  "examples with another value",
  async (text, at, value) => {
    await survives(Buffer.from(replaceValue(text, at, value)));
  },
);
