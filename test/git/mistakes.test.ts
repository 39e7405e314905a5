import { chmodSync, chownSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { GIT_ERRORS } from "../../reconciler/core/errors/git.ts";
import { UserError } from "../../reconciler/core/errors/user-error.ts";
import type { GitSourceOptions } from "../../reconciler/io/git/source.ts";
import { readFiles } from "../../reconciler/io/git/blobs.ts";
import { createSystemClock } from "../../reconciler/sys/clock.ts";
import { createManifestLoader } from "../../reconciler/io/manifests/loader.ts";
import { git, newWorld, outcome, read, type World } from "./world.ts";

/** Every mistake and trouble, and exactly what is said about it. */
type Case = readonly [name: string, prepare: (world: World) => Partial<GitSourceOptions> & { repository: string }, said: string];

const WEB = { "web.yaml": "web 1\n" };

/** Removes the loose object of a blob, tree or commit. */
function dropObject(repository: string, name: string): void {
  const id = git(repository, "rev-parse", name);
  rmSync(join(repository, ".git/objects", id.slice(0, 2), id.slice(2)));
}

/** Damages the loose object in place. */
function damageObject(repository: string, name: string): void {
  const id = git(repository, "rev-parse", name);
  const file = join(repository, ".git/objects", id.slice(0, 2), id.slice(2));
  chmodSync(file, 0o644);
  writeFileSync(file, "garbage");
}

const LOCAL: readonly Case[] = [
  [
    "path missing",
    (w) => ({ repository: w.path("nothing") }),
    "git-path-missing: the repository ROOT/nothing does not exist\n  Mend the path, or mount the disk it is on.",
  ],
  [
    "path is a file",
    (w) => (w.write("file", ""), { repository: w.path("file") }),
    "git-path-missing: the repository ROOT/file is a file, not a folder\n  Give the folder that holds .git, or a bare repository.",
  ],
  [
    "path of links in a circle",
    (w) => {
      w.link("loop", "loop");
      return { repository: w.path("loop") };
    },
    "git-permission: the repository ROOT/loop can't be opened (ELOOP)\n  Give the user that runs Setpoint read permission on it.",
  ],
  [
    "not a repository",
    (w) => (w.write("plain/web.yaml", ""), { repository: w.path("plain") }),
    "git-not-a-repository: ROOT/plain is not a git repository\n  Run `git init` in it, or give the top of a repository.",
  ],
  [
    "folder of a repository",
    (w) => ({ repository: join(w.repository("fleet", { "sub/web.yaml": "" }), "sub") }),
    "git-not-a-repository: ROOT/fleet/sub is not a git repository but a folder inside ROOT/fleet\n  Give ROOT/fleet as the repository and sub as the folder.",
  ],
  [
    "no commits",
    (w) => ({ repository: w.repository("fleet") }),
    'git-empty: ROOT/fleet has no commits yet\n  Commit the first manifests to branch "main" (and push them).',
  ],
  [
    "mistyped branch",
    (w) => (git(w.repository("fleet", WEB), "branch", "production"), { repository: w.path("fleet"), branch: "prodution" }),
    'git-branch-missing: ROOT/fleet has no branch "prodution"\n  Did you mean "production"? Its branches: main, production.',
  ],
  [
    "no such branch",
    (w) => ({ repository: w.repository("fleet", WEB), branch: "release" }),
    'git-branch-missing: ROOT/fleet has no branch "release"\n  Its branches: main.',
  ],
  [
    "mistyped folder",
    (w) => ({ repository: w.repository("fleet", { "fleet/production/web.yaml": "" }), folder: "fleet/prodction" }),
    'git-folder-missing: commit db591e65e8fa has no folder fleet/prodction\n  Did you mean "fleet/production"? An absent folder is never read as "remove everything": bring it back, or start Setpoint with another folder.',
  ],
  [
    "no such folder",
    (w) => ({ repository: w.repository("fleet", WEB), folder: "other" }),
    'git-folder-missing: commit b632b0fb9769 has no folder other\n  An absent folder is never read as "remove everything": bring it back, or start Setpoint with another folder.',
  ],
  [
    "folder is a file",
    (w) => ({ repository: w.repository("fleet", WEB), folder: "web.yaml" }),
    "git-folder-missing: web.yaml is a file, not a folder, in commit b632b0fb9769\n  Give a folder of this repository.",
  ],
  [
    "folder is a link",
    (w) => {
      w.repository("fleet");
      w.link("fleet/current", "elsewhere");
      w.commit("fleet", {});
      return { repository: w.path("fleet"), folder: "current" };
    },
    "git-folder-missing: current is a symbolic link, not a folder, in commit 9fe8369a11e7\n  Give a folder of this repository.",
  ],
  [
    "missing blob",
    (w) => (dropObject(w.repository("fleet", WEB), "main:web.yaml"), { repository: w.path("fleet") }),
    "git-corrupt: object 4699972e8b46 of web.yaml is missing or damaged\n  Run `git fsck --full` in it, then fetch what is missing from a good clone.",
  ],
  [
    "damaged blob",
    (w) => (damageObject(w.repository("fleet", WEB), "main:web.yaml"), { repository: w.path("fleet") }),
    "git-corrupt: object 4699972e8b46 of web.yaml is missing or damaged\n  Run `git fsck --full` in it, then fetch what is missing from a good clone.",
  ],
  [
    "missing tree",
    (w) => (dropObject(w.repository("fleet", WEB), "main^{tree}"), { repository: w.path("fleet") }),
    "git-corrupt: the repository ROOT/fleet is damaged: not a tree object\n  Run `git fsck --full` in it, then fetch what is missing from a good clone.",
  ],
  [
    "missing commit",
    (w) => (dropObject(w.repository("fleet", WEB), "main"), { repository: w.path("fleet") }),
    'git-corrupt: branch "main" of ROOT/fleet points to b632b0fb9769, which is missing or damaged\n  Run `git fsck --full` in it, then restore the branch from a good clone.',
  ],
  [
    "empty ref after a power cut",
    (w) => (w.repository("fleet", WEB), w.write("fleet/.git/refs/heads/main", ""), { repository: w.path("fleet") }),
    'git-corrupt: the ref of branch "main" of ROOT/fleet is damaged\n  Run `git fsck --full` in it, then restore the branch from a good clone.',
  ],
  [
    "another owner",
    (w) => (chownSync(w.repository("fleet", WEB), 65534, 65534), { repository: w.path("fleet") }),
    "git-ownership: git refuses ROOT/fleet because another user owns it: detected dubious ownership in repository at 'ROOT/fleet'\n  As the user that runs Setpoint: git config --global --add safe.directory ROOT/fleet",
  ],
  [
    "git not installed",
    (w) => ({ repository: w.repository("fleet", WEB), environment: { PATH: w.root } }),
    "git-not-installed: the program `git` was not found on PATH\n  Install git (Debian: apt install git).",
  ],
  [
    "git of another kind",
    (w) => (
      w.script("bin/git", "echo 'fatal: it is Sunday' >&2; exit 3"),
      { repository: w.repository("fleet", WEB), environment: { PATH: w.path("bin") } }
    ),
    "git-failed: git failed with ROOT/fleet (exit code 3): it is Sunday",
  ],
  [
    "hung disk",
    (w) => (
      w.script("bin/git", "exec sleep 60"),
      { repository: w.repository("fleet", WEB), readDeadlineMs: 300, environment: { PATH: `${w.path("bin")}:/usr/bin:/bin` } }
    ),
    "git-timeout: git did not finish with ROOT/fleet within 0.3 s\n  Setpoint tries again by itself.",
  ],
];

function ssh(world: World, words: string): Partial<GitSourceOptions> & { repository: string } {
  const script = world.script(
    "fake-ssh",
    `printf '%s\\n' ${words
      .split("\n")
      .map((line) => `'${line}'`)
      .join(" ")} >&2; exit 255`,
  );
  const environment = { PATH: process.env["PATH"], HOME: world.root, GIT_SSH_COMMAND: script };
  return { repository: "ssh://git@example.org/fleet.git", environment };
}

/** A git that fails its fetches with these words, and does all else as usual. */
function failingFetch(world: World, words: string): Partial<GitSourceOptions> & { repository: string } {
  const repository = `file://${world.repository("fleet", WEB)}`;
  world.script("bin/git", `for word; do [ "$word" != fetch ] || { echo "${words}" >&2; exit 128; }; done; exec /usr/bin/git "$@"`);
  return { repository, environment: { PATH: `${world.path("bin")}:/usr/bin:/bin`, HOME: world.root } };
}

const REMOTE: readonly Case[] = [
  [
    "no such repository",
    (w) => ({ repository: `file://${w.path("nothing.git")}` }),
    "git-remote-missing: there is no git repository at file://ROOT/nothing.git, or this user may not see it: 'ROOT/nothing.git' does not appear to be a git repository\n  Check the URL with `git ls-remote` as the user that runs Setpoint.",
  ],
  [
    "empty repository",
    (w) => ({ repository: `file://${w.repository("fleet")}` }),
    'git-empty: file://ROOT/fleet has no commits yet\n  Commit the first manifests to branch "main" (and push them).',
  ],
  [
    "mistyped branch",
    (w) => ({ repository: `file://${w.repository("fleet", WEB)}`, branch: "mian" }),
    'git-branch-missing: file://ROOT/fleet has no branch "mian"\n  Did you mean "main"? Its branches: main.',
  ],
  [
    "host key unknown",
    (w) => ssh(w, "No ED25519 host key is known for example.org and you have requested strict checking.\nHost key verification failed."),
    "git-host-key: the ssh host key of ssh://git@example.org/fleet.git is not known here: No ED25519 host key is known for example.org and you have requested strict checking.\n  Compare the key with one from the server's owner, then add it to ~/.ssh/known_hosts of the user that runs Setpoint.",
  ],
  [
    "host key changed",
    (w) => ssh(w, "@    WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED!     @\nHost key verification failed."),
    "git-host-key: the ssh host key of ssh://git@example.org/fleet.git differs from the one in known_hosts: @    WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED!     @\n  Ask the server's owner whether the key was changed on purpose; if not, someone is in between.",
  ],
  [
    "no ssh key",
    (w) => ssh(w, "git@example.org: Permission denied (publickey)."),
    "git-auth: ssh://git@example.org/fleet.git wants credentials, or refused those it got: git@example.org: Permission denied (publickey).\n  Give the user that runs Setpoint a deploy key (ssh) or a credential helper (https); it never asks at a prompt.",
  ],
  [
    "unknown host",
    (w) => ssh(w, "ssh: Could not resolve hostname example.org: Name or service not known"),
    "git-unreachable: ssh://git@example.org/fleet.git can't be reached: ssh: Could not resolve hostname example.org: Name or service not known\n  Check the network with `git ls-remote` by hand; Setpoint tries again by itself.",
  ],
  [
    "ssh says nothing",
    (w) => ssh(w, ""),
    "git-unreachable: the connection to ssh://git@example.org/fleet.git broke: Could not read from remote repository.\n  Check the network with `git ls-remote` by hand; Setpoint tries again by itself.",
  ],
  [
    "nobody listens, password in URL",
    () => ({ repository: "http://bob:hunter2@127.0.0.1:9/fleet.git" }),
    "git-unreachable: http://bob:***@127.0.0.1:9/fleet.git can't be reached: unable to access 'http://127.0.0.1:9/fleet.git/': Failed to connect to 127.0.0.1 port 9 after 0 ms: Couldn't connect to server\n  Check the network with `git ls-remote` by hand; Setpoint tries again by itself.",
  ],
  [
    "anything else",
    (w) => failingFetch(w, "fatal: transport 'file' not allowed"),
    "git-failed: git failed with file://ROOT/fleet (exit code 128): transport 'file' not allowed",
  ],
  [
    "disk full",
    (w) => failingFetch(w, "fatal: write error: No space left on device"),
    "git-disk-full: no space left to fetch file://ROOT/fleet: write error: No space left on device\n  Free space on the disk with the state folder; Setpoint tries again by itself.",
  ],
  [
    "https wants a password",
    (w) => failingFetch(w, "fatal: could not read Username for 'https://example.org': terminal prompts disabled"),
    "git-auth: file://ROOT/fleet wants credentials, or refused those it got: could not read Username for 'https://example.org': terminal prompts disabled\n  Give the user that runs Setpoint a deploy key (ssh) or a credential helper (https); it never asks at a prompt.",
  ],
  [
    "https token refused",
    (w) => failingFetch(w, "fatal: Authentication failed for 'https://bob:hunter2@example.org/fleet.git/'"),
    "git-auth: file://ROOT/fleet wants credentials, or refused those it got: Authentication failed for 'https://bob:***@example.org/fleet.git/'\n  Give the user that runs Setpoint a deploy key (ssh) or a credential helper (https); it never asks at a prompt.",
  ],
  [
    "certificate",
    (w) => failingFetch(w, "fatal: unable to access 'https://x/': SSL certificate problem: self-signed certificate"),
    "git-tls: the TLS certificate of file://ROOT/fleet was not accepted: unable to access 'https://x/': SSL certificate problem: self-signed certificate\n  Install its CA on this machine, or set SSL_CERT_FILE for Setpoint.",
  ],
  [
    "remote refuses",
    (w) => failingFetch(w, "fatal: remote error: access denied or repository not exported: /fleet"),
    "git-refused: file://ROOT/fleet refused: remote error: access denied or repository not exported: /fleet\n  The remote's administrator can mend it; Setpoint tries again by itself.",
  ],
  [
    "escapes from the remote",
    (w) => failingFetch(w, "fatal: remote error: \\033[31mred\\007"),
    "git-refused: file://ROOT/fleet refused: remote error:  [31mred\n  The remote's administrator can mend it; Setpoint tries again by itself.",
  ],
  [
    "state folder is a file",
    (w) => (w.write("state", ""), { repository: `file://${w.repository("fleet", WEB)}` }),
    "git-state-folder: can't make a folder in ROOT/state/git (ENOTDIR)\n  Give another state folder, or mend its permissions.",
  ],
];

describe("a trouble is a failed reading that says what is wrong and what to do", () => {
  test.for([...LOCAL.map((c) => ["local", ...c] as const), ...REMOTE.map((c) => ["remote", ...c] as const)])(
    "%s: %s",
    async ([, , prepare, said]) => {
      const world = newWorld();
      const source = world.source(prepare(world));
      const reading = await read(source);
      expect(outcome(reading, world)).toBe(said);
      expect(reading.kind === "failed" && reading.code in GIT_ERRORS).toBe(true);
      expect(source.describe()).toMatchObject({ head: null, reading: { kind: "failed" } });
    },
  );
});

test.for([
  [
    { repository: "" },
    'git-url: "" is neither a path nor a URL Setpoint can fetch from\n  Give a path, an ssh://, https://, http://, git:// or file:// URL, or user@host:path.',
  ],
  [
    { repository: "ext::sh -c whoami" },
    'git-url: "ext::sh -c whoami" is neither a path nor a URL Setpoint can fetch from\n  Give a path, an ssh://, https://, http://, git:// or file:// URL, or user@host:path.',
  ],
  [
    { repository: "ftp://bob:hunter2@example.org/fleet" },
    'git-url: "ftp://bob:***@example.org/fleet" is neither a path nor a URL Setpoint can fetch from\n  Give a path, an ssh://, https://, http://, git:// or file:// URL, or user@host:path.',
  ],
  [
    { repository: "--upload-pack=whoami" },
    'git-url: "--upload-pack=whoami" is neither a path nor a URL Setpoint can fetch from\n  Give a path, an ssh://, https://, http://, git:// or file:// URL, or user@host:path.',
  ],
  [{ branch: "" }, 'git-branch-name: "" can\'t be the name of a branch\n  Give the short name, for example main.'],
  [{ branch: "-f" }, 'git-branch-name: "-f" can\'t be the name of a branch\n  Give the short name, for example main.'],
  [{ branch: "a..b" }, 'git-branch-name: "a..b" can\'t be the name of a branch\n  Give the short name, for example main.'],
  [{ branch: "refs/heads/main" }, 'git-branch-name: "refs/heads/main" is a full ref name, not a branch\n  Give the short name: main'],
  [
    { folder: "/etc" },
    'git-folder-name: folder "/etc" is not a path inside the repository\n  Give it relative to the top of the repository, for example fleet/production, or leave it empty for the top.',
  ],
  [
    { folder: "a/../../b" },
    'git-folder-name: folder "a/../../b" is not a path inside the repository\n  Give it relative to the top of the repository, for example fleet/production, or leave it empty for the top.',
  ],
  [{ folder: ".deploy" }, 'git-folder-name: folder ".deploy" is hidden, and hidden folders hold no manifests\n  Rename it.'],
] as const)("options that can never work are refused: %j", ([options, said]) => {
  const world = newWorld();
  let error: unknown = null;
  try {
    world.source({ repository: world.root, ...options });
  } catch (caught) {
    error = caught;
  }
  expect(error).toBeInstanceOf(UserError);
  const { code, message, hint } = error as UserError;
  expect(`${code}: ${message}\n  ${hint}`).toBe(said);
});

test("more bytes of YAML than the limit are refused before they are read", async () => {
  const world = newWorld();
  const repository = world.repository("fleet", { "a.yaml": "x".repeat(700_000), "b.yaml": "y".repeat(700_000) });
  const clock = createSystemClock();
  const context = { folder: repository, ceiling: world.root, inherited: process.env, sshCommand: null, clock, deadlineMs: 10_000 };
  const entries = ["a.yaml", "b.yaml"].map((path) => ({ kind: "file", id: git(repository, "rev-parse", `main:${path}`), path }) as const);
  const { signal } = new AbortController();
  await expect(readFiles(context, entries, new Map(), signal, 1024 * 1024)).rejects.toThrow(
    "the folder holds 2 MiB of YAML; the limit is 1 MiB",
  );
  expect(await readFiles(context, entries, new Map(), signal, 2 * 1024 * 1024)).toHaveLength(2);
});

test("a file too large for the loader is listed with its size and not read", async () => {
  const world = newWorld();
  const repository = world.repository("fleet", { ...WEB, "big.yaml": "x".repeat(3 * 1024 * 1024) });
  const reading = await read(world.source({ repository, loader: createManifestLoader() }));
  expect(reading.kind === "invalid" && reading.problems.map(({ code, position }) => [code, position?.file])).toContainEqual([
    "file-too-large",
    "big.yaml",
  ]);
});
