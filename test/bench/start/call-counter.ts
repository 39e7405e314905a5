import { createServer, connect } from "node:net";

/** A socket in front of an engine's own that counts the calls which pass. */
export interface CallCounter {
  /** Calls so far by method and kind of path, such as `GET /containers/json`. */
  readonly calls: ReadonlyMap<string, number>;
  close(): Promise<void>;
}

const REQUEST_LINE = /^(GET|POST|PUT|DELETE|HEAD) (?:\/v[\d.]+)?(\/[^ ?]*)\S* HTTP\/1\.1\r?$/gm;

/** Listens on `path` and passes all on to `target`. */
export async function countCalls(path: string, target: string): Promise<CallCounter> {
  const calls = new Map<string, number>();
  const server = createServer((near) => {
    const far = connect(target);
    near.on("data", (chunk: Buffer) => {
      for (const [, method, call] of chunk.toString("latin1").matchAll(REQUEST_LINE)) {
        const name = `${method} ${call!.replace(/\/[0-9a-f]{12,64}(?=\/|$)/, "/ID")}`;
        calls.set(name, (calls.get(name) ?? 0) + 1);
      }
    });
    near.pipe(far).pipe(near);
    const end = (): void => {
      near.destroy();
      far.destroy();
    };
    for (const socket of [near, far]) socket.on("error", end).on("close", end);
  });
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(path, resolve);
  });
  return { calls, close: () => new Promise((resolve) => server.close(() => resolve())) };
}
