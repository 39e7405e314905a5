import { chmodSync, mkdirSync, rmSync } from "node:fs";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { dirname } from "node:path";
import { describeError } from "../../sys/log.ts";
import type { Log } from "../ports.ts";
import type { PluginCalls } from "./plugin-calls.ts";

const MAX_BODY_BYTES = 1024 * 1024;
const CONTENT_TYPE = "application/vnd.docker.plugins.v1.2+json";

/** The plugin's socket, served until `close`. */
export interface PluginServer {
  close(): Promise<void>;
}

/** Listens on the socket, whose name without `.sock` is the plugin's for Docker; one left behind by an earlier run is replaced. */
export async function servePlugin(socketPath: string, plugin: PluginCalls, log: Log): Promise<PluginServer> {
  const closing = new AbortController();
  const server = createServer((request, response) => {
    const signal = AbortSignal.any([closing.signal, AbortSignal.timeout(plugin.deadlineMs)]);
    answer(request, response, signal).catch((error: unknown) => {
      log.warn({ error, path: request.url }, `a call of Docker's ${plugin.kind} plugin could not be answered`);
      response.destroy();
    });
  });
  // Docker keeps connections and uses them again much later; where one was closed meanwhile it waits a second before it tries anew.
  server.keepAliveTimeout = 0;
  mkdirSync(dirname(socketPath), { recursive: true });
  rmSync(socketPath, { force: true });
  await listen(server, socketPath);
  chmodSync(socketPath, 0o600);
  return {
    close: () =>
      new Promise((resolve) => {
        closing.abort(new Error("the agent is stopping"));
        server.close(() => resolve());
        server.closeIdleConnections();
      }),
  };

  /** Every call is answered by the deadline, also when the plugin is stuck. */
  async function answer(request: IncomingMessage, response: ServerResponse, signal: AbortSignal): Promise<void> {
    const path = request.url ?? "";
    const body = await readBody(request);
    const call = plugin.calls[path];
    if (call === undefined) return send(response, 404, { Err: `Setpoint's ${plugin.kind} driver does not know ${path}` });
    try {
      const result = await endAt(signal, plugin, async () => call(body, signal));
      send(response, 200, result);
      plugin.answered?.(path, body);
    } catch (error) {
      log.warn({ error, path }, `Docker's ${plugin.kind} plugin refused a call`);
      send(response, 500, { Err: describeError(error) });
    }
  }
}

function listen(server: Server, path: string): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen(path, () => {
      server.removeListener("error", reject);
      resolve();
    });
  });
}

/** What `run` gives, or a sentence when the signal comes first. */
function endAt<Result>(signal: AbortSignal, { kind, deadlineMs }: PluginCalls, run: () => Promise<Result>): Promise<Result> {
  return new Promise((resolve, reject) => {
    const end = (): void => {
      const stopping = (signal.reason as Error).name !== "TimeoutError";
      reject(
        new Error(stopping ? "the agent is stopping; try again" : `the host's ${kind} tools did not finish within ${deadlineMs / 1000} s`),
      );
    };
    signal.addEventListener("abort", end, { once: true });
    run()
      .then(resolve, (error: unknown) => (signal.aborted ? end() : reject(error as Error)))
      .finally(() => signal.removeEventListener("abort", end));
  });
}

async function readBody(request: IncomingMessage): Promise<Readonly<Record<string, unknown>>> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes > MAX_BODY_BYTES) throw new Error("the request is too long");
    chunks.push(chunk);
  }
  return bytes === 0 ? {} : (JSON.parse(Buffer.concat(chunks).toString()) as Readonly<Record<string, unknown>>);
}

function send(response: ServerResponse, status: number, body: object): void {
  const text = JSON.stringify(body);
  response.writeHead(status, { "content-type": CONTENT_TYPE, "content-length": Buffer.byteLength(text) });
  response.end(text);
}
