import { UserError } from "../core/errors/user-error.ts";
import { exec } from "../sys/exec.ts";
import type { Terminal } from "./terminal.ts";

/** Longest any of these git commands may take. */
const GIT_WITHIN_MS = 20_000;

/** True when the folder lies in a git work tree. False too where there is no git. */
export async function inGitRepository(terminal: Terminal, dir: string): Promise<boolean> {
  const result = await run(terminal, dir, ["rev-parse", "--is-inside-work-tree"]);
  return result.kind === "exited" && result.exitCode === 0;
}

/** `git init` with the branch `main`. Throws a UserError where git can't. */
export async function initRepository(terminal: Terminal, dir: string): Promise<void> {
  await git(terminal, dir, ["init", "--quiet", "--initial-branch=main"]);
}

/** Commits everything in the folder, in the name of Setpoint itself, so that no git configuration is needed. */
export async function commitAll(terminal: Terminal, dir: string, message: string): Promise<void> {
  await git(terminal, dir, ["config", "user.name", "Setpoint"]);
  await git(terminal, dir, ["config", "user.email", "setpoint@localhost"]);
  await git(terminal, dir, ["add", "--all"]);
  await git(terminal, dir, ["-c", "commit.gpgsign=false", "commit", "--quiet", "--message", message]);
}

async function git(terminal: Terminal, dir: string, args: readonly string[]): Promise<void> {
  const result = await run(terminal, dir, args);
  if (result.kind === "exited" && result.exitCode === 0) return;
  if (result.kind === "not-found") throw new UserError("git-command", "git is not installed", "Install git 2.28 or newer.");
  const why = result.kind === "exited" ? result.stderr.trim().split("\n").at(-1)! : result.kind;
  throw new UserError(
    "git-command",
    `git ${args.find((arg) => !arg.startsWith("-"))} failed in ${dir}: ${why}`,
    "See git's own words above.",
  );
}

/** Only what git needs to find its programs and its user's configuration; GIT_DIR and the like stay out. */
function run(terminal: Terminal, dir: string, args: readonly string[]): ReturnType<typeof exec> {
  const environment: Record<string, string> = { LC_ALL: "C", GIT_TERMINAL_PROMPT: "0" };
  for (const name of ["PATH", "HOME", "XDG_CONFIG_HOME"]) {
    const value = terminal.env[name];
    if (value !== undefined) environment[name] = value;
  }
  const signal = new AbortController().signal;
  return exec({ program: "git", args, folder: dir, environment, deadlineMs: GIT_WITHIN_MS, maxOutputBytes: 1024 * 1024, signal });
}
