import { chmodSync, rmSync } from "node:fs";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { WireError } from "../../core/agent-wire.ts";
import { UserError } from "../../core/errors/user-error.ts";
import type { Agent } from "../agent.ts";
import type { Log } from "../ports.ts";
import { badRequest, readActions, readBody, readCaller, readEcho, readSettings } from "./request.ts";
import { clearSocket } from "./socket.ts";
import { WatchStream } from "./watch-stream.ts";

export interface AgentServer {
  /** Ends all streams and removes the socket. */
  close(): Promise<void>;
}

/** Connections at once; a fleet has one reconciler, and a person or two look on. */
const MOST_CONNECTIONS = 64;

/**
 * Serves the agent's protocol (core/agent-wire.ts) on a unix socket that only its user may open. Rejects with a UserError when another
 * agent answers there or the path can't be used. Nothing a client sends can end the agent.
 */
export async function serveAgent(agent: Agent, socketPath: string, log: Log): Promise<AgentServer> {
  await clearSocket(socketPath);
  const server = createServer({ keepAliveTimeout: 60_000, requestTimeout: 120_000 }, (request, response) => {
    serve(agent, request, response).catch((error: unknown) => refuse(response, error, log));
  });
  server.maxConnections = MOST_CONNECTIONS;
  // A caller may end its side, as one behind a pipe does, and still reads the answer.
  Object.assign(server, { httpAllowHalfOpen: true });
  await listen(server, socketPath);
  return {
    async close() {
      const closed = new Promise((resolve) => server.close(resolve));
      server.closeAllConnections();
      await closed;
      rmSync(socketPath, { force: true });
    },
  };
}

/** From its first moment only its user may open the socket. */
async function listen(server: Server, path: string): Promise<void> {
  const mask = process.umask(0o177);
  try {
    await new Promise<void>((resolve, reject) => {
      server.once("error", reject);
      server.listen(path, resolve);
    });
  } finally {
    process.umask(mask);
  }
  chmodSync(path, 0o600);
}

async function serve(agent: Agent, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const fleet = readCaller(request);
  const route = `${request.method} ${request.url}`;
  if (route === "PUT /v1/settings") return await putSettings(agent, fleet, request, response);
  requireFleet(agent, fleet);
  switch (route) {
    case "GET /v1/observe":
      return sendJson(response, 200, await agent.observe());
    case "GET /v1/watch":
      return await watch(agent, response);
    case "POST /v1/lease":
      return await renew(agent, request, response);
    case "POST /v1/apply":
      return await apply(agent, request, response);
    default:
      throw new NoSuchRoute(`this agent does not know ${route}`);
  }
}

class NoSuchRoute extends Error {}

function requireFleet(agent: Agent, fleet: string): void {
  const own = agent.settings?.fleet;
  if (own === undefined) {
    throw new UserError("agent-settings", "this agent was not told yet which fleet and host it serves: PUT /v1/settings comes first");
  }
  if (own !== fleet)
    throw new UserError("agent-fleet", `this agent serves the fleet ${own}, not ${fleet}`, "Take the host out of one of the two fleets.");
}

async function putSettings(agent: Agent, fleet: string, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const settings = readSettings(await readBody(request));
  if (settings.fleet !== fleet) throw badRequest(`the settings are of the fleet ${settings.fleet}, the caller is ${fleet}`);
  await agent.configure(settings);
  response.writeHead(204).end();
}

async function watch(agent: Agent, response: ServerResponse): Promise<void> {
  let stop: (() => void) | null = null;
  let closed = false;
  response.on("close", () => {
    closed = true;
    stop?.();
  });
  const stream = new WatchStream(response);
  stop = await agent.watch((line) => stream.send(line));
  if (closed) stop();
}

async function renew(agent: Agent, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const echo = readEcho(await readBody(request));
  if (!agent.renewLease(echo))
    throw new UserError("agent-boot", `this run of the agent did not send heartbeat ${echo.beat} of ${echo.boot}`);
  response.writeHead(204).end();
}

/** Results in the order in which the steps end. The steps go on when the caller goes away. */
async function apply(agent: Agent, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const actions = readActions(await readBody(request), agent.settings!.host);
  response.writeHead(200, { "content-type": "application/x-ndjson" });
  response.flushHeaders();
  await Promise.all(
    actions.map(async (action) => {
      const result = await agent.apply(action);
      if (!response.destroyed) response.write(`${JSON.stringify(result)}\n`);
    }),
  );
  response.end();
}

function sendJson(response: ServerResponse, status: number, body: unknown): void {
  response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(body));
}

/** What the caller did wrong with 4xx; anything else is ours, with 500. After the head only cutting off is left. */
function refuse(response: ServerResponse, error: unknown, log: Log): void {
  if (response.headersSent) return void response.destroy();
  const message = error instanceof Error ? error.message : String(error);
  if (error instanceof UserError) {
    const text = error.hint === "" ? message : `${message}. ${error.hint}`;
    // The rest of a body that was not read would be taken for the next request.
    response.setHeader("connection", "close");
    return sendJson(response, STATUS[error.code] ?? 500, { code: error.code, message: text } satisfies WireError);
  }
  if (error instanceof NoSuchRoute) return sendJson(response, 404, { code: "agent-request", message } satisfies WireError);
  log.error({ error }, "a request failed");
  sendJson(response, 500, { code: "step-trouble", message } satisfies WireError);
}

const STATUS: Readonly<Record<string, number>> = {
  "agent-fleet": 409,
  "agent-wire": 409,
  "agent-settings": 409,
  "agent-boot": 409,
  "agent-request": 400,
};
