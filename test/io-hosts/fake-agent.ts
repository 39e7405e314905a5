import { mkdtempSync, rmSync } from "node:fs";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  type ActionResult,
  type ApplyRequest,
  HEARTBEAT_EVERY_MS,
  type LeaseEcho,
  WIRE_VERSION,
} from "../../reconciler/core/agent-wire.ts";
import type { HostSettings } from "../../reconciler/core/host-settings.ts";
import type { HostObservation } from "../../reconciler/core/observation.ts";
import type { Action } from "../../reconciler/core/plan.ts";

export const GIB = 2 ** 30;

/** Nothing runs on it. */
export function emptyObservation(host: string, more: Partial<HostObservation> = {}): HostObservation {
  return {
    host,
    boot: "boot-1",
    version: 1,
    capacity: { cpuMillis: 4000, memoryBytes: 8 * GIB, diskBytes: 0, ingressBps: 0, egressBps: 0 },
    capabilities: ["docker"],
    instances: [],
    volumes: [],
    trash: [],
    ports: [],
    images: [],
    floors: {},
    foreign: [],
    ...more,
  };
}

/**
 * An agent that speaks the wire over a real unix socket and has no host behind it: what it observes and answers is set by the test.
 */
export class FakeAgent {
  readonly path: string;
  readonly settings: HostSettings[] = [];
  readonly echoes: LeaseEcho[] = [];
  readonly applied: Action[] = [];
  /** Streams opened to it, over all its time. */
  streams = 0;
  observation: HostObservation;
  /** What it answers to a step; by default done. Throwing breaks the stream. */
  answer: (action: Action) => ActionResult | Promise<ActionResult> = (action) => done(action);
  /** Accepts, and then says nothing to anything. */
  mute = false;
  /** No more heartbeats. */
  silent = false;
  /** Refuses everything with this. */
  refuse: { readonly status: number; readonly code: string; readonly message: string } | null = null;
  #server: Server | null = null;
  readonly #sockets = new Set<Socket>();
  readonly #watchers = new Set<ServerResponse>();
  readonly #timers = new Set<NodeJS.Timeout>();
  #beat = 0;

  constructor(path: string, host: string) {
    this.path = path;
    this.observation = emptyObservation(host);
  }

  async start(): Promise<this> {
    rmSync(this.path, { force: true });
    const server = createServer((request, response) => void this.#serve(request, response));
    server.on("connection", (socket) => {
      this.streams++;
      this.#sockets.add(socket);
      socket.on("close", () => this.#sockets.delete(socket));
    });
    await new Promise<void>((resolve) => {
      server.listen(this.path, resolve);
    });
    this.#server = server;
    return this;
  }

  /** The process dies: all streams break. */
  async stop(): Promise<void> {
    this.breakStreams();
    await new Promise<void>((resolve) => {
      if (this.#server === null) resolve();
      else this.#server.close(() => resolve());
    });
    this.#server = null;
  }

  breakStreams(): void {
    for (const timer of this.#timers) clearInterval(timer);
    this.#timers.clear();
    this.#watchers.clear();
    for (const socket of this.#sockets) socket.destroy();
  }

  /** The host changed: everybody who watches is told. */
  report(change: Partial<HostObservation>): void {
    this.observation = { ...this.observation, version: this.observation.version + 1, ...change };
    for (const watcher of this.#watchers) say(watcher, { type: "observation", observation: this.observation });
  }

  /** Any line to everybody who watches. */
  say(line: unknown): void {
    for (const watcher of this.#watchers) say(watcher, line);
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const body = await bodyOf(request);
    if (this.mute) return;
    if (this.refuse !== null) return reply(response, this.refuse.status, { code: this.refuse.code, message: this.refuse.message });
    if (request.headers["setpoint-wire"] !== String(WIRE_VERSION))
      return reply(response, 409, { code: "wire", message: "another version" });
    switch (`${request.method} ${request.url}`) {
      case "PUT /v1/settings":
        this.settings.push(JSON.parse(body) as HostSettings);
        return reply(response, 204);
      case "GET /v1/observe":
        return reply(response, 200, this.observation);
      case "POST /v1/lease":
        this.echoes.push(JSON.parse(body) as LeaseEcho);
        return reply(response, 204);
      case "GET /v1/watch":
        return this.#watch(response);
      case "POST /v1/apply":
        return await this.#apply(JSON.parse(body) as ApplyRequest, response);
      default:
        return reply(response, 404, { code: "agent-request", message: "no such request" });
    }
  }

  #watch(response: ServerResponse): void {
    response.writeHead(200, { "content-type": "application/x-ndjson" });
    say(response, { type: "observation", observation: this.observation });
    this.#watchers.add(response);
    const timer = setInterval(() => {
      if (!this.silent) say(response, { type: "heartbeat", boot: this.observation.boot, beat: ++this.#beat });
    }, HEARTBEAT_EVERY_MS);
    this.#timers.add(timer);
    response.on("close", () => {
      clearInterval(timer);
      this.#watchers.delete(response);
    });
  }

  async #apply({ actions }: ApplyRequest, response: ServerResponse): Promise<void> {
    response.writeHead(200, { "content-type": "application/x-ndjson" });
    response.flushHeaders();
    this.applied.push(...actions);
    try {
      await Promise.all(actions.map(async (action) => say(response, await this.answer(action))));
      response.end();
    } catch {
      response.socket?.destroy();
    }
  }
}

export function done({ number }: Action, version = 1): ActionResult {
  return { number, outcome: "done", code: "", message: "", retry: "transient", version };
}

function say(response: ServerResponse, line: unknown): void {
  response.write(`${JSON.stringify(line)}\n`);
}

function reply(response: ServerResponse, status: number, body?: unknown): void {
  response.writeHead(status, { "content-type": "application/json" });
  response.end(body === undefined ? undefined : JSON.stringify(body));
}

async function bodyOf(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of request as AsyncIterable<Buffer>) chunks.push(chunk);
  return Buffer.concat(chunks).toString();
}

/** A folder with a short path, for sockets. */
export function socketFolder(): { readonly path: string; remove(): void } {
  const path = mkdtempSync(join(tmpdir(), "sp-"));
  return { path, remove: () => rmSync(path, { recursive: true, force: true }) };
}
