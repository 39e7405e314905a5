import { basename } from "node:path";

/** Environment variables a git process may see: where programs, keys and certificates are, and which proxy to use. */
const PASSED = [
  "PATH",
  "HOME",
  "USER",
  "LOGNAME",
  "TMPDIR",
  "XDG_CONFIG_HOME",
  "SSH_AUTH_SOCK",
  "SSL_CERT_FILE",
  "SSL_CERT_DIR",
  "KRB5CCNAME",
  "http_proxy",
  "https_proxy",
  "HTTPS_PROXY",
  "all_proxy",
  "ALL_PROXY",
  "no_proxy",
  "NO_PROXY",
] as const;

/** The GIT_* variables set below: simple-git removes or refuses every other. */
export const GIT_VARIABLES = ["GIT_TERMINAL_PROMPT", "GIT_ASKPASS", "GIT_OPTIONAL_LOCKS", "GIT_CEILING_DIRECTORIES", "GIT_SSH_COMMAND"];

/** ssh gives up on a dead peer within this many seconds, so that no ssh outlives the git that started it for long. */
const SSH_OPTIONS = "-o BatchMode=yes -o ConnectTimeout=15 -o ServerAliveInterval=10 -o ServerAliveCountMax=3";

export type Environment = Readonly<Record<string, string | undefined>>;

/**
 * The whole environment of a git process: an allow-list, so that GIT_DIR, GIT_INDEX_FILE and the like of a hook that
 * started us do not leak; messages in English, because they are matched; never a prompt.
 * `ceiling`: git looks for a repository in its working folder, not in this folder or above.
 */
export function gitEnvironment(inherited: Environment, ceiling: string, sshCommand: string | null): Record<string, string> {
  const environment: Record<string, string> = {
    LC_ALL: "C",
    GIT_TERMINAL_PROMPT: "0",
    GIT_ASKPASS: "",
    GIT_OPTIONAL_LOCKS: "0",
    GIT_CEILING_DIRECTORIES: ceiling,
  };
  for (const name of PASSED) {
    const value = inherited[name];
    if (value !== undefined) environment[name] = value;
  }
  if (sshCommand !== null) environment["GIT_SSH_COMMAND"] = sshCommand;
  return environment;
}

/**
 * The ssh command for fetches: the operator's own (GIT_SSH_COMMAND before core.sshCommand) or plain ssh. OpenSSH gets
 * options that forbid prompts; any other program is left as it is.
 */
export function sshCommandOf(inherited: Environment, configured: string | null): string {
  const command = inherited["GIT_SSH_COMMAND"] ?? configured ?? "ssh";
  const program = command.trim().split(/\s/, 1)[0] ?? "";
  return basename(program) === "ssh" ? `${command} ${SSH_OPTIONS}` : command;
}
