import { exec } from "../../sys/exec.ts";
import { StepError } from "../ports.ts";

/** One run of a program of the host, as it goes to the kernel. */
export interface Command {
  readonly program: string;
  readonly args: readonly string[];
  /** For its stdin. */
  readonly input?: string;
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

/** Below the deadline of a plugin call, so that a command that hangs is still told by name. */
const DEADLINE_MS = 4_500;
const MAX_OUTPUT_BYTES = 32 * 1024 * 1024;

/** Runs commands on this host. `ovsRunFolder`: where Open vSwitch has its sockets. */
export function createCommandRunner(ovsRunFolder: string): RunCommand {
  const environment = { PATH: "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", LC_ALL: "C", OVS_RUNDIR: ovsRunFolder };
  return async (command, signal) => {
    const request = { ...command, folder: "/", environment, deadlineMs: DEADLINE_MS, maxOutputBytes: MAX_OUTPUT_BYTES, signal };
    const result = await exec(request);
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

/** Which Debian package has the program, for the message that it is missing. */
const PACKAGES: Readonly<Record<string, string>> = {
  "ovs-vsctl": "openvswitch-switch",
  "ovs-ofctl": "openvswitch-switch",
  ip: "iproute2",
  tc: "iproute2",
  ethtool: "ethtool",
  nsenter: "util-linux",
};

/** What a failed command is to the reconciler; anything else stays what it is. */
export function asStepError(error: unknown): unknown {
  if (!(error instanceof CommandError)) return error;
  if (error.kind === "not-found") {
    const { program } = error.command;
    return new StepError("no-capability", `${program} is not installed on the host; install the package ${PACKAGES[program] ?? program}`, {
      outcome: "refused",
    });
  }
  return new StepError("network-failed", error.message);
}
