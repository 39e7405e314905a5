import { existsSync, globSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { describe, expect, test } from "vitest";

const ROOT = join(import.meta.dirname, "../..");
const PAGES = ["README.md", ...globSync("docs/**/*.md", { cwd: ROOT })].filter((page) => existsSync(join(ROOT, page))).sort();
const { scripts } = JSON.parse(read("package.json")) as { scripts: Record<string, string> };

function read(path: string): string {
  return readFileSync(join(ROOT, path), "utf8");
}

function missingFiles(page: string, text: string): string[] {
  const links = [...text.matchAll(/\]\((?!https?:|#)([^)#]+)/g)].map((match) => join(dirname(page), match[1]!));
  const paths = [...text.matchAll(/`((?:reconciler|test|docs|schemas|manifests-example|hooks|\.ci)\/[\w./-]*)`/g)].map(
    (match) => match[1]!,
  );
  return [...links, ...paths].filter((path) => !existsSync(join(ROOT, path)));
}

function missingScripts(text: string): string[] {
  return [...text.matchAll(/npm run ([\w:-]+)/g)].map((match) => match[1]!).filter((name) => scripts[name] === undefined);
}

describe.each(PAGES)("%s", (page) => {
  test("points only to files that are there", () => expect(missingFiles(page, read(page))).toEqual([]));
  test("names only npm scripts that are there", () => expect(missingScripts(read(page))).toEqual([]));
});

test("pages with dead links or scripts are found", () => {
  const text = "[a](no.md), [b](ERRORS.md), `reconciler/no.ts`, `reconciler/main.ts`, `npm run no`, `npm run check`";
  expect(missingFiles("docs/x.md", text)).toEqual(["docs/no.md", "reconciler/no.ts"]);
  expect(missingScripts(text)).toEqual(["no"]);
});

test(".ci/run calls only npm scripts that are there", () => {
  const called = [...read(".ci/run").matchAll(/npm run ([a-z][\w:-]*)|^tests \w+ \d+ ([\w:-]+)$/gm)].map((match) => match[1] ?? match[2]!);
  expect(called).toContain("check");
  expect(called.filter((name) => scripts[name] === undefined)).toEqual([]);
});

test("docs/HACKING.md names every npm script", () => {
  const text = read("docs/HACKING.md");
  const named = Object.keys(scripts).filter((name) => text.includes(`npm run ${name}\``) || text.includes(`npm ${name}\``));
  expect(named).toEqual(Object.keys(scripts));
});
