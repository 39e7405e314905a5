import { existsSync } from "node:fs";
import { simpleGit } from "simple-git";
import { exec } from "../../sys/exec.ts";
import type { Clock } from "../../run/ports.ts";
import { withDeadline } from "../../sys/deadline.ts";
import { GIT_VARIABLES, gitEnvironment, type Environment } from "./environment.ts";
import { GitFailure } from "./git-failure.ts";

export interface GitContext {
  /** An existing folder: git's working folder. */
  readonly folder: string;
  /** Git takes no folder at or above this one for the repository. */
  readonly ceiling: string;
  readonly inherited: Environment;
  readonly sshCommand: string | null;
  readonly clock: Clock;
  readonly deadlineMs: number;
}

/** Output of `gitBytes` past this is refused: 256 MiB of manifests, or a tree of about three million files. */
const MAX_OUTPUT_BYTES = 256 * 1024 * 1024;

/** Runs git and returns its stdout, trimmed. Rejects with GitFailure unless git exits with 0. */
export async function gitText(context: GitContext, args: readonly string[], signal: AbortSignal): Promise<string> {
  let failure: GitFailure | null = null;
  const run = async (signal: AbortSignal): Promise<string> => {
    const git = simpleGit({
      baseDir: context.folder,
      abort: signal,
      trimmed: true,
      allowEnvironment: GIT_VARIABLES,
      unsafe: { allowUnsafeSshCommand: true, allowUnsafeAskPass: true, allowUnsafeTemplateDir: true },
      // Without this simple-git takes a non-zero exit with nothing on stderr for success.
      errors: (error, result) => {
        if (result.exitCode !== 0) failure = failureOf(result.exitCode, Buffer.concat(result.stdErr).toString());
        return error ?? failure ?? undefined;
      },
    });
    return await git.env(environmentOf(context)).raw([...args]);
  };
  try {
    return await withDeadline(
      context.clock,
      { ms: context.deadlineMs, lifetime: signal, late: () => new GitFailure("deadline", null, "") },
      run,
    );
  } catch (error) {
    signal.throwIfAborted();
    throw failure ?? (existsSync(context.folder) ? error : new GitFailure("folder-gone", null, ""));
  }
}

/** Runs git with input on stdin and returns its stdout byte for byte. Rejects with GitFailure unless git exits with 0. */
export async function gitBytes(context: GitContext, args: readonly string[], input: string, signal: AbortSignal): Promise<Buffer> {
  const result = await exec({
    program: "git",
    args,
    folder: context.folder,
    environment: environmentOf(context),
    input,
    deadlineMs: context.deadlineMs,
    maxOutputBytes: MAX_OUTPUT_BYTES,
    signal,
  });
  switch (result.kind) {
    case "exited":
      if (result.exitCode !== 0) throw failureOf(result.exitCode, result.stderr);
      return Buffer.from(result.stdout.buffer, result.stdout.byteOffset, result.stdout.byteLength);
    case "not-found":
      throw new GitFailure(existsSync(context.folder) ? "not-installed" : "folder-gone", null, "");
    case "deadline":
      throw new GitFailure("deadline", null, "");
    case "too-much-output":
      throw new GitFailure("too-much-output", null, "");
    case "killed":
      throw new GitFailure("exit", null, `killed by ${result.signal}`);
    default:
      return result satisfies never;
  }
}

function failureOf(exitCode: number, stderr: string): GitFailure {
  return /^Error: spawn git ENOENT/m.test(stderr) ? new GitFailure("not-installed", null, "") : new GitFailure("exit", exitCode, stderr);
}

function environmentOf(context: GitContext): Record<string, string> {
  return gitEnvironment(context.inherited, context.ceiling, context.sshCommand);
}

/** Is `before` part of the history of `after`, as far as the repository holds it? False too when `before` is gone. */
export async function isAncestor(context: GitContext, before: string, after: string, signal: AbortSignal): Promise<boolean> {
  try {
    return (await gitText(context, ["merge-base", before, after], signal)) === before;
  } catch (error) {
    if (error instanceof GitFailure) return false;
    throw error;
  }
}

/** Does the repository hold this commit? */
export async function hasCommit(context: GitContext, commit: string, signal: AbortSignal): Promise<boolean> {
  try {
    await gitText(context, ["rev-parse", "--verify", "--quiet", `${commit}^{commit}`], signal);
    return true;
  } catch (error) {
    if (error instanceof GitFailure && error.reason === "exit") return false;
    throw error;
  }
}
