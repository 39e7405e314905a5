import { createReadStream } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { UserError } from "../../core/errors/user-error.ts";
import { exec } from "../../sys/exec.ts";
import { startStream, StreamEndError } from "../../sys/stream-process.ts";
import { controlDir, sshArgs, type SshAddress } from "../hosts/ssh.ts";
import { sshTrouble } from "./ssh-trouble.ts";

/** Runs commands on a host through ssh. */
export interface Remote {
  /** How the host was named, for messages. */
  readonly name: string;
  /**
   * Runs one command to its end. Its words may hold nothing that a shell reads otherwise. `input`: what it reads. Rejects with a UserError when ssh
   * can't connect or the connection breaks, and with the reason of `signal`.
   */
  run(command: readonly string[], input: RemoteInput, signal: AbortSignal): Promise<RemoteResult>;
}

/** A text, or a file of this machine. */
export type RemoteInput = { readonly text: string } | { readonly file: string };

/** How a command on a host ended. `stderr` is its last 4 KiB, and empty when it ended with 0. */
export interface RemoteResult {
  readonly exitCode: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** ssh to many hosts; each has one login, by which all its commands go. */
export interface Remotes {
  remote(address: SshAddress): Remote;
  /** Ends the logins. */
  close(): Promise<void>;
}

const MAX_OUTPUT_BYTES = 1024 * 1024;
const GOODBYE_WITHIN_MS = 5_000;
/** Longer than any host is slow: what counts is the exit code, and a command that failed may not pass for one that did not. */
const EXIT_WITHIN_MS = 60_000;
/** What ssh itself ends with when it has no connection. */
const NO_CONNECTION = 255;

/** `environment`: of ssh. */
export async function openRemotes(environment: Readonly<Record<string, string>>): Promise<Remotes> {
  // Of this run alone: no file is left in the folder from which somebody adds a host.
  const folder = await mkdtemp(join(tmpdir(), "setpoint-"));
  const sockets = controlDir(folder);
  const spoken = new Map<string, SshAddress>();
  return {
    remote(address) {
      const name = sshName(address);
      return {
        name,
        async run(command, input, signal) {
          spoken.set(name, address);
          return await run(
            name,
            { program: "ssh", args: sshArgs(address, sockets, command), folder: "/", environment, exitWithinMs: EXIT_WITHIN_MS },
            input,
            signal,
          );
        },
      };
    },
    async close() {
      await Promise.all([...spoken.values()].map((address) => goodbye(address, sockets, environment)));
      await rm(folder, { recursive: true, force: true });
      await rm(sockets, { recursive: true, force: true });
    },
  };
}

/** `user@host:port`, as far as it was given. */
export function sshName({ user, host, port }: SshAddress): string {
  const name = port !== null && host.includes(":") ? `[${host}]` : host;
  return `${user === null ? "" : `${user}@`}${name}${port === null ? "" : `:${port}`}`;
}

type Request = Parameters<typeof startStream>[0];

async function run(name: string, request: Request, input: RemoteInput, signal: AbortSignal): Promise<RemoteResult> {
  signal.throwIfAborted();
  const stream = startStream(request);
  const stop = (): void => void stream.destroy(signal.reason as Error);
  signal.addEventListener("abort", stop, { once: true });
  const output: Buffer[] = [];
  let outputBytes = 0;
  stream.on("data", (chunk: Buffer) => {
    outputBytes += chunk.length;
    if (outputBytes <= MAX_OUTPUT_BYTES) output.push(chunk);
    else stream.destroy(new UserError("host-add-step", `${name} prints without end`, "See what its shell prints at each login."));
  });
  const ended = new Promise<void>((resolve, reject) => stream.once("end", resolve).once("error", reject));
  const source = "text" in input ? Readable.from([input.text], { objectMode: false }) : createReadStream(input.file);
  try {
    // What ends the program ends the writing too, and says more than a pipe that broke.
    await Promise.all([ended, pipeline(source, stream).catch(async () => await ended)]);
    return { exitCode: 0, stdout: Buffer.concat(output).toString(), stderr: "" };
  } catch (error) {
    if (!(error instanceof StreamEndError)) throw error;
    const { end } = error;
    if (end.kind === "exited" && end.exitCode !== NO_CONNECTION) {
      return { exitCode: end.exitCode, stdout: Buffer.concat(output).toString(), stderr: end.stderr };
    }
    throw sshTrouble(name, end);
  } finally {
    signal.removeEventListener("abort", stop);
    stream.destroy();
  }
}

/** Ends a login that would be kept for a while. */
async function goodbye(address: SshAddress, sockets: string, environment: Readonly<Record<string, string>>): Promise<void> {
  await exec({
    program: "ssh",
    args: ["-O", "exit", ...sshArgs(address, sockets, [])],
    folder: "/",
    environment,
    deadlineMs: GOODBYE_WITHIN_MS,
    maxOutputBytes: MAX_OUTPUT_BYTES,
    signal: new AbortController().signal,
  });
}
