import { getSystemErrorName } from "node:util";

/** A connection to make, and what to send over it; null: connecting is all. */
export interface Question {
  readonly ip: string;
  readonly port: number;
  readonly send: string | null;
}

/** What came of it. */
export type Answer =
  | { readonly kind: "connected" }
  /** First line of the answer. */
  | { readonly kind: "line"; readonly text: string }
  /** The connection ended, or grew long, without a whole line. */
  | { readonly kind: "closed" }
  /** Name of the kernel's error, such as ECONNREFUSED. */
  | { readonly kind: "error"; readonly code: string }
  | { readonly kind: "silence" }
  /** This way of asking does not work on this host. */
  | { readonly kind: "unavailable"; readonly why: string };

const UNREACHABLE = ["EHOSTUNREACH", "ENETUNREACH", "ETIMEDOUT", "EHOSTDOWN", "EACCES", "EPERM"];

const WORDS: Readonly<Record<string, string>> = {
  ECONNREFUSED: "connection refused",
  ECONNRESET: "connection reset",
  EHOSTUNREACH: "host unreachable",
  ENETUNREACH: "network unreachable",
  ETIMEDOUT: "connection timed out",
};

/** True when something at the address answered, even with a no. */
export function isSignOfLife(answer: Answer): boolean {
  if (answer.kind === "error") return !UNREACHABLE.includes(answer.code);
  return answer.kind !== "silence" && answer.kind !== "unavailable";
}

/** The request line is all that a health check needs; the body is not read. */
export function httpRequest(ip: string, port: number, path: string): string {
  // A blank or a line end in the path would end the request line.
  const target = path.replaceAll(/[^\x21-\x7e]+/g, encodeURIComponent);
  return `GET ${target} HTTP/1.1\r\nHost: ${ip}:${port}\r\nUser-Agent: setpoint\r\nAccept: */*\r\nConnection: close\r\n\r\n`;
}

/** Null when the probe passes, else why not, in a few words. */
export function judge(answer: Answer, timeoutMs: number): string | null {
  switch (answer.kind) {
    case "connected":
      return null;
    case "line":
      return judgeStatus(answer.text);
    case "closed":
      return "connection closed without an answer";
    case "error":
      return WORDS[answer.code] ?? answer.code;
    case "silence":
      return silence(timeoutMs);
    case "unavailable":
      return answer.why;
  }
}

export function silence(timeoutMs: number): string {
  return `no answer within ${timeoutMs / 1000} s`;
}

/** ECONNREFUSED for 111. */
export function errorName(errno: number): string {
  return getSystemErrorName(-errno);
}

function judgeStatus(line: string): string | null {
  const status = Number(/^HTTP\/\d\.\d (\d{3})\b/.exec(line)?.[1]);
  if (Number.isNaN(status)) return "answered, but not in HTTP";
  return status >= 200 && status < 400 ? null : `answered ${status}`;
}
