import { execFileSync } from "node:child_process";
import { chmodSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { printProblems } from "../../reconciler/core/problems.ts";
import { readFolder } from "../../reconciler/io/manifests/folder.ts";

let outside: string;
let folder: string;

beforeEach(() => {
  outside = mkdtempSync(join(tmpdir(), "manifests-"));
  folder = join(outside, "fleet");
  mkdirSync(join(folder, "sets"), { recursive: true });
  mkdirSync(join(folder, ".git"));
  write("sets/web.yaml", "web");
  write("pools.yml", "pools");
  write(".git/config.yaml", "no");
  write("README.md", "no");
});

afterEach(() => rmSync(outside, { recursive: true, force: true }));

function write(path: string, text: string): void {
  writeFileSync(join(folder, path), text);
}

/** Runs the work as the user nobody, if we are root: root may read everything. */
async function withoutPrivileges<Result>(work: () => Promise<Result>): Promise<Result> {
  const isRoot = process.geteuid!() === 0;
  if (isRoot) process.seteuid!(65_534);
  try {
    return await work();
  } finally {
    if (isRoot) process.seteuid!(0);
  }
}

async function paths(): Promise<string[]> {
  return (await readFolder(folder)).files.map(({ path }) => path);
}

async function problems(): Promise<string> {
  return printProblems((await readFolder(folder)).problems);
}

test("manifest files with their contents", async () => {
  const { files } = await readFolder(folder);
  expect(await Promise.all(files.map(async (file) => [file.path, Buffer.from(await file.read()).toString()]))).toEqual([
    ["pools.yml", "pools"],
    ["sets/web.yaml", "web"],
  ]);
});

test("the revision follows paths and contents", async () => {
  const commit = async (): Promise<string> => (await readFolder(folder)).commit;
  const before = await commit();
  expect(before).toMatch(/^dir-[0-9a-f]{12}$/);
  write("README.md", "other");
  expect(await commit()).toBe(before);
  write("sets/web.yaml", "web2");
  expect(await commit()).not.toBe(before);
  write("sets/web.yaml", "web");
  expect(await commit()).toBe(before);
  write("sets/api.yaml", "web");
  expect(await commit()).not.toBe(before);
});

test("links out of the folder are refused", async () => {
  writeFileSync(join(outside, "secret.yaml"), "secret");
  mkdirSync(join(outside, "more"));
  symlinkSync(join(outside, "secret.yaml"), join(folder, "secret.yaml"));
  symlinkSync("../more", join(folder, "more"));
  expect(await paths()).toEqual(["pools.yml", "sets/web.yaml"]);
  expect(await problems()).toBe(
    [
      "more:1:1: warning: this link leads out of the folder of manifests; nothing behind it is read [file-symlink]",
      "  hint: Put the file itself in place of the link.",
      "",
      "secret.yaml:1:1: error: this link leads out of the folder of manifests [file-symlink]",
      "  hint: Put the file itself in place of the link.",
    ].join("\n"),
  );
});

test("links inside are read once, under the file's own name", async () => {
  symlinkSync("sets/web.yaml", join(folder, "web.yaml"));
  symlinkSync("sets", join(folder, "same-sets"));
  symlinkSync(".", join(folder, "sets", "loop"));
  symlinkSync("README.md", join(folder, "readme.yaml"));
  symlinkSync("nowhere", join(folder, "nothing.yaml"));
  symlinkSync("self.yaml", join(folder, "self.yaml"));
  expect(await paths()).toEqual(["pools.yml", "sets/web.yaml"]);
  const said = (await readFolder(folder)).problems.map(({ severity, position, message }) => `${severity} ${position?.file}: ${message}`);
  expect(said).toEqual([
    "error nothing.yaml: this link leads nowhere",
    "error readme.yaml: this link leads to something that is no manifest of the folder",
    "error self.yaml: this link leads nowhere",
    "warning web.yaml: this link leads to a manifest that is read under its own name",
  ]);
});

test("a pipe named like a manifest is refused and never opened", async () => {
  execFileSync("mkfifo", [join(folder, "pipe.yaml")]);
  expect(await problems()).toBe(
    "pipe.yaml:1:1: error: this is named like a manifest, but is not a regular file [file-not-regular]\n  hint: Remove or rename it.",
  );
});

test("a folder named like a manifest is a folder", async () => {
  mkdirSync(join(folder, "v1.yaml"));
  write("v1.yaml/a.yaml", "a");
  expect(await paths()).toEqual(["pools.yml", "sets/web.yaml", "v1.yaml/a.yaml"]);
});

test("a file too large is listed but not held in memory", async () => {
  write("large.yaml", "x".repeat(1024 * 1024 + 1));
  const large = (await readFolder(folder)).files.find(({ path }) => path === "large.yaml");
  expect(large?.sizeBytes).toBe(1024 * 1024 + 1);
});

test("unreadable files and folders are named", async () => {
  write("private.yaml", "x");
  chmodSync(join(folder, "private.yaml"), 0);
  mkdirSync(join(folder, "vault"), { mode: 0 });
  chmodSync(outside, 0o755);
  expect(await withoutPrivileges(problems)).toBe(
    [
      "private.yaml:1:1: error: the file can't be read (permission denied) [file-unreadable]",
      "  hint: Give the right to read it.",
      "",
      "vault:1:1: error: the folder can't be read (permission denied) [file-unreadable]",
      "  hint: Give the right to read it.",
    ].join("\n"),
  );
});

test("folders nested without end", async () => {
  mkdirSync(join(folder, "d/".repeat(40)), { recursive: true });
  expect(await problems()).toContain("error: folders are nested more than 32 deep [file-unreadable]");
});

test("no folder, and a file in its place", async () => {
  await expect(readFolder(join(folder, "nowhere"))).rejects.toMatchObject({
    code: "folder-missing",
    message: `there is no folder ${join(folder, "nowhere")}`,
  });
  const file = join(folder, "pools.yml");
  await expect(readFolder(file)).rejects.toMatchObject({ code: "folder-missing", message: `${file} is not a folder` });
  await expect(readFolder(join(file, "x"))).rejects.toMatchObject({ code: "folder-missing" });
});
