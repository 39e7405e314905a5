import type { IncomingMessage } from "node:http";
import type { ActionResult, ApplyRequest } from "../../core/agent-wire.ts";
import { LineSplitter } from "./lines.ts";

/**
 * Results of one request as they come; ends after the last one. Throws when the answer ends before. `alive` is called with every
 * sign of life.
 */
export async function* readResults(response: IncomingMessage, { actions }: ApplyRequest, alive: () => void): AsyncGenerator<ActionResult> {
  const missing = new Set(actions.map(({ number }) => number));
  const lines = new LineSplitter();
  // What came is taken out by hand: leaving a loop over the response would end its stream, which is to be used again.
  const chunks = response[Symbol.asyncIterator]() as AsyncIterator<Buffer>;
  try {
    while (missing.size > 0) {
      const { value, done } = await chunks.next();
      if (done === true) throw new Error("the connection broke before the answer came");
      alive();
      for (const line of lines.push(value)) {
        if (line.length === 0) continue;
        const result = JSON.parse(line.toString()) as ActionResult;
        if (missing.delete(result.number)) yield result;
      }
    }
  } finally {
    if (missing.size > 0) response.destroy();
    else response.resume();
  }
}
