import { join } from "node:path";
import type { Duplex } from "node:stream";
import { startStream, StreamEndError } from "../../sys/stream-process.ts";
import { type Answer, errorName, type Question } from "./answer.ts";

/** Far above what a host's health checks have under way. */
const MOST_PENDING = 500;
/** A program that can't be started is not tried with every probe. */
const TRY_AGAIN_AFTER_MS = 30_000;
const ENVIRONMENT = { PATH: "/usr/sbin:/usr/bin:/sbin:/bin", LC_ALL: "C" };
/** Number of the system call setns, which perl has no name for. */
const SETNS: Readonly<Record<string, string>> = { x64: "308", arm64: "268" };

interface Helper {
  readonly stream: Duplex;
  readonly pending: Map<number, (answer: Answer) => void>;
}

/** Asks inside network namespaces of other processes, through one helper process that is started at the first question. */
export class InsideAsker {
  readonly #program: string;
  readonly #monotonic: () => number;
  #helper: Helper | null = null;
  #next = 1;
  #broken: { readonly why: string; readonly untilMs: number } | null = null;

  /** `monotonic`: milliseconds. `program`: perl, by name or path. */
  constructor(monotonic: () => number, program = "perl") {
    this.#monotonic = monotonic;
    this.#program = program;
  }

  /** As `pid` sees it. Resolves to silence after `timeoutMs`; rejects with the signal's reason. */
  ask(pid: number, { ip, port, send }: Question, timeoutMs: number, signal: AbortSignal): Promise<Answer> {
    signal.throwIfAborted();
    const helper = this.#start();
    if (helper === null) return Promise.resolve({ kind: "unavailable", why: this.#broken!.why });
    if (helper.pending.size >= MOST_PENDING) return Promise.resolve({ kind: "unavailable", why: "too many probes at once" });
    const id = this.#next++;
    const { promise, resolve, reject } = Promise.withResolvers<Answer>();
    const timer = setTimeout(() => resolve({ kind: "silence" }), timeoutMs);
    const abort = (): void => reject(signal.reason as Error);
    signal.addEventListener("abort", abort, { once: true });
    helper.pending.set(id, resolve);
    helper.stream.write(`${id} ${pid} ${ip} ${port} ${send === null ? "-" : Buffer.from(send).toString("hex")}\n`);
    return promise.finally(() => {
      clearTimeout(timer);
      signal.removeEventListener("abort", abort);
      if (helper.pending.delete(id) && !helper.stream.destroyed) helper.stream.write(`${id}\n`);
    });
  }

  close(): void {
    this.#helper?.stream.destroy();
    this.#helper = null;
  }

  /** Null while it is known that the helper can't run. */
  #start(): Helper | null {
    if (this.#helper !== null) return this.#helper;
    const setns = SETNS[process.arch];
    if (setns === undefined) this.#broken = { why: `no probes inside network namespaces on ${process.arch}`, untilMs: Infinity };
    if (setns === undefined || (this.#broken !== null && this.#monotonic() < this.#broken.untilMs)) return null;
    const args = [join(import.meta.dirname, "inside.pl"), setns];
    const stream = startStream({ program: this.#program, args, folder: "/", environment: ENVIRONMENT });
    const helper: Helper = { stream, pending: new Map() };
    let rest = "";
    stream.setEncoding("latin1");
    stream.on("data", (chunk: string) => {
      const lines = (rest + chunk).split("\n");
      rest = lines.pop()!;
      for (const line of lines) take(helper, line);
    });
    stream.on("error", (error) => this.#lose(helper, sayEnd(this.#program, error)));
    stream.on("end", () => this.#lose(helper, "the helper for probes ended"));
    this.#helper = helper;
    return helper;
  }

  #lose(helper: Helper, why: string): void {
    if (this.#helper === helper) this.#helper = null;
    this.#broken = { why, untilMs: this.#monotonic() + TRY_AGAIN_AFTER_MS };
    for (const resolve of helper.pending.values()) resolve({ kind: "unavailable", why });
    helper.stream.destroy();
  }
}

/** Hands one line of the helper to whoever asked. */
function take({ pending }: Helper, line: string): void {
  const [id, kind, ...rest] = line.split(" ");
  const resolve = pending.get(Number(id));
  pending.delete(Number(id));
  resolve?.(parseAnswer(kind ?? "", rest.join(" ")));
}

function parseAnswer(kind: string, text: string): Answer {
  if (kind === "connected" || kind === "closed") return { kind };
  if (kind === "line") return { kind, text };
  const code = errorName(Number(text));
  if (kind === "error") return { kind, code };
  // The process is gone: what it listened on is, too.
  if (code === "ENOENT" || code === "ESRCH") return { kind: "error", code: "ECONNREFUSED" };
  return { kind: "unavailable", why: `can't enter the Instance's network: ${code}` };
}

function sayEnd(program: string, error: Error): string {
  const end = error instanceof StreamEndError ? error.end : null;
  const last = end === null ? error.message : end.kind === "not-found" ? "" : (end.stderr.trim().split("\n").at(-1) ?? "");
  const what = end?.kind === "not-found" ? `there is no ${program} on this host` : `${program} ended`;
  return `can't probe inside the Instance's network: ${what}${last === "" ? "" : `: ${last}`}`;
}
