import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { errorsMarkdown } from "../../docs/generate-errors.ts";
import { ERRORS } from "../../reconciler/core/errors/catalogue.ts";
import { deadCodes, unknownCodes } from "./codes.ts";
import { parseSource, readSources } from "./source.ts";

const sources = readSources("reconciler");
const codes = new Set(Object.keys(ERRORS));
const known = new Set(["known"]);

test("docs/ERRORS.md is what `npm run docs` makes of the catalogue", () => {
  expect(readFileSync(join(import.meta.dirname, "../../docs/ERRORS.md"), "utf8")).toBe(errorsMarkdown());
});

test("every entry says what happened and what to do, in sentences", () => {
  for (const [code, { what, fix }] of Object.entries(ERRORS)) {
    expect(code).toMatch(/^[a-z][a-z0-9.-]*$/);
    expect(what, code).toMatch(/^[A-Z`"].*[.]$/s);
    expect(fix, code).toMatch(/^[A-Z`"].*[.]$/s);
  }
});

describe("codes in messages", () => {
  test("are in the catalogue", () => expect(unknownCodes(sources, codes)).toEqual([]));
  test("of the catalogue are all used", () => expect(deadCodes(sources, codes)).toEqual([]));

  test.each([
    'throw new UserError("unknown", "m");',
    'throw new UserError(x ? "known" : y ? "known" : "unknown", "m");',
    'problems.push({ code: "unknown", severity: "error", position });',
    'send({ code: "unknown", hint: "h" });',
  ])("that are missing are found: %s", (text) => {
    expect(unknownCodes([parseSource("reconciler/io/x.ts", text)], known)).toEqual([
      'reconciler/io/x.ts:1: the code "unknown" is not in core/errors',
    ]);
  });

  test("that are there, or no codes of messages, are not", () => {
    const text = 'throw new UserError("known", "unknown"); f({ code: "other", text: "a Decision" }); new Other("unknown");';
    expect(unknownCodes([parseSource("reconciler/io/x.ts", text)], known)).toEqual([]);
  });

  test("that nothing uses are found, also when only the catalogue mentions them", () => {
    const catalogue = parseSource("reconciler/core/errors/x.ts", 'f("dead");');
    const user = parseSource("reconciler/io/x.ts", 'f("known", `host-${reach}`, `${anything}`);');
    const dead = deadCodes([catalogue, user], new Set(["known", "dead", "host-lost", "hosts-lost"]));
    expect(dead).toEqual(["dead", "hosts-lost"].map((code) => `the code "${code}" is in core/errors, but nothing uses it`));
  });
});
