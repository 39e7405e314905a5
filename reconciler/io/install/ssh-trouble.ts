import { UserError } from "../../core/errors/user-error.ts";
import type { StreamEnd } from "../../sys/stream-process.ts";

interface Rule {
  readonly pattern: RegExp;
  readonly code: "host-add-key-changed" | "host-add-key-unknown" | "host-add-login" | "host-add-unreachable";
  readonly message: (host: string, match: RegExpExecArray) => string;
  readonly hint: (host: string, match: RegExpExecArray) => string;
}

const BY_HAND = "As the user who runs setpoint";

/** What ssh says, most telling first. */
const RULES: readonly Rule[] = [
  {
    pattern: /REMOTE HOST IDENTIFICATION HAS CHANGED(?:[^]*?Offending \S+ key in (\S+?):(\d+))?(?:[^]*?Host key for (\S+) has changed)?/,
    code: "host-add-key-changed",
    message: (host, [, file]) => `the ssh host key of ${host} is another one than in ${file ?? "known_hosts"}`,
    hint: (host, [, file, , known]) =>
      `Ask who runs the host whether it was installed anew; if not, someone is in between. Then: ssh-keygen${file === undefined ? "" : ` -f ${file}`} -R '${known ?? host}', and connect once by hand`,
  },
  {
    pattern: /Host key verification failed|No \S+ host key is known/,
    code: "host-add-key-unknown",
    message: (host) => `the ssh host key of ${host} is not known here`,
    hint: (host) => `${BY_HAND}, connect once by hand and compare the fingerprint: ${byHand(host)}`,
  },
  {
    pattern: /Permission denied|Too many authentication failures|no mutual signature|Authentication failed|sign_and_send_pubkey/i,
    code: "host-add-login",
    message: (host) => `${host} refuses the login`,
    hint: (host) => `setpoint asks for no password. ${BY_HAND}, give it your key: ${byHand(host).replace(/^ssh/, "ssh-copy-id")}`,
  },
  {
    pattern: /Could not resolve hostname ([^:\s]+)/i,
    code: "host-add-unreachable",
    message: (host, [, name]) => `${host} can't be reached: the name ${name} is not known`,
    hint: () => "Correct the name, or enter it in DNS, /etc/hosts or ~/.ssh/config.",
  },
  {
    pattern: /Connection refused/,
    code: "host-add-unreachable",
    message: (host) => `${host} can't be reached: nothing listens on its ssh port`,
    hint: () => "Start sshd there, or give its port: ssh://USER@HOST:PORT",
  },
];

/** Why ssh has no connection to a host, in words that say what to do. */
export function sshTrouble(host: string, end: StreamEnd): UserError {
  if (end.kind === "not-found") return new UserError("host-add-ssh", "there is no program ssh here", "Install the OpenSSH client.");
  const stderr = end.stderr.trim();
  if (end.kind === "killed") return new UserError("host-add-unreachable", `ssh to ${host} was killed by ${end.signal}`, "Try again.");
  for (const { pattern, code, message, hint } of RULES) {
    const match = pattern.exec(stderr);
    if (match !== null) return new UserError(code, message(host, match), hint(host, match));
  }
  const last = stderr.split("\n").at(-1)!.trim();
  const why = last === "" ? "the connection failed" : last.replace(/^ssh: /, "");
  return new UserError("host-add-unreachable", `${host} can't be reached: ${why}`, `Try it by hand: ${byHand(host)}`);
}

/** The command with which a person connects. */
function byHand(host: string): string {
  const [, login, port] = /^(.*?)(?::(\d+))?$/.exec(host)!;
  return port === undefined ? `ssh ${login}` : `ssh -p ${port} ${login!.replaceAll(/[[\]]/g, "")}`;
}
