import { Agent, request as httpRequest, type ClientRequest, type IncomingMessage } from "node:http";
import type { Duplex } from "node:stream";
import { WIRE_VERSION, type WireError } from "../../core/agent-wire.ts";
import type { Dial } from "./dial.ts";

/** Streams kept open between requests: one for what is asked often, one more for bursts. */
const IDLE_STREAMS = 2;
/** No answer but an observation is long. */
const MAX_BODY_BYTES = 64 * 2 ** 20;

/** The agent answered, and said no. `code` is one of docs/ERRORS.md, `status` that of HTTP. */
export class RefusedError extends Error {
  override readonly name = "RefusedError";
  readonly code: string;
  readonly status: number;

  constructor(status: number, { code, message }: WireError) {
    super(message);
    this.code = code;
    this.status = status;
  }
}

/** HTTP requests to one agent, each on a stream of its own while it lasts; streams are used again. */
export interface AgentClient {
  /** Sends and gives the answer's whole body; rejects with a RefusedError for another status than 2xx, or the signal's reason. */
  send(method: "GET" | "PUT" | "POST", path: string, body: unknown, signal: AbortSignal): Promise<string>;
  /** Sends and gives the answer as it begins to come; as `send` otherwise. Destroy what is not read to its end. */
  open(method: "GET" | "POST", path: string, body: unknown, signal: AbortSignal): Promise<IncomingMessage>;
  /** Ends all streams. */
  close(): void;
}

export function createAgentClient(dial: Dial, fleet: string): AgentClient {
  const streams = new DialingAgent(dial);
  const headers = { "setpoint-fleet": fleet, "setpoint-wire": String(WIRE_VERSION), host: "agent" };

  async function open(method: string, path: string, body: unknown, signal: AbortSignal): Promise<IncomingMessage> {
    signal.throwIfAborted();
    const text = body === undefined ? null : JSON.stringify(body);
    const content = text === null ? {} : { "content-type": "application/json", "content-length": String(Buffer.byteLength(text)) };
    const sent = httpRequest({ agent: streams, method, path, headers: { ...headers, ...content } });
    const response = await answerTo(sent, text, signal);
    const status = response.statusCode ?? 0;
    if (status >= 200 && status < 300) return response;
    throw new RefusedError(status, wireError(status, await readAll(response, signal)));
  }

  return {
    open,
    async send(method, path, body, signal) {
      return await readAll(await open(method, path, body, signal), signal);
    },
    close: () => streams.destroy(),
  };
}

/** Node's pool of connections, over whatever stream the dial gives. */
class DialingAgent extends Agent {
  readonly #dial: Dial;

  constructor(dial: Dial) {
    super({ keepAlive: true, maxFreeSockets: IDLE_STREAMS });
    this.#dial = dial;
  }

  override createConnection(_options: unknown, done?: (error: Error | null, stream: Duplex) => void): Duplex | null {
    try {
      return this.#dial();
    } catch (error) {
      done?.(error as Error, null as unknown as Duplex);
      return null;
    }
  }
}

/** Sends the request; an abort ends its stream, whenever it comes. */
function answerTo(sent: ClientRequest, body: string | null, signal: AbortSignal): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    const abort = (): void => void sent.destroy(reasonOf(signal));
    signal.addEventListener("abort", abort, { once: true });
    sent.once("close", () => signal.removeEventListener("abort", abort));
    sent.once("response", resolve);
    // Errors after the answer began are the answer's.
    sent.on("error", (error) => reject(signal.aborted ? reasonOf(signal) : error));
    sent.end(body ?? undefined);
  });
}

async function readAll(response: IncomingMessage, signal: AbortSignal): Promise<string> {
  const chunks: Buffer[] = [];
  let sizeBytes = 0;
  try {
    for await (const chunk of response as AsyncIterable<Buffer>) {
      chunks.push(chunk);
      sizeBytes += chunk.length;
      if (sizeBytes > MAX_BODY_BYTES) throw new Error(`the agent answered with more than ${MAX_BODY_BYTES} bytes`);
    }
  } catch (error) {
    throw signal.aborted ? reasonOf(signal) : error;
  }
  return Buffer.concat(chunks).toString();
}

function wireError(status: number, body: string): WireError {
  try {
    const { code, message } = JSON.parse(body) as Partial<WireError>;
    if (typeof code === "string" && typeof message === "string") return { code, message };
  } catch {
    // Whatever it is, it is no agent of ours.
  }
  return { code: "agent-answer", message: `it answered with status ${status} and no error that an agent knows; is it a setpoint agent?` };
}

function reasonOf(signal: AbortSignal): Error {
  return signal.reason instanceof Error ? signal.reason : new Error(String(signal.reason));
}
