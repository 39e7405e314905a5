import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync, chmodSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterEach } from "vitest";
import { createGitSource, type GitSourceOptions } from "../../reconciler/io/git/source.ts";
import type { WatchedSource } from "../../reconciler/io/git/reading.ts";
import type { LoadResult, ManifestLoader } from "../../reconciler/io/manifests/loader.ts";
import type { ManifestProblem } from "../../reconciler/core/manifests.ts";
import type { SourceReading } from "../../reconciler/run/ports.ts";
import { createSystemClock } from "../../reconciler/sys/clock.ts";

/** Fixed names and dates, no configuration of this machine: the same commits have the same ids everywhere. */
const GIT_ENVIRONMENT = {
  PATH: process.env["PATH"]!,
  GIT_CONFIG_GLOBAL: "/dev/null",
  GIT_CONFIG_NOSYSTEM: "1",
  GIT_AUTHOR_NAME: "A",
  GIT_AUTHOR_EMAIL: "a@example.org",
  GIT_COMMITTER_NAME: "A",
  GIT_COMMITTER_EMAIL: "a@example.org",
  GIT_AUTHOR_DATE: "2026-01-01T00:00:00Z",
  GIT_COMMITTER_DATE: "2026-01-01T00:00:00Z",
  // No background clean-up after each commit.
  GIT_CONFIG_COUNT: "1",
  GIT_CONFIG_KEY_0: "maintenance.auto",
  GIT_CONFIG_VALUE_0: "false",
};

/** Runs the real git and returns its trimmed stdout; throws when it fails. */
export function git(folder: string, ...args: string[]): string {
  return execFileSync("git", args, { cwd: folder, env: GIT_ENVIRONMENT, encoding: "utf8", stdio: ["ignore", "pipe", "pipe"] }).trim();
}

/** Commits without a change on main, as many as wanted, in one process. */
export function commitOften(repository: string, count: number): void {
  const commit = (index: number): string =>
    `commit refs/heads/main\ncommitter A <a@example.org> ${index} +0000\ndata 0\n${index === 0 ? "from refs/heads/main^0\n" : ""}`;
  const input = Array.from({ length: count }, (_, index) => commit(index)).join("\n");
  execFileSync("git", ["fast-import", "--quiet"], { cwd: repository, env: GIT_ENVIRONMENT, input, stdio: ["pipe", "ignore", "pipe"] });
}

/** A loader that takes any text: keeps what it was given, and calls a file with the word BROKEN invalid. */
export class TextLoader implements ManifestLoader {
  readonly texts = new Map<string, string>();
  /** Paths whose bytes were asked for, in order. */
  readonly read: string[] = [];
  #known = new Map<string, { readonly blobId: string; readonly text: string }>();

  async load(...[files, commit, found = []]: Parameters<ManifestLoader["load"]>): Promise<LoadResult> {
    const known = new Map<string, { readonly blobId: string; readonly text: string }>();
    for (const file of files) {
      const before = this.#known.get(file.path);
      if (before?.blobId !== file.blobId) this.read.push(file.path);
      const text = before?.blobId === file.blobId ? before.text : Buffer.from(await file.read()).toString();
      known.set(file.path, { blobId: file.blobId, text });
    }
    this.#known = known;
    this.texts.clear();
    for (const [path, { text }] of known) this.texts.set(path, text);
    const broken = [...this.texts].filter(([, text]) => text.includes("BROKEN")).map(([file]) => brokenAt(file));
    const problems = [...found, ...broken];
    if (problems.some(({ severity }) => severity === "error")) return { kind: "invalid", commit, problems };
    return { kind: "loaded", manifests: { revision: { commit }, pools: [], sets: [], policies: [] }, problems };
  }
}

function brokenAt(file: string): ManifestProblem {
  return { code: "test", severity: "error", position: { file, line: 1, column: 1 }, message: "broken", hint: "", frame: "" };
}

export class World {
  readonly root = mkdtempSync(join(tmpdir(), "setpoint-git-"));
  readonly stateDir = join(this.root, "state");
  readonly loader = new TextLoader();
  readonly #sources: WatchedSource[] = [];

  path(...parts: string[]): string {
    return join(this.root, ...parts);
  }

  write(path: string, text: string | Buffer): void {
    mkdirSync(dirname(this.path(path)), { recursive: true });
    writeFileSync(this.path(path), text);
  }

  link(path: string, target: string): void {
    mkdirSync(dirname(this.path(path)), { recursive: true });
    symlinkSync(target, this.path(path));
  }

  script(path: string, text: string): string {
    this.write(path, `#!/bin/sh\n${text}\n`);
    chmodSync(this.path(path), 0o755);
    return this.path(path);
  }

  /** A repository with a work tree, on branch main, with one commit when files are given. */
  repository(name: string, files: Readonly<Record<string, string>> = {}): string {
    git(this.root, "init", "--quiet", "-b", "main", name);
    if (Object.keys(files).length > 0) this.commit(name, files);
    return this.path(name);
  }

  /** Writes files and commits everything; returns the commit. */
  commit(repository: string, files: Readonly<Record<string, string>>, message = "change"): string {
    for (const [path, text] of Object.entries(files)) this.write(join(repository, path), text);
    git(this.path(repository), "add", "--all");
    git(this.path(repository), "commit", "--quiet", "--allow-empty", "-m", message);
    return git(this.path(repository), "rev-parse", "HEAD");
  }

  source(options: Partial<GitSourceOptions> & { readonly repository: string }): ReturnType<typeof createGitSource> {
    const source = createGitSource({
      branch: "main",
      folder: "",
      stateDir: this.stateDir,
      fetchDeadlineMs: 10_000,
      pollMs: 60_000,
      clock: createSystemClock(),
      loader: this.loader,
      environment: { PATH: process.env["PATH"], HOME: this.root },
      ...options,
    });
    this.#sources.push(source);
    return source;
  }

  async close(): Promise<void> {
    await Promise.all(this.#sources.map((source) => source.close()));
    rmSync(this.root, { recursive: true, force: true });
  }
}

const open: World[] = [];

/** A world that is removed after the test. */
export function newWorld(): World {
  const world = new World();
  open.push(world);
  return world;
}

afterEach(async () => {
  await Promise.all(open.splice(0).map((world) => world.close()));
});

export function read(source: WatchedSource): Promise<SourceReading> {
  return source.read(new AbortController().signal);
}

/** `code: why` of a failed reading, the kind of any other; the world's temporary folder is shown as ROOT. */
export function outcome(reading: SourceReading, world: World): string {
  if (reading.kind !== "failed") return reading.kind;
  const hint = reading.hint === undefined || reading.hint === "" ? "" : `\n  ${reading.hint}`;
  return `${reading.code}: ${reading.why}${hint}`.replaceAll(world.root, "ROOT");
}
