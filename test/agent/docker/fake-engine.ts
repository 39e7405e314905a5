import { mkdtempSync, rmSync } from "node:fs";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Socket } from "node:net";

/** One call as the fake saw it; the path is without the version. */
export interface SeenCall {
  readonly method: string;
  readonly path: string;
  readonly version: string;
  readonly query: Readonly<Record<string, string>>;
  readonly body: unknown;
}

/** An answer in place of the usual one; `hang`: none at all; null: the usual one. */
export type Answer = { readonly status: number; readonly body: unknown } | { readonly lines: readonly unknown[] } | "hang" | "drop" | null;

interface FakeContainer {
  readonly id: string;
  readonly name: string;
  readonly body: { Env?: readonly string[]; Labels: Record<string, string>; HostConfig: Record<string, unknown> };
  status: string;
  pid: number;
}

/** An engine in memory behind a real unix socket: just what the agent uses, strict about all else. */
export class FakeEngine {
  readonly folder = mkdtempSync(join(tmpdir(), "setpoint-engine-"));
  readonly socketPath = join(this.folder, "engine.sock");
  readonly calls: SeenCall[] = [];
  readonly containers = new Map<string, FakeContainer>();
  readonly volumes = new Map<string, { Name: string; Labels: Record<string, string> }>();
  readonly images = new Set<string>();
  version = { Version: "20.10.24", ApiVersion: "1.41", MinAPIVersion: "1.12" };
  /** Said at each create call. */
  warnings: readonly string[] = [];
  /** Calls without an answer so far. */
  hung = 0;
  /** Asked before each call. */
  answer: (call: SeenCall) => Answer = () => null;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  readonly #streams = new Set<ServerResponse>();
  #lastId = 0;

