import type { Socket } from "node:net";
import type { Api } from "./api.ts";
import { isProcessOf } from "./processes.ts";
import { askWithin } from "./deadline.ts";

/** Of the output, only the beginning is kept. */
const MOST_OUTPUT_BYTES = 1_024;
const DEFAULT_DEADLINE_MS = 60_000;

export interface ExecOutcome {
  readonly exitCode: number;
  readonly output: string;
}

/**
 * Runs a command in a container to its end. One that is not done at the deadline, or when the signal comes, is killed: the engine itself
 * would let it run on for ever.
 */
export async function runIn(
  api: Api,
  containerId: string,
  command: readonly string[],
  deadlineMs: number | null,
  signal: AbortSignal,
): Promise<ExecOutcome> {
  const body = { AttachStdout: true, AttachStderr: true, Cmd: command };
  const { Id } = await api.call<{ Id: string }>({ method: "POST", path: `/containers/${containerId}/exec`, body, signal });
  const limits = { what: `${command[0] ?? ""} in a container`, ms: deadlineMs ?? DEFAULT_DEADLINE_MS, signal };
  try {
    const output = await askWithin(api.clock, limits, async (inner) => {
      const start = { method: "POST", path: `/exec/${Id}/start`, body: { Detach: false, Tty: false }, waits: true, signal: inner } as const;
      return readOutput(await api.hijack(start), inner);
    });
    return { exitCode: (await inspectExec(api, Id, signal)).ExitCode ?? -1, output };
  } catch (error) {
    await killExec(api, Id, containerId);
    throw error;
  }
}

interface InspectedExec {
  readonly ExitCode: number | null;
  readonly Running: boolean;
  readonly Pid: number;
}

function inspectExec(api: Api, id: string, signal: AbortSignal): Promise<InspectedExec> {
  return api.call<InspectedExec>({ method: "GET", path: `/exec/${id}/json`, signal });
}

/** Best effort: the engine may be what hangs. */
async function killExec(api: Api, id: string, containerId: string): Promise<void> {
  try {
    const { Running, Pid } = await inspectExec(api, id, AbortSignal.timeout(api.deadlines.pingMs));
    if (Running && isProcessOf(Pid, containerId)) process.kill(Pid, "SIGKILL");
  } catch {
    // The command's own failure is what the caller hears of.
  }
}

/** Beginning of stdout and stderr as they come; both are framed: one byte of kind, three of nothing, four of length. */
function readOutput(socket: Socket, signal: AbortSignal): Promise<string> {
  return new Promise((resolve, reject) => {
    const text: Buffer[] = [];
    let kept = 0;
    let header = Buffer.alloc(0);
    let bodyLeft = 0;
    const abort = (): void => {
      socket.destroy(signal.reason as Error);
    };
    signal.addEventListener("abort", abort, { once: true });
    socket.on("data", (chunk: Buffer) => {
      let at = 0;
      while (at < chunk.length) {
        if (bodyLeft === 0) {
          const more = chunk.subarray(at, at + 8 - header.length);
          header = Buffer.concat([header, more]);
          at += more.length;
          if (header.length < 8) return;
          bodyLeft = header.readUInt32BE(4);
          header = Buffer.alloc(0);
          continue;
        }
        const part = chunk.subarray(at, at + bodyLeft);
        const keep = part.subarray(0, MOST_OUTPUT_BYTES - kept);
        text.push(keep);
        kept += keep.length;
        bodyLeft -= part.length;
        at += part.length;
      }
    });
    socket.on("error", reject);
    socket.on("close", () => {
      signal.removeEventListener("abort", abort);
      resolve(Buffer.concat(text).toString());
    });
    if (signal.aborted) abort();
  });
}
