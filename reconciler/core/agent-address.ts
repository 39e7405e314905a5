import { suggest } from "./suggest.ts";

/** Where an agent is: simulated, behind a socket of this machine, or behind an ssh login. */
export type AgentAddress =
  | { readonly kind: "sim" }
  /** Absolute path. */
  | { readonly kind: "unix"; readonly path: string }
  /** null: what the ssh configuration says. */
  | { readonly kind: "ssh"; readonly user: string | null; readonly host: string; readonly port: number | null };

/** `message`: what is wrong and what is allowed; `hint`: what to write instead, or empty. */
export type ParsedAgent =
  | { readonly kind: "address"; readonly address: AgentAddress }
  | { readonly kind: "problem"; readonly message: string; readonly hint: string };

const FORMS = "`sim`, `unix:///path/of/a.sock` or `ssh://[user@]host[:port]`";
/** The kernel's limit for the path of a socket. */
const MAX_SOCKET_PATH_BYTES = 107;
/** Neither may begin with `-`: ssh would take it for an option. */
const SSH = /^(?:([A-Za-z0-9_][A-Za-z0-9_.@-]{0,63})@)?([A-Za-z0-9][A-Za-z0-9_.-]{0,252}|\[[0-9A-Fa-f:.]{2,45}\])(?::(\d{1,5}))?\/?$/;

/** Reads what a manifest says of an agent. */
export function parseAgentAddress(text: string): ParsedAgent {
  if (text === "sim") return { kind: "address", address: { kind: "sim" } };
  const scheme = /^([a-z]+):\/\//i.exec(text)?.[1]?.toLowerCase();
  if (scheme === "unix") return parseUnix(text);
  if (scheme === "ssh") return parseSsh(text);
  return problem(`\`${text}\` is no way to reach an agent; allowed are ${FORMS}.`, meant(text, scheme));
}

function parseUnix(text: string): ParsedAgent {
  const path = text.slice("unix://".length);
  if (!path.startsWith("/")) {
    const message = `The socket in \`${text}\` is no absolute path: after \`unix://\` it begins with a third slash.`;
    return problem(message, `Did you mean \`unix:///${path}\`?`);
  }
  const bytes = byteLength(path);
  if (bytes > MAX_SOCKET_PATH_BYTES) {
    return problem(
      `The path ${path} has ${bytes} bytes; a socket may have ${MAX_SOCKET_PATH_BYTES}.`,
      "Let the agent listen in a shorter folder.",
    );
  }
  if (path.endsWith("/") || path.includes("\0")) return problem(`\`${path}\` is no file; name the agent's socket.`, "");
  return { kind: "address", address: { kind: "unix", path } };
}

function parseSsh(text: string): ParsedAgent {
  const rest = text.slice("ssh://".length);
  const match = SSH.exec(rest);
  if (match === null) {
    const path = /^([^/]+)\/.+/.exec(rest)?.[1];
    const hint = path === undefined || !SSH.test(path) ? "" : `Did you mean \`ssh://${path}\`? The agent's socket is found on the host.`;
    return problem(`\`${text}\` is no ssh address; write ssh://[user@]host[:port], such as ssh://root@10.0.0.5:2222.`, hint);
  }
  const port = match[3] === undefined ? null : Number(match[3]);
  if (port !== null && (port < 1 || port > 65_535)) return problem(`The port ${port} of \`${text}\` is not one of 1 to 65535.`, "");
  return { kind: "address", address: { kind: "ssh", user: match[1] ?? null, host: match[2]!.replace(/^\[|\]$/g, ""), port } };
}

/** What somebody who wrote this most likely wanted. */
function meant(text: string, scheme: string | undefined): string {
  if (text.startsWith("/")) return `Did you mean \`unix://${text}\`?`;
  const slashes = /^(unix|ssh):\/?(?!\/)(.+)$/.exec(text);
  if (slashes !== null) return `Did you mean \`${slashes[1]}://${slashes[1] === "unix" ? `/${slashes[2]}` : slashes[2]}\`?`;
  if (scheme !== undefined) {
    const near = suggest(scheme, ["unix", "ssh"]);
    if (near !== null) return `Did you mean \`${near}${text.slice(scheme.length)}\`?`;
    return scheme === "tcp" || scheme === "http" || scheme === "https"
      ? "An agent has no network port: it is reached through ssh, ssh://[user@]host."
      : "";
  }
  if (suggest(text, ["sim"]) !== null) return "Did you mean `sim`?";
  return SSH.test(text) ? `Did you mean \`ssh://${text}\`?` : "";
}

/** UTF-8, as the kernel counts. */
function byteLength(text: string): number {
  return new TextEncoder().encode(text).length;
}

function problem(message: string, hint: string): ParsedAgent {
  return { kind: "problem", message, hint };
}
