import { mkdirSync, rmSync } from "node:fs";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { Socket } from "node:net";
import { join } from "node:path";

/** Where Docker looks for plugins that are not its own. */
const PLUGINS = "/run/docker/plugins";

/** A volume plugin of Docker's whose volumes are folders. */
export class FakePlugin {
  readonly name: string;
  /** Options by name. */
  readonly volumes = new Map<string, Readonly<Record<string, string>>>();
  /** Paths, in order. */
  readonly calls: string[] = [];
  mounted = 0;
  scope: "local" | "global" = "local";
  /** Said to each Create; empty: it is done. */
  refusal = "";
  /** It takes calls and does not answer. */
  hung = false;
  readonly #folder: string;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();

  private constructor(name: string, folder: string) {
    this.name = name;
    this.#folder = folder;
    this.#server = createServer((request, response) => void this.#answer(request, response));
    this.#server.on("connection", (socket: Socket) => {
      this.#sockets.add(socket);
      socket.on("close", () => this.#sockets.delete(socket));
    });
  }

  static async listen(name: string, folder: string): Promise<FakePlugin> {
    const plugin = new FakePlugin(name, folder);
    mkdirSync(PLUGINS, { recursive: true });
    await new Promise<void>((resolve) => plugin.#server.listen(plugin.#socket, resolve));
    return plugin;
  }

  async close(): Promise<void> {
    const closed = new Promise((resolve) => this.#server.close(resolve));
    this.dropAll();
    await closed;
    rmSync(this.#socket, { force: true });
  }

  dropAll(): void {
    for (const socket of this.#sockets) socket.destroy();
  }

  get #socket(): string {
    return join(PLUGINS, `${this.name}.sock`);
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const text = Buffer.concat(chunks).toString();
    const path = request.url!;
    this.calls.push(path);
    if (this.hung) return;
    response.end(JSON.stringify(this.#result(path, text === "" ? {} : (JSON.parse(text) as Body))));
  }

  #result(path: string, { Name = "", Opts = {} }: Body): object {
    const known = this.volumes.has(Name);
    const shown = { Name, Mountpoint: join(this.#folder, Name) };
    switch (path) {
      case "/Plugin.Activate":
        return { Implements: ["VolumeDriver"] };
      case "/VolumeDriver.Capabilities":
        return { Capabilities: { Scope: this.scope } };
      case "/VolumeDriver.Create":
        if (this.refusal !== "") return { Err: this.refusal };
        this.volumes.set(Name, Opts ?? {});
        return {};
      case "/VolumeDriver.Get":
        return known ? { Volume: shown } : { Err: "no such volume" };
      case "/VolumeDriver.List":
        return { Volumes: [...this.volumes.keys()].map((name) => ({ Name: name })) };
      case "/VolumeDriver.Mount":
        mkdirSync(shown.Mountpoint, { recursive: true });
        this.mounted++;
        return { Mountpoint: shown.Mountpoint };
      case "/VolumeDriver.Unmount":
        this.mounted--;
        return {};
      case "/VolumeDriver.Path":
        return { Mountpoint: shown.Mountpoint };
      case "/VolumeDriver.Remove":
        this.volumes.delete(Name);
        return {};
      default:
        return { Err: `the fake plugin has no ${path}` };
    }
  }
}

interface Body {
  readonly Name?: string;
  readonly Opts?: Readonly<Record<string, string>> | null;
}
