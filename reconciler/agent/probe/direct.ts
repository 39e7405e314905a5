import { connect } from "node:net";
import type { Answer, Question } from "./answer.ts";

/** A first line is far shorter. */
const MOST_BYTES = 4096;

/** Asks from the host's own network. Resolves to silence after `timeoutMs`; rejects with the signal's reason. */
export function askDirect({ ip, port, send }: Question, timeoutMs: number, signal: AbortSignal): Promise<Answer> {
  signal.throwIfAborted();
  const { promise, resolve, reject } = Promise.withResolvers<Answer>();
  const socket = connect({ host: ip, port });
  const timer = setTimeout(() => resolve({ kind: "silence" }), timeoutMs);
  const abort = (): void => reject(signal.reason as Error);
  signal.addEventListener("abort", abort, { once: true });
  let text = "";
  socket.setEncoding("latin1");
  socket.on("connect", () => {
    if (send === null) resolve({ kind: "connected" });
    else socket.write(send);
  });
  socket.on("data", (chunk: string) => {
    text += chunk;
    const end = text.indexOf("\n");
    if (end >= 0) resolve({ kind: "line", text: text.slice(0, end).trimEnd() });
    else if (text.length > MOST_BYTES) resolve({ kind: "closed" });
  });
  socket.on("end", () => resolve({ kind: "closed" }));
  socket.on("error", (error: NodeJS.ErrnoException) => resolve({ kind: "error", code: error.code ?? error.message }));
  return promise.finally(() => {
    clearTimeout(timer);
    signal.removeEventListener("abort", abort);
    // No reset: there are servers that fall over one.
    socket.destroy();
  });
}
