import { rmSync } from "node:fs";
import { expect, test } from "vitest";
import { git, newWorld, outcome, read } from "./world.ts";

const WEB = { "web.yaml": "web 1\n" };

test("reads the head of a repository with a work tree, never the work tree", async () => {
  const world = newWorld();
  const repository = world.repository("fleet", { ...WEB, "deep/er/db.yml": "db 1\n", "README.md": "no manifest\n" });
  world.write("fleet/web.yaml", "not committed\n");
  world.write("fleet/new.yaml", "not added\n");
  const reading = await read(world.source({ repository }));
  expect(outcome(reading, world)).toBe("loaded");
  expect(Object.fromEntries(world.loader.texts)).toEqual({ "deep/er/db.yml": "db 1\n", "web.yaml": "web 1\n" });
  expect(reading).toMatchObject({ manifests: { revision: { commit: git(repository, "rev-parse", "HEAD") } } });
});

test("reads a bare repository, a worktree, and a branch that is not checked out", async () => {
  const world = newWorld();
  const repository = world.repository("fleet", WEB);
  git(repository, "branch", "release/1.0");
  git(world.root, "clone", "--quiet", "--bare", repository, "bare.git");
  git(repository, "worktree", "add", "--quiet", world.path("tree"), "-b", "other");
  for (const options of [
    { repository: world.path("bare.git"), branch: "main" },
    { repository: world.path("fleet/.git"), branch: "main" },
    { repository: world.path("tree"), branch: "release/1.0" },
  ]) {
    expect(outcome(await read(world.source(options)), world)).toBe("loaded");
  }
});

test("an unchanged head gives the same reading; a change reads only the changed file", async () => {
  const world = newWorld();
  const repository = world.repository("fleet", { ...WEB, "db.yaml": "db 1\n" });
  const source = world.source({ repository });
  const first = await read(source);
  expect(await read(source)).toBe(first);
  world.loader.read.length = 0;
  world.commit("fleet", { "web.yaml": "web 2\n" });
  expect(await read(source)).not.toBe(first);
  expect(world.loader.read).toEqual(["web.yaml"]);
  expect(Object.fromEntries(world.loader.texts)).toEqual({ "db.yaml": "db 1\n", "web.yaml": "web 2\n" });
});

test("an invalid commit is a reading with its commit and problems, and describe() says so", async () => {
  const world = newWorld();
  const repository = world.repository("fleet", WEB);
  const source = world.source({ repository, folder: "/".slice(1) });
  expect(source.describe()).toEqual({ repository, branch: "main", folder: "", head: null, readAtMs: null, reading: null });
  await read(source);
  const commit = world.commit("fleet", { "web.yaml": "BROKEN\n" });
  const reading = await read(source);
  expect(reading).toMatchObject({ kind: "invalid", commit, problems: [{ position: { file: "web.yaml" } }] });
  expect(source.describe()).toMatchObject({ head: commit, reading });
  expect(Date.now() - source.describe().readAtMs!).toBeLessThan(10_000);
});

test("rewritten history is the new head, and said once it is read", async () => {
  const world = newWorld();
  const repository = world.repository("fleet", WEB);
  const source = world.source({ repository });
  await read(source);
  const before = world.commit("fleet", { "web.yaml": "web 2\n" });
  expect(await read(source)).not.toHaveProperty("rewrittenFrom");
  git(repository, "reset", "--quiet", "--hard", "HEAD~1");
  world.commit("fleet", { "web.yaml": "web 3\n" });
  expect(await read(source)).toMatchObject({ kind: "loaded", rewrittenFrom: before });
  git(repository, "commit", "--quiet", "--amend", "-m", "other words");
  expect(await read(source)).toHaveProperty("rewrittenFrom");
});

test("readCommit gives an older commit; one that git has removed is said to be gone", async () => {
  const world = newWorld();
  const repository = world.repository("fleet", WEB);
  const first = git(repository, "rev-parse", "HEAD");
  world.commit("fleet", { "web.yaml": "BROKEN\n" });
  const source = world.source({ repository });
  expect((await read(source)).kind).toBe("invalid");
  const signal = new AbortController().signal;
  expect(await source.readCommit(first, signal)).toMatchObject({ kind: "loaded", manifests: { revision: { commit: first } } });
  expect(outcome(await source.readCommit("0".repeat(39) + "1", signal), world)).toMatchInlineSnapshot(`
    "git-commit-missing: ROOT/fleet no longer has commit 000000000000
      Push a branch or tag that holds it, or mend the head."
  `);
  rmSync(world.path("fleet/.git/refs/heads/main"));
  expect(await world.source({ repository }).readCommit(first, signal)).toMatchObject({ kind: "loaded" });
});

test("a sub-folder is all that counts", async () => {
  const world = newWorld();
  const repository = world.repository("fleet", { "a/x.yaml": "x\n", "ab/y.yaml": "BROKEN\n", "z.yaml": "BROKEN\n" });
  expect(outcome(await read(world.source({ repository, folder: "./a/" })), world)).toBe("loaded");
  expect([...world.loader.texts.keys()]).toEqual(["a/x.yaml"]);
});

test("variables of a git hook do not leak into our git", async () => {
  const world = newWorld();
  const repository = world.repository("fleet", WEB);
  const other = world.repository("other");
  const environment = {
    PATH: process.env["PATH"],
    HOME: world.root,
    GIT_DIR: `${other}/.git`,
    GIT_INDEX_FILE: "/nowhere",
    GIT_WORK_TREE: other,
  };
  expect(outcome(await read(world.source({ repository, environment })), world)).toBe("loaded");
});

test("a repository that is removed fails the reading; nothing is thrown", async () => {
  const world = newWorld();
  const repository = world.repository("fleet", WEB);
  const source = world.source({ repository });
  await read(source);
  rmSync(repository, { recursive: true });
  expect(outcome(await read(source), world)).toBe(
    "git-path-missing: the repository ROOT/fleet does not exist\n  Mend the path, or mount the disk it is on.",
  );
});

test("close() ends a read that hangs, and a read after it", async () => {
  const world = newWorld();
  world.script("bin/git", "exec sleep 20");
  const environment = { PATH: `${world.path("bin")}:/usr/bin:/bin` };
  const source = world.source({ repository: world.repository("fleet", WEB), environment });
  const hung = read(source);
  const rejected = expect(hung).rejects.toThrow("the source was closed");
  await new Promise((resolve) => setTimeout(resolve, 50));
  await source.close();
  await rejected;
  await expect(read(source)).rejects.toThrow("the source was closed");
});
