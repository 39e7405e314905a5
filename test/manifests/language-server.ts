import { spawn, type ChildProcessWithoutNullStreams } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";

const SERVER = join(import.meta.dirname, "../../node_modules/yaml-language-server/bin/yaml-language-server");
const DEADLINE_MS = 15_000;

export interface Place {
  readonly line: number;
  readonly character: number;
}

/** A running yaml-language-server; each call opens a text under a URI of its own. */
export interface LanguageServer {
  diagnostics(uri: string, text: string): Promise<{ readonly line: number; readonly message: string }[]>;
  completion(uri: string, text: string, place: Place): Promise<string[]>;
  hover(uri: string, text: string, place: Place): Promise<string>;
  close(): Promise<void>;
}

interface Message {
  readonly id?: number;
  readonly method?: string;
  readonly params?: {
    readonly uri?: string;
    readonly version?: number;
    readonly diagnostics?: readonly Diagnostic[];
    readonly items?: readonly unknown[];
  };
  readonly result?: unknown;
  readonly error?: unknown;
}

interface Diagnostic {
  readonly message: string;
  readonly range: { readonly start: Place };
}

/** Starts the server on stdio with completion, hover and validation on, and no schema store. */
export async function startLanguageServer(): Promise<LanguageServer> {
  const connection = new Connection(spawn(process.execPath, [SERVER, "--stdio"]));
  await connection.request("initialize", { processId: process.pid, rootUri: null, capabilities: { workspace: { configuration: true } } });
  connection.notify("initialized", {});
  const show = (uri: string, text: string): void => {
    connection.notify("textDocument/didOpen", { textDocument: { uri, languageId: "yaml", version: 1, text } });
  };
  const ask = (method: string, uri: string, text: string, position: Place): Promise<unknown> => {
    show(uri, text);
    return connection.request(method, { textDocument: { uri }, position });
  };
  return {
    async diagnostics(uri, text) {
      const published = connection.nextDiagnostics(uri);
      show(uri, text);
      return (await published).map(({ message, range }) => ({ line: range.start.line, message }));
    },
    async completion(uri, text, place) {
      const { items } = (await ask("textDocument/completion", uri, text, place)) as { items: readonly { readonly label: string }[] };
      return items.map(({ label }) => label);
    },
    async hover(uri, text, place) {
      return JSON.stringify(await ask("textDocument/hover", uri, text, place));
    },
    close: () => connection.close(),
  };
}

/** JSON-RPC with Content-Length headers over the stdio of a child process. */
class Connection {
  readonly #child: ChildProcessWithoutNullStreams;
  readonly #replies = new Map<number, (message: Message) => void>();
  readonly #diagnostics = new Map<string, (shown: readonly Diagnostic[]) => void>();
  #buffer = Buffer.alloc(0);
  #lastId = 0;

  constructor(child: ChildProcessWithoutNullStreams) {
    this.#child = child;
    child.stdout.on("data", (chunk: Buffer) => this.#read(chunk));
    child.stderr.resume();
  }

  request(method: string, params: unknown): Promise<unknown> {
    const id = ++this.#lastId;
    return withDeadline(method, (resolve, reject) => {
      this.#replies.set(id, ({ result, error }) => (error === undefined ? resolve(result) : reject(new Error(JSON.stringify(error)))));
      this.#send({ id, method, params });
    });
  }

  notify(method: string, params: unknown): void {
    this.#send({ method, params });
  }

  nextDiagnostics(uri: string): Promise<readonly Diagnostic[]> {
    return withDeadline(`diagnostics of ${uri}`, (resolve) => this.#diagnostics.set(uri, resolve));
  }

  async close(): Promise<void> {
    const ended = once(this.#child, "exit");
    this.#child.kill();
    await ended;
  }

  #send(message: object): void {
    const text = JSON.stringify({ jsonrpc: "2.0", ...message });
    this.#child.stdin.write(`Content-Length: ${Buffer.byteLength(text)}\r\n\r\n${text}`);
  }

  #read(chunk: Buffer): void {
    this.#buffer = Buffer.concat([this.#buffer, chunk]);
    for (;;) {
      const head = /^Content-Length: (\d+)\r\n(?:[^\r]+\r\n)*\r\n/.exec(this.#buffer.toString("latin1"));
      const end = head === null ? Infinity : head[0].length + Number(head[1]);
      if (head === null || this.#buffer.length < end) return;
      const message = JSON.parse(this.#buffer.toString("utf8", head[0].length, end)) as Message;
      this.#buffer = this.#buffer.subarray(end);
      this.#receive(message);
    }
  }

  #receive(message: Message): void {
    const { id, method, params } = message;
    if (id !== undefined && method === undefined) return this.#replies.get(id)?.(message);
    if (method === "textDocument/publishDiagnostics") return this.#diagnostics.get(params?.uri ?? "")?.(params?.diagnostics ?? []);
    // The server asks for its settings and to be told of changes: give it ours for the former, nothing for the latter.
    if (id !== undefined) this.#send({ id, result: method === "workspace/configuration" ? (params?.items ?? []).map(settingsOf) : null });
  }
}

function settingsOf(item: unknown): unknown {
  const { section } = item as { readonly section: string };
  return section === "yaml" ? { validate: true, hover: true, completion: true, schemaStore: { enable: false } } : {};
}

function withDeadline<Value>(
  what: string,
  start: (resolve: (value: Value) => void, reject: (error: Error) => void) => void,
): Promise<Value> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error(`no answer of the language server: ${what}`)), DEADLINE_MS);
    const settle =
      <Result>(next: (result: Result) => void): ((result: Result) => void) =>
      (result) => {
        clearTimeout(timer);
        next(result);
      };
    start(settle(resolve), settle(reject));
  });
}
