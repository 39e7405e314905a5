import { createConnection } from "node:net";
import type { Duplex } from "node:stream";
import type { AgentAddress } from "../../core/agent-address.ts";
import { startStream, StreamEndError } from "../../sys/stream-process.ts";
import { controlDir, sshArgs } from "./ssh.ts";

/** How hosts are reached. */
export interface DialOptions {
  /** Folder for the control sockets of ssh; made when it is needed, only its user may enter. */
  readonly stateDir: string;
  /** Environment of ssh: PATH, HOME, SSH_AUTH_SOCK. */
  readonly environment: Readonly<Record<string, string>>;
}

/** Opens one more stream to an agent. It fails later, with an `error` event, when there is none. */
export type Dial = () => Duplex;

/** Never called for a simulated host. */
export function dialFor(address: Exclude<AgentAddress, { kind: "sim" }>, options: DialOptions): Dial {
  if (address.kind === "unix") return () => createConnection({ path: address.path });
  let args: readonly string[] | null = null;
  return () => {
    args ??= sshArgs(address, controlDir(options.stateDir), ["setpoint", "agent", "dial"]);
    return startStream({ program: "ssh", args, folder: "/", environment: options.environment });
  };
}

/** Why a stream could not be had, in words that say what to do. */
export function explainDial(address: AgentAddress, error: unknown): string {
  if (error instanceof StreamEndError) return explainSsh(error.end);
  const { code, message } = error as NodeJS.ErrnoException;
  if (code === "ECONNRESET" || code === "EPIPE") return "the agent closed the connection";
  if (address.kind !== "unix") return message;
  if (code === "ENOENT" || code === "ECONNREFUSED") return `no agent listens on ${address.path}; start it there with: setpoint agent`;
  if (code === "EACCES" || code === "EPERM") return `you may not open ${address.path}; run as the user of the agent, or join its group`;
  return message;
}

function explainSsh(end: StreamEndError["end"]): string {
  if (end.kind === "not-found") return "there is no program ssh; install the OpenSSH client";
  const said = lastLine(end.stderr);
  if (end.kind === "killed") return `ssh was killed by ${end.signal}${said === "" ? "" : `: ${said}`}`;
  if (end.exitCode === 127)
    return "setpoint is not on the PATH of that host's ssh logins; install it there (ssh HOST setpoint --version must work)";
  if (end.exitCode === 255) return `ssh: ${said === "" ? "the connection failed" : said}`;
  return ownWords(end.stderr) ?? (said === "" ? `setpoint agent dial ended with exit code ${end.exitCode}` : said);
}

/** What `agent dial` said was wrong and what to do, in one sentence; null when it is not it that spoke. */
function ownWords(stderr: string): string | null {
  const [, message, hint] = /^error: (.*) \[[a-z-]+\]$(?:\n {2}hint: (.*)$)?/m.exec(stderr) ?? [];
  if (message === undefined) return null;
  return hint === undefined ? message : `${message}; ${hint.charAt(0).toLowerCase()}${hint.slice(1)}`;
}

function lastLine(text: string): string {
  return text.trim().split("\n").at(-1)!.trim();
}
