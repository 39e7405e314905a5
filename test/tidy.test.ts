import { describe, expect, test } from "vitest";
import { floorBreaches, importCycles, packageBreaches } from "./tidy/imports.ts";
import { impurities } from "./tidy/purity.ts";
import { defaultExports, enums, hollowTests, leftovers, longFiles, longFunctions, moduleVariables, vagueNames } from "./tidy/shape.ts";
import { type Finding, parseSource, readSources, type Source } from "./tidy/source.ts";

/** A rule over source files: returns the breaches. */
type Rule = (sources: readonly Source[]) => Finding[];

/** Files by path, as a sample for a rule. */
type Files = Readonly<Record<string, string>>;

interface RuleTest {
  readonly name: string;
  readonly rule: Rule;
  readonly appliesTo: "reconciler" | "test" | "both";
  /** Each must be found. */
  readonly breaches: readonly Files[];
  /** None may be found. */
  readonly allowed: readonly Files[];
}

const reconciler = readSources("reconciler");
const tests = readSources("test");
const CORE = "reconciler/core/x.ts";

const RULES: readonly RuleTest[] = [
  {
    name: "imports only go down",
    rule: floorBreaches,
    appliesTo: "reconciler",
    breaches: [
      { [CORE]: 'import { plan } from "../plan/planner.ts";' },
      { "reconciler/plan/x.ts": 'import type { Clock } from "../run/ports.ts";' },
      { "reconciler/plan/place/x.ts": 'export { x } from "../../sys/x.ts";' },
      { "reconciler/run/x.ts": 'import { openJournal } from "../io/store/journal.ts";' },
      { "reconciler/run/ports.ts": 'import type { Plan } from "../plan/planner.ts";' },
      { "reconciler/io/store/x.ts": 'import { fold } from "../../run/fold.ts";' },
      { "reconciler/sim/x.ts": 'const x = await import("../plan/planner.ts");' },
      { "reconciler/api/x.ts": 'type X = import("../io/store/journal.ts").Journal;' },
      { "reconciler/agent/x.ts": 'import { y } from "../io/y.ts";' },
      { "reconciler/sys/x.ts": 'import { y } from "../run/ports.ts";' },
      { "reconciler/cli/x.ts": 'import { y } from "../main.ts";' },
      { "reconciler/cli/y.ts": 'import { y } from "../../test/y.ts";' },
      { "reconciler/api/y.ts": 'import schema from "../../schemas/set.schema.json" with { type: "json" };' },
      { "reconciler/new-floor/x.ts": 'import { y } from "../core/y.ts";' },
    ],
    allowed: [
      { "reconciler/plan/place/x.ts": 'import { y } from "../../core/y.ts"; import { z } from "../score.ts";' },
      { "reconciler/io/store/x.ts": 'import type { Journal } from "../../run/ports.ts"; import { run } from "../../sys/exec.ts";' },
      { "reconciler/io/manifests/x.ts": 'import schema from "../../../schemas/set.schema.json" with { type: "json" };' },
      { "reconciler/main.ts": 'import { x } from "./cli/x.ts"; import { y } from "./sim/y.ts";' },
    ],
  },
  {
    name: "packages are used only where they are wrapped",
    rule: packageBreaches,
    appliesTo: "reconciler",
    breaches: [
      { "reconciler/io/git/x.ts": 'import { execa } from "execa";' },
      { "reconciler/io/git/x.ts": 'import { spawn } from "node:child_process";' },
      { "reconciler/io/hosts/x.ts": 'import Docker from "dockerode";' },
      { "reconciler/api/x.ts": 'import { pino } from "pino";' },
      { "reconciler/cli/x.ts": 'import tab from "@bomb.sh/tab/commander";' },
      { "reconciler/cli/x.ts": 'import { DatabaseSync } from "node:sqlite";' },
      { "reconciler/run/x.ts": 'import left from "left-pad";' },
      { [CORE]: 'import { readFileSync } from "node:fs";' },
      { "reconciler/plan/x.ts": 'import type { Dirent } from "node:fs";' },
    ],
    allowed: [
      { "reconciler/sys/exec.ts": 'import { execa } from "execa";' },
      { "reconciler/io/store/x.ts": 'import { DatabaseSync } from "node:sqlite"; import { join } from "node:path";' },
      { [CORE]: 'import { hash } from "node:crypto";' },
    ],
  },
  {
    name: "no import cycle, types included",
    rule: importCycles,
    appliesTo: "reconciler",
    breaches: [
      { "reconciler/core/a.ts": 'import { b } from "./b.ts";', "reconciler/core/b.ts": 'import type { A } from "./a.ts";' },
      { "reconciler/core/a.ts": 'export * from "./a.ts";' },
      {
        "reconciler/core/a.ts": 'import { b } from "./b.ts";',
        "reconciler/core/b.ts": 'import { c } from "./c/c.ts";',
        "reconciler/core/c/c.ts": 'import { a } from "../a.ts";',
      },
    ],
    allowed: [
      {
        "reconciler/core/a.ts": 'import { b } from "./b.ts"; import { c } from "./c.ts";',
        "reconciler/core/b.ts": 'import { c } from "./c.ts";',
        "reconciler/core/c.ts": "export const c = 1;",
      },
    ],
  },
  {
    name: "no clock, chance, process or asynchrony in core and plan",
    rule: impurities,
    appliesTo: "reconciler",
    breaches: [
      "export const x = Date.now();",
      "export const x = new Date();",
      "export const x = Date();",
      "export const x = performance.now();",
      "export const x = Math.random();",
      'import { randomUUID } from "node:crypto"; import * as c from "node:crypto"; export const x = c.randomUUID();',
      "export const x = crypto.getRandomValues;",
      "export const x = process.env;",
      "export async function f() {}",
      "export const f = async () => 1;",
      "export const o = { async f() {} };",
      "export const x = await y;",
      "export function f(): Promise<number> { return g(); }",
      "export const x = Promise.resolve(1);",
      "setTimeout(f, 1);",
      "console.log(1);",
      'export const x = import("./y.ts");',
      "export const { env } = globalThis.process;",
      "export const x = { process };",
    ].map((text) => ({ [CORE]: text })),
    allowed: [
      {
        [CORE]:
          "export interface X { process: string; now(): number } export const x = new Date(5); export const y = x.process; export const z = { process: 1, now: 2 };",
      },
      { "reconciler/run/x.ts": "export async function f() { await Date.now(); }" },
    ],
  },
  {
    name: "no file over 400 lines",
    rule: longFiles,
    appliesTo: "both",
    breaches: [{ [CORE]: "f();\n".repeat(401) }],
    allowed: [{ [CORE]: "f();\n".repeat(400) }],
  },
  {
    name: "no function over 70 lines",
    rule: longFunctions,
    appliesTo: "reconciler",
    breaches: [
      { [CORE]: `export function f() {\n${"g();\n".repeat(69)}}` },
      { [CORE]: `export const f = () => {\n${"g();\n".repeat(69)}};` },
      { [CORE]: `export class C { m() {\n${"g();\n".repeat(69)}} }` },
      { [CORE]: `h(function () {\n${"g();\n".repeat(69)}});` },
    ],
    allowed: [{ [CORE]: `export function f() {\n${"g();\n".repeat(68)}}` }],
  },
  {
    name: "names say what is in a file",
    rule: vagueNames,
    appliesTo: "both",
    breaches: ["core/utils.ts", "io/helpers/x.ts", "plan/common.ts", "cli/index.ts"].map((path) => ({ [`reconciler/${path}`]: "" })),
    allowed: [{ "reconciler/core/commons-house.ts": "" }],
  },
  {
    name: "no default export",
    rule: defaultExports,
    appliesTo: "both",
    breaches: [{ [CORE]: "export default 1;" }, { [CORE]: "const x = 1; export { x as default };" }],
    allowed: [{ [CORE]: "export const x = 1;" }],
  },
  {
    name: "no enum",
    rule: enums,
    appliesTo: "both",
    breaches: [{ [CORE]: "export enum E { A }" }, { [CORE]: "const enum E { A }" }],
    allowed: [{ [CORE]: 'export type E = "a" | "b";' }],
  },
  {
    name: "no variable of a module",
    rule: moduleVariables,
    appliesTo: "reconciler",
    breaches: [{ [CORE]: "let x = 1;" }, { [CORE]: "export let x = 1;" }, { [CORE]: "var x = 1;" }],
    allowed: [{ [CORE]: "const x = 1; export function f() { let y = x; return y; }" }],
  },
  {
    name: "no comment puts work off or refers to a paper that is not here",
    rule: leftovers,
    appliesTo: "both",
    breaches: [
      { [CORE]: "// TODO: later" },
      { [CORE]: "/* FIXME */" },
      { [CORE]: "/** See DESIGN 5. */" },
      { [CORE]: "/** XXX why? */ const x = 1;" },
    ],
    allowed: [{ [CORE]: 'const x = "TODO";' }],
  },
  {
    name: "every test runs, on real modules",
    rule: hollowTests,
    appliesTo: "test",
    breaches: [
      'test.only("x", f);',
      'describe.skip("x", f);',
      'it.todo("x");',
      'test.each([1]).skip("x", f);',
      'test.skipIf(true)("x", f);',
      'vi.mock("./x.ts");',
    ].map((text) => ({ "test/x.test.ts": text })),
    allowed: [{ "test/x.test.ts": 'test.each([1])("x", f); list.only; iterator.skip(1);' }],
  },
];

describe.each(RULES)("$name", ({ rule, appliesTo, breaches, allowed }) => {
  test("holds", () => {
    const sources = [...(appliesTo === "test" ? [] : reconciler), ...(appliesTo === "reconciler" ? [] : tests)];
    expect(sources.length).toBeGreaterThan(10);
    expect(rule(sources)).toEqual([]);
  });

  test.each(breaches)("is broken by sample %#", (files) => {
    expect(rule(parsed(files))).not.toEqual([]);
  });

  test.each(allowed)("is kept by sample %#", (files) => {
    expect(rule(parsed(files))).toEqual([]);
  });
});

function parsed(files: Files): Source[] {
  return Object.entries(files).map(([path, text]) => parseSource(path, text));
}
