import { createHash } from "node:crypto";
import { chmodSync, lstatSync, mkdirSync } from "node:fs";
import { tmpdir, userInfo } from "node:os";
import { join } from "node:path";
import type { AgentAddress } from "../../core/agent-address.ts";

/** A host behind an ssh login. */
export type SshAddress = Extract<AgentAddress, { kind: "ssh" }>;

/** The longest path of a socket, less `/`, the 40 digits of %C and what ssh adds while it makes the socket. */
const MAX_CONTROL_DIR_BYTES = 107 - 1 - 40 - 18;
const CONNECT_WITHIN_S = 10;

/**
 * Arguments of the system's ssh, so that ~/.ssh/config, jump hosts, agents and known_hosts work as they do by hand. All streams to a host
 * share one login by a socket in `folder`, which is kept for a minute after the last one. It asks nothing: there is nobody to answer. The words of
 * the command are joined and read by the login's shell, so they may hold no character that means something there.
 */
export function sshArgs({ user, host, port }: SshAddress, folder: string, command: readonly string[]): readonly string[] {
  const options = [
    "BatchMode=yes",
    "ControlMaster=auto",
    "ControlPersist=60",
    `ControlPath=${folder}/%C`,
    `ConnectTimeout=${CONNECT_WITHIN_S}`,
    "ServerAliveInterval=5",
    "ServerAliveCountMax=3",
    "ForwardAgent=no",
    "ForwardX11=no",
    "LogLevel=ERROR",
  ];
  const login = [...(user === null ? [] : ["-l", user]), ...(port === null ? [] : ["-p", String(port)])];
  return ["-T", ...options.flatMap((option) => ["-o", option]), ...login, "--", host, ...command];
}

/** Folder for the sockets of ssh: within the state folder where its path is short enough, else a private one under the system's temporary one. */
export function controlDir(stateDir: string): string {
  const own = join(stateDir, "ssh");
  // A percent sign would be ssh's.
  const fits = Buffer.byteLength(own) <= MAX_CONTROL_DIR_BYTES && !own.includes("%");
  const folder = fits ? own : join(shortTemporary(), `setpoint-${createHash("sha256").update(stateDir).digest("hex").slice(0, 12)}`);
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const { uid } = lstatSync(folder);
  if (uid !== userInfo().uid || !lstatSync(folder).isDirectory())
    throw new Error(`the folder ${folder} for ssh's sockets belongs to somebody else`);
  chmodSync(folder, 0o700);
  return folder;
}

/** The system's temporary folder; on macOS each user's own has no room for a socket. */
function shortTemporary(): string {
  return Buffer.byteLength(tmpdir()) <= MAX_CONTROL_DIR_BYTES - "/setpoint-".length - 12 ? tmpdir() : "/tmp";
}
