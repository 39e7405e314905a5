import { spawn } from "node:child_process";
import { mkdirSync, rmSync, symlinkSync, renameSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import type { WatchedSource } from "../../reconciler/io/git/reading.ts";
import { createFolderSource } from "../../reconciler/io/git/folder-source.ts";
import { createSystemClock } from "../../reconciler/sys/clock.ts";
import { git, newWorld, outcome, read, type World } from "./world.ts";

const WEB = { "web.yaml": "web 1\n" };

/** Watches as the daemon does: reads at every call, and keeps the newest reading. */
class Follower {
  calls = 0;
  head: string | null = null;
  kind = "";
  readonly source: WatchedSource;
  #queue: Promise<void> = Promise.resolve();

  constructor(source: WatchedSource) {
    this.source = source;
    source.watch(() => {
      this.calls++;
      this.#queue = this.#queue.then(() => this.#take()).catch(ignoreClose);
    });
  }

  async #take(): Promise<void> {
    const reading = await read(this.source);
    this.kind = reading.kind === "failed" ? reading.code : reading.kind;
    this.head = this.source.describe().head;
  }

  /** Until the newest reading is of this commit. */
  async reaches(commit: string): Promise<void> {
    await expect.poll(() => this.head, { timeout: 8_000, interval: 10 }).toBe(commit);
  }

  async fails(code: string): Promise<void> {
    await expect.poll(() => this.kind, { timeout: 8_000, interval: 10 }).toBe(code);
  }
}

/** The test's end closes the source under a read. */
function ignoreClose(error: unknown): void {
  if (!(error instanceof Error && error.message === "the source was closed")) throw error;
}

/** A follower that has seen the head. The poll is far off: what it sees from here on, it sees by events. */
async function follow(world: World, repository: string, branch = "main"): Promise<Follower> {
  const follower = new Follower(world.source({ repository, branch, pollMs: 600_000 }));
  await follower.reaches(git(repository, "rev-parse", branch));
  return follower;
}

test("commits, amends, resets and updates of a bare repository are seen at once", async () => {
  const world = newWorld();
  const repository = world.repository("fleet", WEB);
  const follower = await follow(world, repository);
  await follower.reaches(world.commit("fleet", { "web.yaml": "web 2\n" }));
  git(repository, "commit", "--quiet", "--amend", "-m", "amended");
  await follower.reaches(git(repository, "rev-parse", "HEAD"));
  git(repository, "reset", "--quiet", "--hard", "HEAD~1");
  await follower.reaches(git(repository, "rev-parse", "HEAD"));
});

test("a push into a bare repository, forced or not, is seen", async () => {
  const world = newWorld();
  const repository = world.repository("fleet", WEB);
  git(world.root, "clone", "--quiet", "--bare", repository, "bare.git");
  const bare = world.path("bare.git");
  const follower = await follow(world, bare);
  world.commit("fleet", { "web.yaml": "web 2\n" });
  git(repository, "push", "--quiet", bare, "main");
  await follower.reaches(git(repository, "rev-parse", "HEAD"));
  git(repository, "commit", "--quiet", "--amend", "-m", "amended");
  git(repository, "push", "--quiet", "--force", bare, "main");
  await follower.reaches(git(repository, "rev-parse", "HEAD"));
});

test("packed refs, a clean-up and a branch in a folder are seen through", async () => {
  const world = newWorld();
  const repository = world.repository("fleet", WEB);
  git(repository, "checkout", "--quiet", "-b", "release/1.0");
  const follower = await follow(world, repository, "release/1.0");
  git(repository, "pack-refs", "--all", "--prune");
  await follower.reaches(world.commit("fleet", { "web.yaml": "web 2\n" }));
  git(repository, "gc", "--quiet", "--prune=now");
  await follower.reaches(world.commit("fleet", { "web.yaml": "web 3\n" }));
  expect(follower.kind).toBe("loaded");
});

test("a deleted branch is a failed reading at once, and its return is seen", async () => {
  const world = newWorld();
  const repository = world.repository("fleet", WEB);
  git(repository, "branch", "live");
  const follower = await follow(world, repository, "live");
  git(repository, "branch", "-D", "live");
  await follower.fails("git-branch-deleted");
  const commit = world.commit("fleet", { "web.yaml": "web 2\n" });
  git(repository, "branch", "live", commit);
  await follower.reaches(commit);
});

test("a repository without a commit: the first commit and those after it are seen at once", async () => {
  const world = newWorld();
  const repository = world.path("empty");
  mkdirSync(repository);
  git(repository, "init", "-q", "-b", "main");
  const follower = new Follower(world.source({ repository, pollMs: 600_000 }));
  await follower.fails("git-empty");
  for (const message of ["first", "second", "third"]) {
    git(repository, "commit", "-q", "--allow-empty", "-m", message);
    await follower.reaches(git(repository, "rev-parse", "HEAD"));
  }
});