  constructor() {
    this.#server = createServer((request, response) => void this.#serve(request, response));
    this.#server.on("connection", (socket: Socket) => {
      this.#sockets.add(socket);
      socket.on("close", () => this.#sockets.delete(socket));
    });
  }

  listen(): Promise<void> {
    return new Promise((resolve) => {
      this.#server.listen(this.socketPath, resolve);
    });
  }

  async close(): Promise<void> {
    const closed = new Promise((resolve) => this.#server.close(resolve));
    this.dropAll();
    await closed;
    rmSync(this.folder, { recursive: true, force: true });
  }

  /** Cuts all connections, as a daemon that dies. */
  dropAll(): void {
    for (const socket of this.#sockets) socket.destroy();
  }

  emit(event: unknown): void {
    for (const stream of this.#streams) stream.write(`${JSON.stringify(event)}\n`);
  }

  get listeners(): number {
    return this.#streams.size;
  }

  /** `POST /containers/create`, in order, without what every step asks of the engine itself. */
  steps(): string[] {
    const own = /^(GET \/version|GET \/images\/setpoint|POST \/images\/create)/;
    return this.calls.map(({ method, path }) => `${method} ${path}`).filter((line) => !own.test(line));
  }

  byName(name: string): FakeContainer | undefined {
    return [...this.containers.values()].find((container) => container.name === name);
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const url = new URL(request.url!, "http://engine");
    const [, version, path] = /^(?:\/v([0-9.]+))?(\/.*)$/.exec(url.pathname)!;
    const isJson = request.headers["content-type"] === "application/json";
    const body: unknown = isJson ? JSON.parse(Buffer.concat(chunks).toString()) : undefined;
    const call: SeenCall = {
      method: request.method!,
      path: path!,
      version: version ?? "",
      query: Object.fromEntries(url.searchParams),
      body,
    };
    this.calls.push(call);
    const answer = this.answer(call);
    if (answer === "hang") return void this.hung++;
    if (answer === "drop") return void request.socket.destroy();
    if (answer !== null && "lines" in answer) {
      for (const line of answer.lines) response.write(`${JSON.stringify(line)}\r\n`);
      return void response.end();
    }
    if (answer !== null) return reply(response, answer.status, answer.body);
    this.#usual(call, response);
  }

  #usual(call: SeenCall, response: ServerResponse): void {
    const { method, path, query } = call;
    const route = `${method} ${path}`;
    const [, kind, key, verb] = path.split("/");
    if (route === "GET /_ping") return reply(response, 200, "OK");
    if (route === "GET /version") return reply(response, 200, this.version);
    if (route === "GET /events") {
      this.#streams.add(response);
      response.on("close", () => this.#streams.delete(response));
      response.writeHead(200, { "content-type": "application/json" });
      return response.flushHeaders();
    }
    if (route === "GET /containers/json") return reply(response, 200, this.#list(query));
    if (route === "GET /images/json") return reply(response, 200, [{ RepoTags: [...this.images], RepoDigests: null }]);
    if (route === "GET /volumes") return reply(response, 200, { Volumes: [...this.volumes.values()].filter(matches(query)) });
    if (route === "POST /images/create") {
      this.images.add(`${query["repo"] ?? query["fromImage"]}:${query["tag"]}`);
      return reply(response, 200, { status: "done" });
    }
    if (method === "GET" && kind === "images") {
      const image = path.replace(/^\/images\/|\/json$/g, "");
      return this.images.has(image) ? reply(response, 200, {}) : reply(response, 404, { message: `No such image: ${image}` });
    }
    if (route === "POST /volumes/create") {
      const volume = call.body as { Name: string; Labels: Record<string, string> };
      if (!this.volumes.has(volume.Name)) this.volumes.set(volume.Name, volume);
      return reply(response, 201, this.volumes.get(volume.Name));
    }
    if (method === "GET" && kind === "volumes") {
      const volume = this.volumes.get(key!) as { DriverOpts?: unknown } | undefined;
      if (volume === undefined) return reply(response, 404, { message: `get ${key}: no such volume` });
      return reply(response, 200, { ...volume, Options: volume.DriverOpts, Scope: "local" });
    }
    if (method === "DELETE" && kind === "volumes")
      return reply(response, this.volumes.delete(key!) ? 204 : 404, { message: "no such volume" });
    if (route === "POST /containers/create") return this.#create(call, response);
    if (kind === "containers") return this.#container(call, key!, verb, response);
    reply(response, 500, { message: `the fake engine has no ${route}` });
  }

  #list(query: SeenCall["query"]): unknown[] {
    const all = [...this.containers.values()].map(({ id, name, body, status }) => ({
      Id: id,
      Names: [`/${name}`],
      State: status,
      Labels: body.Labels,
      HostConfig: body.HostConfig,
    }));
    return all.filter(matches(query));
  }

  #create({ query, body }: SeenCall, response: ServerResponse): void {
    const name = query["name"]!;
    if (this.byName(name) !== undefined) {
      return reply(response, 409, { message: `Conflict. The container name "/${name}" is already in use by container "x".` });
    }
    const { Image } = body as { Image: string };
    if (!this.images.has(Image)) return reply(response, 404, { message: `No such image: ${Image}` });
    const id = `id${++this.#lastId}`;
    this.containers.set(id, { id, name, body: body as FakeContainer["body"], status: "created", pid: 0 });
    reply(response, 201, { Id: id, Warnings: this.warnings });
  }

  #container({ method, body }: SeenCall, key: string, verb: string | undefined, response: ServerResponse): void {
    const container = this.containers.get(key) ?? this.byName(key);
    if (container === undefined) return reply(response, 404, { message: `No such container: ${key}` });
    if (method === "DELETE") {
      this.containers.delete(container.id);
      return reply(response, 204, "");
    }
    if (verb === "json") return reply(response, 200, inspected(container));
    if (verb === "update") Object.assign(container.body.HostConfig, body);
    else if (verb === "start" || verb === "restart") {
      container.status = "running";
      container.pid = process.pid;
    } else if (verb === "stop" || verb === "kill") {
      container.status = "exited";
      container.pid = 0;
    } else return reply(response, 500, { message: `the fake engine has no ${verb}` });
    reply(response, verb === "update" ? 200 : 204, verb === "update" ? { Warnings: [] } : "");
  }
}

function inspected({ id, name, body, status, pid }: FakeContainer): unknown {
  const running = status === "running";
  const State = {
    Status: status,
    Running: running,
    Pid: pid,
    ExitCode: 0,
    OOMKilled: false,
    StartedAt: running ? "2026-01-01T00:00:00Z" : "0001-01-01T00:00:00Z",
  };
  return { Id: id, Name: `/${name}`, State, Config: { Labels: body.Labels }, HostConfig: body.HostConfig };
}

/** The engine's label filter: all of them. */
function matches(query: SeenCall["query"]): (it: { Labels?: Record<string, string> | null }) => boolean {
  const { label = [] } = JSON.parse(query["filters"] ?? "{}") as { label?: string[] };
  return ({ Labels }) => label.every((pair) => `${pair.split("=")[0]}=${Labels?.[pair.split("=")[0]!]}` === pair);
}

function reply(response: ServerResponse, status: number, body: unknown): void {
  response.writeHead(status, { "content-type": "application/json" });
  response.end(status === 204 ? undefined : typeof body === "string" ? body : JSON.stringify(body));
}
