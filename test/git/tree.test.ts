import { execFileSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { fc, test as property } from "@fast-check/vitest";
import { expect, test } from "vitest";
import type { ManifestProblem } from "../../reconciler/core/manifests.ts";
import { hideSecrets } from "../../reconciler/io/git/git-failure.ts";
import { parseBranch } from "../../reconciler/io/git/location.ts";
import { parseTree } from "../../reconciler/io/git/tree.ts";
import type { SourceReading } from "../../reconciler/run/ports.ts";
import { git, newWorld, read } from "./world.ts";

function said(reading: SourceReading): readonly string[] {
  const problems: readonly ManifestProblem[] =
    reading.kind === "failed" ? [] : reading.kind === "invalid" ? reading.problems : (reading.warnings ?? []);
  return problems.map(({ severity, code, message }) => `${severity} ${code}: ${message}`);
}

test("a submodule in the folder is a warning; one beside it is nobody's business", async () => {
  const world = newWorld();
  const repository = world.repository("fleet", { "a/web.yaml": "web\n" });
  const commit = git(repository, "rev-parse", "HEAD");
  git(repository, "update-index", "--add", "--cacheinfo", `160000,${commit},a/shared`);
  git(repository, "update-index", "--add", "--cacheinfo", `160000,${commit},b/shared`);
  git(repository, "commit", "--quiet", "-m", "submodules");
  const reading = await read(world.source({ repository, folder: "a" }));
  expect(reading.kind).toBe("loaded");
  expect(said(reading)).toEqual(["warning git-submodule: a/shared is a submodule; its files are not read"]);
});

test("links are never followed: skipped where the target is read anyway, refused where a manifest would be lost", async () => {
  const world = newWorld();
  const repository = world.repository("fleet", { "a/web.yaml": "web\n", "a/text.txt": "", "b/db.yaml": "db\n" });
  const links = { again: "web.yaml", out: "../b/db.yaml", etc: "/etc/passwd", gone: "nothing.yaml", text: "text.txt" };
  for (const [name, target] of Object.entries(links)) world.link(`fleet/a/${name}.yaml`, target);
  world.link("fleet/a/folder-out", "../b");
  world.link("fleet/a/folder-in", ".");
  world.commit("fleet", {});
  const reading = await read(world.source({ repository, folder: "a" }));
  expect(reading.kind).toBe("invalid");
  const loss = "links are not followed";
  expect(said(reading)).toEqual([
    'warning file-symlink: a/again.yaml is a symbolic link to "web.yaml", which is read under its own name',
    `error file-symlink: a/etc.yaml is a symbolic link to "/etc/passwd", which lies outside the folder; ${loss}`,
    'warning file-symlink: a/folder-out is a symbolic link to "../b", which lies outside the folder; nothing behind it is read',
    `error file-symlink: a/gone.yaml is a symbolic link to "nothing.yaml", which is no manifest of this folder; ${loss}`,
    `error file-symlink: a/out.yaml is a symbolic link to "../b/db.yaml", which lies outside the folder; ${loss}`,
    `error file-symlink: a/text.yaml is a symbolic link to "text.txt", which is no manifest of this folder; ${loss}`,
  ]);
  expect([...world.loader.texts]).toEqual([["a/web.yaml", "web\n"]]);
});

test("file names that are not UTF-8 or hold control characters are read and shown escaped", async () => {
  const world = newWorld();
  const repository = world.repository("fleet", { "grün.yaml": "1", 'quo"te \\ and blank.yaml': "2", "line\nbreak\u001b[2J.yaml": "3" });
  writeFileSync(Buffer.concat([Buffer.from(`${repository}/caf`), Buffer.from([0xe9]), Buffer.from(".yaml")]), "4");
  world.commit("fleet", {});
  expect((await read(world.source({ repository }))).kind).toBe("loaded");
  expect(new Map([...world.loader.texts].map(([path, text]) => [text, path]))).toEqual(
    new Map([
      ["1", "grün.yaml"],
      ["2", 'quo"te \\u005c and blank.yaml'],
      ["3", "line\\u000abreak\\u001b[2J.yaml"],
      ["4", "caf\\xe9.yaml"],
    ]),
  );
});

test("hidden folders and other files are not read", async () => {
  const world = newWorld();
  const repository = world.repository("fleet", { "a.yaml": "", "b.yml": "", "c.json": "", ".github/ci.yaml": "", "d/.e.yaml": "" });
  await read(world.source({ repository }));
  expect([...world.loader.texts.keys()]).toEqual(["a.yaml", "b.yml"]);
});

property.prop([fc.array(fc.uint8Array({ minLength: 1, maxLength: 12 }).filter((bytes) => !bytes.includes(0)))])(
  "any bytes as file names: one entry each, printable, none merged with another",
  (names) => {
    const id = "a".repeat(40);
    const output = Buffer.concat(names.map((name) => Buffer.concat([Buffer.from(`100644 blob ${id}\t`), name, Buffer.from([0])])));
    const entries = parseTree(output);
    const distinct = new Set(names.map((name) => Buffer.from(name).toString("hex"))).size;
    expect(new Set(entries.map(({ path }) => path)).size).toBe(distinct);
    for (const { path } of entries) expect(path).toMatch(/^[^\p{Cc}\ufffd]*$/u);
  },
);

property.prop([fc.string({ unit: fc.constantFrom(..."ab/.-@{~^: *?[\\lock".split("")), minLength: 1, maxLength: 8 })], { numRuns: 60 })(
  "a branch name is taken only where git takes it",
  (name) => {
    let taken = true;
    try {
      parseBranch(name);
    } catch {
      taken = false;
    }
    if (!taken) return;
    expect(() => execFileSync("git", ["check-ref-format", `refs/heads/${name}`], { stdio: "ignore" })).not.toThrow();
  },
);

test("user names stay, passwords and tokens in URLs do not", () => {
  expect(hideSecrets("at https://bob:hunter2@h/x, ssh://git@h/x and https://ghp_token@h/x")).toBe(
    "at https://bob:***@h/x, ssh://git@h/x and https://***@h/x",
  );
});
