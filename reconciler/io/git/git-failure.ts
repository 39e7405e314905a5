import { UserError } from "../../core/errors/user-error.ts";
import type { GIT_ERRORS } from "../../core/errors/git.ts";

export type GitCode = keyof typeof GIT_ERRORS;

/** A git process that did not do its work. `stderr` holds git's own words, in English. */
export class GitFailure extends Error {
  override readonly name = "GitFailure";
  readonly reason: "exit" | "deadline" | "too-much-output" | "not-installed" | "folder-gone";
  readonly exitCode: number | null;
  readonly stderr: string;

  constructor(reason: GitFailure["reason"], exitCode: number | null, stderr: string) {
    super(`git: ${reason} ${exitCode ?? ""} ${stderr}`);
    this.reason = reason;
    this.exitCode = exitCode;
    this.stderr = stderr;
  }
}

/** A trouble with the repository, to be shown to a user. */
export function gitError(code: GitCode, message: string, hint = ""): UserError {
  return new UserError(code, message, hint);
}

interface Rule {
  readonly pattern: RegExp;
  readonly code: GitCode;
  readonly message: (where: string) => string;
  readonly hint: (where: string) => string;
}

/** What git says, most telling first: a failed fetch ends in general words that follow the special ones. */
const RULES: readonly Rule[] = [
  {
    pattern: /detected dubious ownership in repository/,
    code: "git-ownership",
    message: (where) => `git refuses ${where} because another user owns it`,
    hint: (where) => `As the user that runs Setpoint: git config --global --add safe.directory ${where}`,
  },
  {
    pattern: /No space left on device|Disk quota exceeded/,
    code: "git-disk-full",
    message: (where) => `no space left to fetch ${where}`,
    hint: () => "Free space on the disk with the state folder; Setpoint tries again by itself.",
  },
  {
    pattern: /REMOTE HOST IDENTIFICATION HAS CHANGED/,
    code: "git-host-key",
    message: (where) => `the ssh host key of ${where} differs from the one in known_hosts`,
    hint: () => "Ask the server's owner whether the key was changed on purpose; if not, someone is in between.",
  },
  {
    pattern: /Host key verification failed|No \S+ host key is known/,
    code: "git-host-key",
    message: (where) => `the ssh host key of ${where} is not known here`,
    hint: () => "Compare the key with one from the server's owner, then add it to ~/.ssh/known_hosts of the user that runs Setpoint.",
  },
  {
    pattern:
      /Permission denied \([a-z,-]*\)|could not read (Username|Password)|Authentication failed|terminal prompts disabled|requested URL returned error: 40[13]|HTTP Basic: Access denied|invalid credentials/i,
    code: "git-auth",
    message: (where) => `${where} wants credentials, or refused those it got`,
    hint: () => "Give the user that runs Setpoint a deploy key (ssh) or a credential helper (https); it never asks at a prompt.",
  },
  {
    pattern: /SSL certificate problem|server certificate verification failed|certificate verify failed/,
    code: "git-tls",
    message: (where) => `the TLS certificate of ${where} was not accepted`,
    hint: () => "Install its CA on this machine, or set SSL_CERT_FILE for Setpoint.",
  },
  {
    pattern:
      /Could not resolve host|Connection refused|Connection timed out|Connection reset|Operation timed out|Network is unreachable|No route to host|Failed to connect|unable to connect to|Connection closed by|early EOF|unexpected disconnect/,
    code: "git-unreachable",
    message: (where) => `${where} can't be reached`,
    hint: () => "Check the network with `git ls-remote` by hand; Setpoint tries again by itself.",
  },
  {
    pattern: /access denied or repository not exported|remote error:|remote: |not our ref/,
    code: "git-refused",
    message: (where) => `${where} refused`,
    hint: () => "The remote's administrator can mend it; Setpoint tries again by itself.",
  },
  {
    pattern: /does not appear to be a git repository|repository '.*' not found|not a git repository/,
    code: "git-remote-missing",
    message: (where) => `there is no git repository at ${where}, or this user may not see it`,
    hint: () => "Check the URL with `git ls-remote` as the user that runs Setpoint.",
  },
  {
    pattern: /Unable to create '.*\.lock': File exists/,
    code: "git-locked",
    message: (where) => `another process holds a lock on the copy of ${where}`,
    hint: () => "A lock left by a crash is removed by itself when it is older than two fetch deadlines.",
  },
  {
    pattern:
      /is corrupt|bad object|bad tree|unable to (read|unpack|find)|inflate|missing (blob|tree|commit|object)|object file .* is empty|Could not read [0-9a-f]{7}|hash mismatch|packfile .* (is|can)|not a (tree|valid object)|broken ref/,
    code: "git-corrupt",
    message: (where) => `the repository ${where} is damaged`,
    hint: () => "Run `git fsck --full` in it, then fetch what is missing from a good clone.",
  },
  {
    pattern: /Permission denied|insufficient permission/,
    code: "git-permission",
    message: (where) => `this user may not read ${where}`,
    hint: () => "Give the user that runs Setpoint read permission on the repository.",
  },
  {
    pattern: /Could not read from remote repository|the remote end hung up/,
    code: "git-unreachable",
    message: (where) => `the connection to ${where} broke`,
    hint: () => "Check the network with `git ls-remote` by hand; Setpoint tries again by itself.",
  },
];

/** The user's view of a failed git process; anything that is no GitFailure is returned as it is. */
export function explainFailure(error: unknown, where: string, deadlineMs: number): unknown {
  if (!(error instanceof GitFailure)) return error;
  switch (error.reason) {
    case "not-installed":
      return gitError("git-not-installed", "the program `git` was not found on PATH", "Install git (Debian: apt install git).");
    case "folder-gone":
      return gitError("git-path-missing", `${where} was removed while it was read`, "Setpoint looks again by itself.");
    case "deadline":
      return gitError("git-timeout", `git did not finish with ${where} within ${deadlineMs / 1000} s`, "Setpoint tries again by itself.");
    case "too-much-output":
      return gitError("git-too-large", `${where} is larger than Setpoint reads`, "Give the folder that holds only manifests.");
    case "exit":
      return explainExit(error, where);
    default:
      return error.reason satisfies never;
  }
}

function explainExit(failure: GitFailure, where: string): UserError {
  const rule = RULES.find(({ pattern }) => pattern.test(failure.stderr));
  const words = telling(failure.stderr, rule?.pattern ?? /fatal:|error:/);
  if (rule === undefined) return gitError("git-failed", `git failed with ${where} (exit code ${failure.exitCode}): ${words}`);
  return gitError(rule.code, `${rule.message(where)}: ${words}`, rule.hint(where));
}

/** The line of git's output that says it: cut to 300 characters, secrets in URLs hidden, no control characters. */
function telling(stderr: string, pattern: RegExp): string {
  const lines = stderr
    .split("\n")
    .map(printable)
    .filter((line) => line !== "");
  const line = lines.find((text) => pattern.test(text)) ?? lines[0] ?? "it said nothing";
  return hideSecrets(line.replace(/^(fatal|error): /, "").slice(0, 300));
}

function printable(line: string): string {
  // oxlint-disable-next-line no-control-regex -- terminal escapes from a remote are what this removes
  return line.replace(/[\u0000-\u001f\u007f]/g, " ").trim();
}

/** Hides user and password of every URL in the text. */
export function hideSecrets(text: string): string {
  return text.replace(/(\b[a-z][a-z0-9+.-]*:\/\/)([^/@\s:]*):[^/@\s]*@/gi, "$1$2:***@").replace(/(\bhttps?:\/\/)[^/@\s:]+@/gi, "$1***@");
}
