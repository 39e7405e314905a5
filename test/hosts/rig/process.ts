import { spawn, type ChildProcess } from "node:child_process";
import { closeSync, existsSync, openSync, readFileSync } from "node:fs";
import { Hopeless, waitFor } from "./wait.ts";

/** Debian's own programs first, whatever else is installed on the machine. */
export const RIG_PATH = "/usr/sbin:/usr/bin:/sbin:/bin:/usr/local/sbin:/usr/local/bin";

/** What a program printed, and its exit code. */
export interface CommandResult {
  readonly exitCode: number;
  readonly stdout: string;
  readonly stderr: string;
}

export interface CommandOptions {
  readonly deadlineMs?: number;
  readonly input?: string | Uint8Array;
  readonly env?: Readonly<Record<string, string>>;
  /** Resolve whatever the exit code is. */
  readonly anyExit?: boolean;
}

/** Runs a program to its end; rejects when it fails, with what it wrote to stderr. Killed at the deadline. */
export function run(argv: readonly string[], options: CommandOptions = {}): Promise<CommandResult> {
  const deadlineMs = options.deadlineMs ?? 60_000;
  const [program, ...args] = argv as [string, ...string[]];
  const env = { PATH: RIG_PATH, HOME: "/nonexistent", ...options.env };
  const child = spawn(program, args, { cwd: "/", env, stdio: ["pipe", "pipe", "pipe"], timeout: deadlineMs, killSignal: "SIGKILL" });
  const out: Buffer[] = [];
  const err: Buffer[] = [];
  child.stdout.on("data", (chunk: Buffer) => out.push(chunk));
  child.stderr.on("data", (chunk: Buffer) => err.push(chunk));
  child.stdin.on("error", () => {}); // A program may end without reading all of it.
  child.stdin.end(options.input ?? "");
  return new Promise((resolve, reject) => {
    child.on("error", reject);
    child.on("close", (code, signal) => {
      const result = { exitCode: code ?? 128, stdout: Buffer.concat(out).toString(), stderr: Buffer.concat(err).toString() };
      if (signal !== null) reject(new Error(`${argv.join(" ")}: ended by ${signal} (deadline ${deadlineMs / 1000} s)\n${result.stderr}`));
      else if (code === 0 || options.anyExit === true) resolve(result);
      else reject(new Error(`${argv.join(" ")}: exit code ${code}\n${result.stderr}${result.stdout}`));
    });
  });
}

/** The argv that runs another one in all namespaces of a process. */
export function inNamespaces(pid: number, argv: readonly string[]): string[] {
  return ["nsenter", "--target", String(pid), "--mount", "--net", "--pid", "--uts", "--ipc", "--", ...argv];
}

/** The argv that runs another one in the network namespace of a process. */
export function inNetwork(pid: number, argv: readonly string[]): string[] {
  return ["nsenter", `--net=/proc/${pid}/ns/net`, "--", ...argv];
}

/** A program that runs on in a host's namespaces until it ends or is killed; its output goes to a log file. */
export interface RigProcess {
  /** In the namespace of this machine. */
  readonly pid: number;
  readonly log: string;
  running(): boolean;
  signal(signal: NodeJS.Signals): void;
  /** SIGKILL unless told otherwise; resolves when it has ended. */
  kill(signal?: NodeJS.Signals): Promise<void>;
  /** Exit code or signal. */
  readonly ended: Promise<number | NodeJS.Signals>;
}

/**
 * nsenter stops itself when its child is stopped; stopped, it does not see it end, and what it does not reap holds the host's first process
 * back from ending. A shell between the two takes no notice of a stopped child. Nothing follows what it runs but `exit`, lest it replace itself.
 */
const AWAITED = ["sh", "-c", '"$@"; exit $?', "awaited"];

/** Starts a program in the namespaces of the host with this first process. */
export async function startInNamespaces(
  initPid: number,
  argv: readonly string[],
  { log, env }: { readonly log: string; readonly env?: Readonly<Record<string, string>> },
): Promise<RigProcess> {
  const output = openSync(log, "a");
  const [program, ...args] = inNamespaces(initPid, [...AWAITED, ...argv]) as [string, ...string[]];
  const entering = spawn(program, args, { cwd: "/", env: { PATH: RIG_PATH, ...env }, stdio: ["ignore", output, output], detached: true });
  closeSync(output);
  const ended = endOf(entering);
  const gone = new AbortController();
  void ended.then(() => gone.abort());
  const evidence = (): string => tail(log);
  const pid = await waitFor(
    `${argv[0]} to start`,
    () => {
      if (gone.signal.aborted) throw new Hopeless(`${argv.join(" ")} ended at once`);
      const awaiting = childOf(entering.pid!);
      return awaiting === null ? null : childOf(awaiting);
    },
    { everyMs: 2, evidence },
  );
  return {
    pid,
    log,
    ended,
    running: () => !gone.signal.aborted,
    signal: (signal) => signalOne(pid, signal),
    async kill(signal = "SIGKILL") {
      if (gone.signal.aborted) return;
      signalOne(pid, signal);
      await waitFor(`${argv[0]} to end after ${signal}`, () => gone.signal.aborted || null, { evidence });
    },
  };
}

/** A process that is gone needs no signal. */
export function signalOne(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error;
  }
}

export function endOf(child: ChildProcess): Promise<number | NodeJS.Signals> {
  return new Promise((resolve) => {
    child.on("error", () => resolve(127));
    child.on("exit", (code, signal) => resolve(code ?? signal ?? 0));
  });
}

/** The first child of a process; null while it has none. */
export function childOf(pid: number): number | null {
  const path = `/proc/${pid}/task/${pid}/children`;
  const first = existsSync(path) ? readFileSync(path, "utf8").trim().split(" ")[0]! : "";
  return first === "" ? null : Number(first);
}

/** Ticks after boot at which a process started, which with its pid identifies it; null when there is none. */
export function startTimeOf(pid: number): string | null {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    return fields[0] === "Z" ? null : fields[19]!;
  } catch {
    return null;
  }
}

/** The last lines of a log, with its name. */
export function tail(path: string, lines = 15): string {
  if (!existsSync(path)) return `--- ${path}: no such file`;
  const all = readFileSync(path, "utf8").trimEnd().split("\n");
  return `--- ${path}\n${all.slice(-lines).join("\n")}`;
}
