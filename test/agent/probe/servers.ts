import { createServer, type Server, type Socket } from "node:net";
import { once } from "node:events";

/** A server on a free port of 127.0.0.1 that does this with each connection. */
export interface TestServer {
  readonly port: number;
  close(): Promise<void>;
}

export async function listen(serve: (socket: Socket, request: string) => void): Promise<TestServer> {
  const sockets = new Set<Socket>();
  const server: Server = createServer((socket) => {
    sockets.add(socket);
    socket.on("error", () => {});
    socket.on("close", () => sockets.delete(socket));
    socket.once("data", (chunk) => serve(socket, chunk.toString("latin1")));
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("no port");
  return {
    port: address.port,
    close: async () => {
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, "close");
    },
  };
}