test("a worktree, a symbolic ref and a ref that is a symbolic link are followed", async () => {
  const world = newWorld();
  const repository = world.repository("fleet", WEB);
  git(repository, "worktree", "add", "--quiet", world.path("tree"), "-b", "other");
  git(repository, "symbolic-ref", "refs/heads/alias", "refs/heads/main");
  symlinkSync("main", join(repository, ".git/refs/heads/linked"));
  const followers = await Promise.all([
    follow(world, world.path("tree"), "main"),
    follow(world, repository, "alias"),
    follow(world, repository, "linked"),
  ]);
  const commit = world.commit("fleet", { "web.yaml": "web 2\n" });
  await Promise.all(followers.map((follower) => follower.reaches(commit)));
});

test("of 50 rapid commits, written while reads run, the last one is seen", async () => {
  const world = newWorld();
  const repository = world.repository("fleet", WEB);
  const follower = await follow(world, repository);
  const script = 'for i in $(seq 50); do echo "web $i" > web.yaml; git commit --quiet --all -m "$i"; done';
  const env = {
    PATH: process.env["PATH"]!,
    HOME: world.root,
    GIT_AUTHOR_NAME: "A",
    GIT_AUTHOR_EMAIL: "a@b",
    GIT_COMMITTER_NAME: "A",
    GIT_COMMITTER_EMAIL: "a@b",
  };
  const writer = spawn("sh", ["-c", script], { cwd: repository, env, stdio: "ignore" });
  await new Promise((resolve) => writer.once("close", resolve));
  await follower.reaches(git(repository, "rev-parse", "HEAD"));
  expect(world.loader.texts.get("web.yaml")).toBe("web 50\n");
});

test("files of the work tree and other branches wake nobody", async () => {
  const world = newWorld();
  const repository = world.repository("fleet", WEB);
  const follower = await follow(world, repository);
  await new Promise((resolve) => setTimeout(resolve, 200));
  const before = follower.calls;
  for (let index = 0; index < 20; index++) world.write(`fleet/new-${index}.yaml`, "not committed\n");
  git(repository, "add", "--all");
  git(repository, "branch", "unrelated");
  await new Promise((resolve) => setTimeout(resolve, 200));
  expect(follower.calls).toBe(before);
});

test("a repository that appears later, and one that is replaced, are found by the poll", async () => {
  const world = newWorld();
  const follower = new Follower(world.source({ repository: world.path("fleet"), pollMs: 50 }));
  await follower.fails("git-path-missing");
  const repository = world.repository("fleet", WEB);
  await follower.reaches(git(repository, "rev-parse", "HEAD"));
  world.repository("next", { "web.yaml": "web 9\n" });
  renameSync(repository, world.path("old"));
  renameSync(world.path("next"), repository);
  await follower.reaches(git(repository, "rev-parse", "HEAD"));
});

test("a remote is polled, and a nudge comes before the poll", async () => {
  const world = newWorld();
  const url = `file://${world.repository("fleet", WEB)}`;
  const polled = new Follower(world.source({ repository: url, pollMs: 50 }));
  await polled.reaches(git(world.path("fleet"), "rev-parse", "HEAD"));
  await polled.reaches(world.commit("fleet", { "web.yaml": "web 2\n" }));
  await polled.source.close();
  const nudged = new Follower(world.source({ repository: url, stateDir: world.path("state-2"), pollMs: 600_000 }));
  await nudged.reaches(git(world.path("fleet"), "rev-parse", "HEAD"));
  const commit = world.commit("fleet", { "web.yaml": "web 3\n" });
  nudged.source.nudge();
  await nudged.reaches(commit);
});

test("a plain folder: its content is its commit, and a change is seen", async () => {
  const world = newWorld();
  world.write("plain/a.yaml", "a 1\n");
  const source = createFolderSource({ folder: world.path("plain"), clock: createSystemClock(), loader: world.loader });
  const follower = new Follower(source);
  try {
    await expect.poll(() => follower.head).toMatch(/^dir-[0-9a-f]{12}$/);
    const first = await read(source);
    expect(await read(source)).toBe(first);
    const { head } = follower;
    world.write("plain/sub/b.yaml", "b 1\n");
    await expect.poll(() => world.loader.texts.get("sub/b.yaml"), { timeout: 5_000 }).toBe("b 1\n");
    expect(follower.head).not.toBe(head);
    rmSync(world.path("plain"), { recursive: true });
    expect(outcome(await read(source), world)).toBe("folder-missing: there is no folder ROOT/plain\n  Mend the path.");
  } finally {
    await source.close();
  }
});
