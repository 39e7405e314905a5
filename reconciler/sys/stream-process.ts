import { Duplex } from "node:stream";
import { execa } from "execa";

/** A program whose stdin and stdout are one stream; arguments are passed as they are, never through a shell. */
export interface StreamRequest {
  readonly program: string;
  readonly args: readonly string[];
  readonly folder: string;
  /** The whole environment: nothing is inherited. */
  readonly environment: Readonly<Record<string, string>>;
  /** How long after the end of its output the program's exit code is waited for; then it counts as 0. Default: a second. */
  readonly exitWithinMs?: number;
}

/** How the program ended, when it ended before the stream was destroyed. */
export type StreamEnd =
  /** `stderr`: the last of it, at most STDERR_TAIL bytes. */
  | { readonly kind: "exited"; readonly exitCode: number; readonly stderr: string }
  | { readonly kind: "not-found" }
  | { readonly kind: "killed"; readonly signal: string; readonly stderr: string };

/** The stream failed because its program ended. */
export class StreamEndError extends Error {
  override readonly name = "StreamEndError";
  readonly end: StreamEnd;

  constructor(end: StreamEnd) {
    super(end.kind === "not-found" ? "the program was not found" : `the program ended: ${end.stderr}`);
    this.end = end;
  }
}

const STDERR_TAIL = 4096;
/** How long the program has to end by itself after its stream was destroyed. */
const KILL_AFTER_MS = 2_000;
const STDERR_WAIT_MS = 20;
/** How long the end of the output waits for that of the program, and the other way round. */
const GRACE_MS = 1_000;

/**
 * Starts a program and gives the stream to it at once. Destroying the stream ends the program and what it started. The stream is
 * destroyed with a StreamEndError when the program ends by itself with anything but 0.
 */
export function startStream({ program, args, folder, environment, exitWithinMs = GRACE_MS }: StreamRequest): Duplex {
  const stop = new AbortController();
  const child = execa(program, args, {
    cwd: folder,
    env: environment,
    extendEnv: false,
    buffer: false,
    stdin: "pipe",
    stdout: "pipe",
    stderr: "pipe",
    reject: false,
    cancelSignal: stop.signal,
    killDescendants: true,
    forceKillAfterDelay: KILL_AFTER_MS,
  });
  let stderr = Buffer.alloc(0);
  child.stderr.on("data", (chunk: Buffer) => {
    stderr = Buffer.concat([stderr, chunk]).subarray(-STDERR_TAIL);
  });
  const stream = new PipeStream(child.stdin, child.stdout, () => stop.abort(), exitWithinMs);
  // stderr may be held open by what the program left behind: its exit is what counts.
  child.nodeChildProcess.once("exit", (exitCode, signal) => {
    // What it said last is still in the pipe.
    setTimeout(() => stream.ended(endOf(exitCode, signal, stderr.toString())), STDERR_WAIT_MS);
  });
  child.nodeChildProcess.once("error", (error: NodeJS.ErrnoException) => {
    stream.ended(
      error.code === "ENOENT" ? { kind: "not-found" } : { kind: "killed", signal: error.code ?? "unknown", stderr: error.message },
    );
  });
  // With `reject: false` it never rejects.
  void child;
  return stream;
}

function endOf(exitCode: number | null, signal: string | null, stderr: string): StreamEnd {
  return exitCode === null ? { kind: "killed", signal: signal ?? "unknown", stderr } : { kind: "exited", exitCode, stderr };
}

/** Two pipes as one stream, with the methods of a socket that Node's http client calls. */
class PipeStream extends Duplex {
  readonly #input: NodeJS.WritableStream;
  readonly #output: NodeJS.ReadableStream;
  readonly #stop: () => void;
  readonly #exitWithinMs: number;
  #end: StreamEnd | null = null;
  #drained = false;
  #settled = false;
  #grace: NodeJS.Timeout | null = null;
  #idle: NodeJS.Timeout | null = null;
  /** As of net.Socket: http looks whether it has to be set anew. */
  timeout = 0;

  constructor(input: NodeJS.WritableStream, output: NodeJS.ReadableStream, stop: () => void, exitWithinMs: number) {
    super({ allowHalfOpen: true });
    this.#input = input;
    this.#output = output;
    this.#stop = stop;
    this.#exitWithinMs = exitWithinMs;
    output.on("data", (chunk: Buffer) => {
      if (!this.push(chunk)) output.pause();
    });
    output.on("end", () => {
      this.#drained = true;
      this.#settle();
    });
    output.on("error", (error) => this.destroy(error));
    // The exit of the program says more than a broken pipe.
    input.on("error", () => undefined);
  }

  ended(end: StreamEnd): void {
    this.#end ??= end;
    this.#settle();
  }

  /** The end of the program and of its output come in any order: the first waits a little for the other, since both count. */
  #settle(): void {
    if (this.destroyed || this.#settled) return;
    if (this.#end === null || !this.#drained) {
      this.#grace ??= setTimeout(
        () => {
          this.#drained = true;
          this.#end ??= { kind: "exited", exitCode: 0, stderr: "" };
          this.#settle();
        },
        this.#end === null ? this.#exitWithinMs : GRACE_MS,
      );
      return;
    }
    this.#settled = true;
    if (this.#end.kind === "exited" && this.#end.exitCode === 0) this.push(null);
    else this.destroy(new StreamEndError(this.#end));
  }

  override _read(): void {
    this.#output.resume();
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: (error?: Error | null) => void): void {
    if (this.#input.write(chunk)) done();
    else this.#input.once("drain", () => done());
  }

  override _final(done: (error?: Error | null) => void): void {
    this.#input.end();
    done();
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    if (this.#idle !== null) clearTimeout(this.#idle);
    if (this.#grace !== null) clearTimeout(this.#grace);
    this.#stop();
    done(error);
  }

  setTimeout(timeoutMs: number): this {
    if (this.#idle !== null) clearTimeout(this.#idle);
    this.timeout = timeoutMs;
    this.#idle = timeoutMs > 0 ? setTimeout(() => this.emit("timeout"), timeoutMs).unref() : null;
    return this;
  }

  setKeepAlive(): this {
    return this;
  }

  setNoDelay(): this {
    return this;
  }

  ref(): this {
    return this;
  }

  unref(): this {
    return this;
  }
}
