import { Agent, request } from "node:http";

/** A Docker Engine API spoken to without any library. */
export interface EngineApi {
  /** Resolves to the parsed answer; rejects on a status of 400 and above, with what the engine said. */
  call(method: string, path: string, body?: unknown): Promise<unknown>;
  /** Sends an archive, as `POST /images/load` takes it. */
  send(path: string, archive: Uint8Array): Promise<void>;
  close(): void;
}

const CALL_DEADLINE_MS = 120_000;

/** `socket` is asked at every call: it moves when a host boots. */
export function createEngineApi(socket: () => string, connections = 16): EngineApi {
  const agent = new Agent({ keepAlive: true, maxSockets: connections });
  function exchange(method: string, path: string, type: string, body: Uint8Array | null): Promise<string> {
    const { promise, resolve, reject } = Promise.withResolvers<string>();
    const headers = body === null ? {} : { "content-type": type, "content-length": body.length };
    const signal = AbortSignal.timeout(CALL_DEADLINE_MS);
    const asked = request({ socketPath: socket(), agent, method, path, headers, signal }, (answer) => {
      const chunks: Buffer[] = [];
      answer.on("data", (chunk: Buffer) => chunks.push(chunk));
      answer.on("error", reject);
      answer.on("end", () => {
        const text = Buffer.concat(chunks).toString();
        if (answer.statusCode! < 400) resolve(text);
        else reject(new Error(`${method} ${path}: ${answer.statusCode} ${text.trim()}`));
      });
    });
    asked.on("error", reject);
    asked.end(body ?? undefined);
    return promise;
  }
  return {
    async call(method, path, body) {
      const bytes = body === undefined ? null : Buffer.from(JSON.stringify(body));
      const text = await exchange(method, path, "application/json", bytes);
      return text.startsWith("{") || text.startsWith("[") ? (JSON.parse(text) as unknown) : text;
    },
    async send(path, archive) {
      await exchange("POST", path, "application/x-tar", archive);
    },
    close: () => agent.destroy(),
  };
}
