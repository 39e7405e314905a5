import { execa } from "execa";

/** One run of a program: arguments are passed as they are, never through a shell. */
export interface ExecRequest {
  readonly program: string;
  readonly args: readonly string[];
  readonly folder: string;
  /** The whole environment: nothing is inherited. */
  readonly environment: Readonly<Record<string, string>>;
  /** Written to stdin, which is then closed. */
  readonly input?: string | Uint8Array;
  /** From the start; the program and what it started are killed then. */
  readonly deadlineMs: number;
  /** Limit for stdout and for stderr; past it the program is killed. */
  readonly maxOutputBytes: number;
  readonly signal: AbortSignal;
}

/** How the run ended. Only `exited` with code 0 is success. */
export type ExecResult =
  | { readonly kind: "exited"; readonly exitCode: number; readonly stdout: Uint8Array; readonly stderr: string }
  | { readonly kind: "not-found" }
  | { readonly kind: "deadline" }
  | { readonly kind: "too-much-output" }
  | { readonly kind: "killed"; readonly signal: string };

/** Runs a program to its end. Rejects only with the signal's reason, when aborted. */
export async function exec(request: ExecRequest): Promise<ExecResult> {
  request.signal.throwIfAborted();
  const result = await execa(request.program, request.args, {
    cwd: request.folder,
    env: request.environment,
    extendEnv: false,
    input: request.input ?? "",
    encoding: "buffer",
    stripFinalNewline: false,
    maxBuffer: request.maxOutputBytes,
    timeout: Math.max(1, Math.ceil(request.deadlineMs)),
    cancelSignal: request.signal,
    killDescendants: true,
    reject: false,
  });
  request.signal.throwIfAborted();
  if (result.timedOut) return { kind: "deadline" };
  if (result.isMaxBuffer) return { kind: "too-much-output" };
  if (result.code === "ENOENT") return { kind: "not-found" };
  if (result.exitCode === undefined) return { kind: "killed", signal: result.signal ?? result.code ?? "unknown" };
  return { kind: "exited", exitCode: result.exitCode, stdout: result.stdout, stderr: Buffer.from(result.stderr).toString() };
}
