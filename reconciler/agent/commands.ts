import { exec } from "../sys/exec.ts";

/** One run of a program of the host, as it goes to the kernel. */
export interface Command {
  readonly program: string;
  readonly args: readonly string[];
  /** For its stdin. */
  readonly input?: string;
  /** Where the runner's own is not fitting. */
  readonly deadlineMs?: number;
}

/** Runs a command to its end and gives its stdout. Rejects with CommandError, or with the signal's reason. */
export type RunCommand = (command: Command, signal: AbortSignal) => Promise<string>;

/** A command that did not end well; `stderr` is what it said. */
export class CommandError extends Error {
  override readonly name = "CommandError";
  readonly kind: "exit" | "not-found" | "deadline" | "killed";
  readonly stderr: string;
  readonly command: Command;

  constructor(command: Command, kind: CommandError["kind"], stderr: string) {
    super(`${command.program}: ${stderr.trim() || END_WORDS[kind]}`);
    this.kind = kind;
    this.stderr = stderr;
    this.command = command;
  }
}

const END_WORDS = { exit: "failed", "not-found": "is not installed", deadline: "took too long", killed: "was killed" } as const;

const MAX_OUTPUT_BYTES = 32 * 1024 * 1024;

/** Runs commands on this host, each within `deadlineMs` unless it says otherwise. `more`: environment beside path and language. */
export function createCommandRunner(deadlineMs: number, more: Readonly<Record<string, string>>): RunCommand {
  const environment = { PATH: "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", LC_ALL: "C", ...more };
  return async (command, signal) => {
    const result = await exec({ deadlineMs, ...command, folder: "/", environment, maxOutputBytes: MAX_OUTPUT_BYTES, signal });
    switch (result.kind) {
      case "exited":
        if (result.exitCode !== 0) throw new CommandError(command, "exit", result.stderr);
        return Buffer.from(result.stdout).toString();
      case "not-found":
        throw new CommandError(command, "not-found", "");
      case "deadline":
        throw new CommandError(command, "deadline", "");
      case "too-much-output":
        throw new CommandError(command, "killed", `more than ${MAX_OUTPUT_BYTES} bytes of output`);
      case "killed":
        throw new CommandError(command, "killed", `killed by ${result.signal}`);
      default:
        return result satisfies never;
    }
  };
}
