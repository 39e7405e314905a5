import { spawn } from "node:child_process";
import { chmodSync, existsSync, mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { endOf, RIG_PATH, run, type CommandOptions, type CommandResult } from "../../hosts/rig/process.ts";
import { Hopeless, waitUntil } from "../../hosts/rig/wait.ts";

/** Of a command that names none: what takes a second on an idle machine takes a minute on a busy one without KVM. */
const COMMAND_WITHIN_MS = 180_000;
const LOGIN_WITHIN_MS = 240_000;

/** What `~/.ssh/config` says of one host. */
export interface SshEntry {
  /** As it is called on ssh's command line. */
  readonly alias: string;
  readonly port: number;
  readonly identity: string;
  readonly knownHosts: string;
}

/** All machines have the host key of their image, which known_hosts has by this name. */
export const HOST_KEY_ALIAS = "rig";

export function sshConfig(entries: readonly SshEntry[]): string {
  const lines = entries.flatMap(({ alias, port, identity, knownHosts }) => [
    `Host ${alias}`,
    "  HostName 127.0.0.1",
    `  Port ${port}`,
    "  User root",
    `  IdentityFile ${identity}`,
    "  IdentitiesOnly yes",
    `  UserKnownHostsFile ${knownHosts}`,
    `  HostKeyAlias ${HOST_KEY_ALIAS}`,
    "  StrictHostKeyChecking yes",
  ]);
  return `${lines.join("\n")}\n`;
}

/** The file in a machine's folder with the settings of its login. */
export function loginConfig(folder: string): string {
  return join(folder, "ssh-rig");
}

/**
 * A PATH on which `ssh` has these settings: OpenSSH takes a user's from the home that /etc/passwd names and from nowhere else. `folder` gets the
 * program.
 */
export function pathWithSsh(folder: string, config: string): string {
  const bin = join(folder, "bin");
  mkdirSync(bin, { recursive: true });
  writeFileSync(join(bin, "ssh"), `#!/bin/sh\nexec /usr/bin/ssh -F '${config}' "$@"\n`);
  chmodSync(join(bin, "ssh"), 0o755);
  return `${bin}:${RIG_PATH}`;
}

/** A login that is kept, through which commands run without a new one. */
export interface Login {
  /** Runs a program on the machine; see run. It does not outlive its deadline. */
  exec(argv: readonly string[], options?: CommandOptions): Promise<CommandResult>;
  /** The machine's Docker socket, on this machine. */
  readonly dockerSocket: string;
  close(): Promise<void>;
}

/** Logs in; `folder` gets the sockets. */
export async function openLogin(entry: SshEntry, folder: string, evidence: () => string): Promise<Login> {
  const config = loginConfig(folder);
  const control = join(folder, "ssh.sock");
  const dockerSocket = join(folder, "docker.sock");
  writeFileSync(config, sshConfig([entry]));
  for (const path of [control, dockerSocket]) rmSync(path, { force: true });
  const ssh = ["ssh", "-F", config, "-S", control, "-o", "LogLevel=ERROR", "-o", `ConnectTimeout=${LOGIN_WITHIN_MS / 1000}`];
  const forward = ["-o", "ExitOnForwardFailure=yes", "-L", `${dockerSocket}:/run/docker.sock`];
  const said: string[] = [];
  const master = spawn("setpriv", ["--pdeathsig", "KILL", ...ssh, "-M", "-N", ...forward, entry.alias], {
    cwd: "/",
    env: { PATH: RIG_PATH },
    stdio: ["ignore", "ignore", "pipe"],
  });
  master.stderr.on("data", (chunk: Buffer) => said.push(chunk.toString()));
  const ended = endOf(master);
  const gone = new AbortController();
  void ended.then(() => gone.abort());
  const isOpen = (): boolean => {
    if (gone.signal.aborted) throw new Hopeless(`ssh ended: ${said.join("")}`);
    return existsSync(control);
  };
  await waitUntil(`a login on ${entry.alias}`, isOpen, { evidence, deadlineMs: LOGIN_WITHIN_MS });
  return {
    dockerSocket,
    async exec(argv, options = {}) {
      const deadlineMs = options.deadlineMs ?? COMMAND_WITHIN_MS;
      const variables = Object.entries(options.env ?? {}).map(([name, value]) => `${name}=${value}`);
      const limited = ["timeout", "--kill-after=1", String(deadlineMs / 1000), "env", ...variables, ...argv];
      const startedAtMs = performance.now();
      const command = [...ssh, "-T", entry.alias, "--", limited.map(quoted).join(" ")];
      const result = await run(command, { deadlineMs: deadlineMs + 60_000, anyExit: true, input: options.input ?? "" });
      // The exit code of `timeout` is no sign: it kills itself where it had to kill, and ssh then says 255.
      const isLate = result.exitCode !== 0 && performance.now() - startedAtMs > deadlineMs;
      if (isLate) throw new Error(`${argv.join(" ")}: no end within ${deadlineMs / 1000} s\n${result.stderr}`);
      if (result.exitCode === 0 || options.anyExit === true) return result;
      throw new Error(`${argv.join(" ")}: exit code ${result.exitCode}\n${result.stderr}${result.stdout}`);
    },
    async close() {
      master.kill("SIGKILL");
      await ended;
      for (const path of [control, dockerSocket]) rmSync(path, { force: true });
    },
  };
}

/** One word for the shell that sshd starts. */
function quoted(word: string): string {
  return `'${word.replaceAll("'", "'\\''")}'`;
}
