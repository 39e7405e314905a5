import { spawn } from "node:child_process";
import { existsSync, readdirSync, readFileSync, rmSync, utimesSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { expect, test } from "vitest";
import { commitOften, git, newWorld, outcome, read, type World } from "./world.ts";

const WEB = { "web.yaml": "web 1\n" };

/** The one mirror under the state folder. */
function mirrorOf(world: World): string {
  return join(world.stateDir, "git", readdirSync(join(world.stateDir, "git"))[0]!);
}

test("a remote is fetched into a mirror and read; its new commits are seen by the next read", async () => {
  const world = newWorld();
  const url = `file://${world.repository("fleet", WEB)}`;
  const source = world.source({ repository: url });
  const first = await read(source);
  expect(outcome(first, world)).toBe("loaded");
  expect(await read(source)).toBe(first);
  const commit = world.commit("fleet", { "web.yaml": "web 2\n" });
  const second = await read(source);
  expect(second).toMatchObject({ kind: "loaded", manifests: { revision: { commit } } });
  expect(second).not.toHaveProperty("rewrittenFrom");
  expect(world.loader.texts.get("web.yaml")).toBe("web 2\n");
});

test("a force-push is the new head, and said", async () => {
  const world = newWorld();
  const repository = world.repository("fleet", WEB);
  const source = world.source({ repository: `file://${repository}` });
  world.commit("fleet", { "web.yaml": "web 2\n" });
  const before = git(repository, "rev-parse", "HEAD");
  await read(source);
  git(repository, "commit", "--quiet", "--amend", "-m", "amended");
  expect(await read(source)).toMatchObject({ kind: "loaded", rewrittenFrom: before });
});

test("only the newest part of a long history is fetched", async () => {
  const world = newWorld();
  const repository = world.repository("fleet", WEB);
  commitOften(repository, 60);
  expect(outcome(await read(world.source({ repository: `file://${repository}` })), world)).toBe("loaded");
  expect(git(mirrorOf(world), "rev-list", "--count", "refs/setpoint/head")).toBe("50");
});

test("a deleted branch fails the reading; when it is back it is read again", async () => {
  const world = newWorld();
  const repository = world.repository("fleet", WEB);
  git(repository, "branch", "live");
  const source = world.source({ repository: `file://${repository}`, branch: "live" });
  await read(source);
  git(repository, "branch", "-D", "live");
  expect(outcome(await read(source), world)).toBe(
    'git-branch-deleted: branch "live" of file://ROOT/fleet was deleted; it was at b632b0fb9769\n' +
      "  Push it again, or start Setpoint with another branch. What was read last keeps running.",
  );
  git(repository, "branch", "live");
  expect(outcome(await read(source), world)).toBe("loaded");
});

test("a damaged mirror is thrown away and fetched again", async () => {
  const world = newWorld();
  const url = `file://${world.repository("fleet", WEB)}`;
  await read(world.source({ repository: url }));
  const objects = join(mirrorOf(world), "objects");
  for (const name of readdirSync(objects)) if (/^[0-9a-f]{2}$/.test(name)) rmSync(join(objects, name), { recursive: true });
  for (const name of readdirSync(join(objects, "pack"))) rmSync(join(objects, "pack", name));
  expect(outcome(await read(world.source({ repository: url })), world)).toBe("loaded");
});

test("a lock left by a crashed git is removed when it is old, and respected while it may be alive", async () => {
  const world = newWorld();
  const url = `file://${world.repository("fleet", WEB)}`;
  await read(world.source({ repository: url }));
  world.commit("fleet", { "web.yaml": "web 2\n" });
  const lock = join(mirrorOf(world), "shallow.lock");
  const second = world.source({ repository: url });
  await read(second);
  world.commit("fleet", { "web.yaml": "web 3\n" });
  writeFileSync(lock, "");
  expect(outcome(await read(second), world)).toMatch(
    /^git-locked: another process holds a lock on the copy of file:\/\/ROOT\/fleet: Unable to create /,
  );
  const old = Date.now() / 1000 - 60;
  utimesSync(lock, old, old);
  expect(outcome(await read(second), world)).toBe("loaded");
  expect(existsSync(lock)).toBe(false);
  expect(world.loader.texts.get("web.yaml")).toBe("web 3\n");
});

test("a remote that answers nothing ends at the deadline", async () => {
  const world = newWorld();
  const silent = createServer(() => {}).listen(0, "127.0.0.1");
  await new Promise((resolve) => silent.once("listening", resolve));
  const { port } = silent.address() as { port: number };
  const source = world.source({ repository: `git://127.0.0.1:${port}/fleet.git`, fetchDeadlineMs: 400 });
  const start = performance.now();
  expect(outcome(await read(source), world)).toBe(
    `git-timeout: git did not finish with git://127.0.0.1:${port}/fleet.git within 0.4 s\n  Setpoint tries again by itself.`,
  );
  expect(performance.now() - start).toBeLessThan(5_000);
  silent.close();
});

test("a remote that keeps talking but never ends does not outlive the deadline", async () => {
  const world = newWorld();
  // Ten seconds at most, and not without the git that started it: a test that is killed leaves nothing behind.
  const loop = "while kill -0 $PPID && [ $((turns += 1)) -lt 200 ]; do echo still there >&2; sleep 0.05; done";
  const script = world.script("fake-ssh", `turns=0; ${loop}`);
  const environment = { PATH: process.env["PATH"], HOME: world.root, GIT_SSH_COMMAND: script };
  const source = world.source({ repository: "git@example.org:fleet.git", environment, fetchDeadlineMs: 500 });
  expect(outcome(await read(source), world)).toMatch(/^git-timeout: /);
});

test("a read that is given up does not wait for the fetch", async () => {
  const world = newWorld();
  const environment = { PATH: process.env["PATH"], HOME: world.root, GIT_SSH_COMMAND: world.script("fake-ssh", "exec sleep 5") };
  const source = world.source({ repository: "git@example.org:fleet.git", environment });
  const control = new AbortController();
  setTimeout(() => control.abort(new Error("given up")), 100);
  await expect(source.read(control.signal)).rejects.toThrow("given up");
});

test("git gets no prompt, no hook's variables, and ssh options that forbid questions", async () => {
  const world = newWorld();
  const script = world.script("ssh", `env > ${world.path("env")}; echo "$@" > ${world.path("args")}; exit 1`);
  const environment = {
    PATH: process.env["PATH"],
    HOME: world.root,
    GIT_DIR: "/nowhere",
    SSH_ASKPASS: "/bin/false",
    SECRET: "x",
    GIT_SSH_COMMAND: script,
  };
  await read(world.source({ repository: "git@example.org:fleet.git", environment }));
  expect(readFileSync(world.path("args"), "utf8")).toMatch(
    /^-o BatchMode=yes -o ConnectTimeout=15 .*git@example\.org git-upload-pack 'fleet\.git'\n$/,
  );
  const seen = readFileSync(world.path("env"), "utf8");
  expect(seen).toMatch(/^GIT_TERMINAL_PROMPT=0$/m);
  expect(seen).not.toMatch(/^(SSH_ASKPASS|SECRET)=/m);
  expect(seen).not.toMatch(/^GIT_DIR=\/nowhere$/m);
});

test("core.sshCommand of the user's configuration is used", async () => {
  const world = newWorld();
  const script = world.script("my-ssh", `touch ${world.path("used")}; exit 1`);
  world.write(".gitconfig", `[core]\n\tsshCommand = ${script}\n`);
  await read(world.source({ repository: "git@example.org:fleet.git" }));
  expect(existsSync(world.path("used"))).toBe(true);
});

test("readCommit fetches a commit that the mirror has not", async () => {
  const world = newWorld();
  const repository = world.repository("fleet", WEB);
  const first = git(repository, "rev-parse", "HEAD");
  commitOften(repository, 51);
  const source = world.source({ repository: `file://${repository}` });
  await read(source);
  const signal = new AbortController().signal;
  expect(await source.readCommit(first, signal)).toMatchObject({ kind: "loaded", manifests: { revision: { commit: first } } });
  expect(outcome(await source.readCommit("1".repeat(40), signal), world)).toBe(
    "git-commit-missing: file://ROOT/fleet no longer has commit 111111111111\n  Push a branch or tag that holds it, or mend the head.",
  );
});

test("with the remote gone the mirror still gives the last good commit", async () => {
  const world = newWorld();
  const repository = world.repository("fleet", WEB);
  const commit = git(repository, "rev-parse", "HEAD");
  await read(world.source({ repository: `file://${repository}` }));
  rmSync(repository, { recursive: true });
  const source = world.source({ repository: `file://${repository}` });
  expect((await read(source)).kind).toBe("failed");
  expect(await source.readCommit(commit, new AbortController().signal)).toMatchObject({ kind: "loaded" });
});

test("a git daemon that refuses and one that serves", async () => {
  const world = newWorld();
  world.repository("fleet", WEB);
  const port = await freePort();
  const daemon = spawn("git", ["daemon", "--reuseaddr", "--listen=127.0.0.1", `--port=${port}`, `--base-path=${world.root}`], {
    stdio: "ignore",
  });
  try {
    const source = world.source({ repository: `git://127.0.0.1:${port}/fleet` });
    await expect.poll(async () => outcome(await read(source), world), { timeout: 5_000 }).toMatch(/^git-refused: /);
    writeFileSync(world.path("fleet/.git/git-daemon-export-ok"), "");
    expect(outcome(await read(source), world)).toBe("loaded");
  } finally {
    daemon.kill();
  }
});

async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await new Promise((resolve) => server.once("listening", resolve));
  const { port } = server.address() as { port: number };
  await new Promise((resolve) => server.close(resolve));
  return port;
}
