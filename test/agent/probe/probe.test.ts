import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { isOnBridge } from "../../../reconciler/agent/probe/bridge-route.ts";
import { createProber, type Prober } from "../../../reconciler/agent/probe/probe.ts";
import type { HealthCheck } from "../../../reconciler/core/desired.ts";
import { listen, type TestServer } from "./servers.ts";

const HEADER = "Iface\tDestination\tGateway\tFlags\tRefCnt\tUse\tMetric\tMask\tMTU\tWindow\tIRTT\n";
/** The kernel writes addresses backwards: 127.0.0.0/8 and 10.1.2.0/24 on bridges, 10.1.0.0/16 behind another router, the rest likewise. */
const ROUTES = `${HEADER}docker0\t0000007F\t00000000\t0001\t0\t0\t0\t000000FF\t0\t0\t0
br-1\t0002010A\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0
eth0\t0000010A\t01020304\t0003\t0\t0\t0\t0000FFFF\t0\t0\t0
eth0\t00000000\t0100A8C0\t0003\t0\t0\t0\t00000000\t0\t0\t0
eth1\t0000010B\t00000000\t0001\t0\t0\t0\t0000FFFF\t0\t0\t0
`;

let folder: string;
let server: TestServer | null = null;
let prober: Prober;
const signal = AbortSignal.timeout(60_000);
const target = { containerId: "c1", infraPid: process.pid, ip: "127.0.0.1" };

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "setpoint-probe-"));
  mkdirSync(join(folder, "proc/net"), { recursive: true });
  for (const device of ["docker0", "br-1"]) mkdirSync(join(folder, "sys/class/net", device, "bridge"), { recursive: true });
  writeFileSync(join(folder, "proc/net/route"), ROUTES);
  prober = makeProber({});
});

afterEach(async () => {
  prober.close();
  await server?.close();
  server = null;
  rmSync(folder, { recursive: true });
});

function makeProber(change: Partial<Parameters<typeof createProber>[0]>): Prober {
  const exec = async (): Promise<never> => Promise.reject(new Error("not asked for"));
  return createProber({ exec, monotonic: () => performance.now(), proc: join(folder, "proc"), sys: join(folder, "sys"), ...change });
}

function check(probe: HealthCheck["probe"], timeoutMs = 5_000): HealthCheck {
  return { probe, timeoutMs, intervalMs: 10_000, failures: 3, startPeriodMs: 0 };
}

async function freePort(): Promise<number> {
  const free = await listen(() => {});
  await free.close();
  return free.port;
}

test.each([
  ["10.1.2.9", true],
  ["10.1.3.9", false],
  ["11.1.2.3", false],
  ["8.8.8.8", false],
])("%s is on a bridge of this host: %s", (ip, expected) => {
  expect(isOnBridge(ip, { proc: join(folder, "proc"), sys: join(folder, "sys") })).toBe(expected);
});

describe("from the host", () => {
  test.each([
    ["HTTP/1.1 200 OK\r\n", null],
    ["HTTP/1.0 302 Found\n", null],
    ["HTTP/1.1 503 Service Unavailable\r\n", "answered 503"],
    ["SSH-2.0-OpenSSH\r\n", "answered, but not in HTTP"],
    ["HTTP/1.1 2", "connection closed without an answer"],
  ])("http: %j gives %j", async (text, expected) => {
    server = await listen((socket) => socket.end(text));
    expect(await prober.probe(target, check({ kind: "http", port: server.port, path: "/" }), signal)).toBe(expected);
  });

  test("http asks for the path once, and does not wait for the end of the answer", async () => {
    const requests: string[] = [];
    server = await listen((socket, request) => {
      requests.push(request);
      socket.write("HTTP/1.1 200 OK\r\n\r\nendless");
    });
    expect(await prober.probe(target, check({ kind: "http", port: server.port, path: "/a b\r\nX: y?q=1" }), signal)).toBeNull();
    expect(requests.map((request) => request.split("\r\n").slice(0, 2))).toEqual([
      ["GET /a%20b%0D%0AX:%20y?q=1 HTTP/1.1", `Host: 127.0.0.1:${server.port}`],
    ]);
  });

  test("silence ends at the check's timeout, or with the signal", async () => {
    server = await listen(() => {});
    const silent = check({ kind: "http", port: server.port, path: "/" }, 100);
    expect(await prober.probe(target, silent, signal)).toBe("no answer within 0.1 s");
    const aborted = prober.probe(target, { ...silent, timeoutMs: 5_000 }, AbortSignal.timeout(50));
    await expect(aborted).rejects.toMatchObject({ name: "TimeoutError" });
  });

  test("tcp: a connection is all, none is refused", async () => {
    server = await listen(() => {});
    expect(await prober.probe(target, check({ kind: "tcp", port: server.port }), signal)).toBeNull();
    expect(await prober.probe(target, check({ kind: "tcp", port: await freePort() }), signal)).toBe("connection refused");
  });
});

describe("when the network can't be entered", () => {
  beforeEach(() => {
    prober.close();
    prober = makeProber({ perl: "no-such-perl" });
  });

  test("off the bridges nothing else is asked: another machine could answer", async () => {
    writeFileSync(join(folder, "proc/net/route"), HEADER);
    server = await listen((socket) => socket.end("HTTP/1.1 200 OK\r\n"));
    const problem = await prober.probe(target, check({ kind: "http", port: server.port, path: "/" }), signal);
    expect(problem).toBe("can't probe inside the Instance's network: there is no no-such-perl on this host");
  });

  test("on a bridge the host's own way stays, also after a silence", async () => {
    let silent = true;
    server = await listen((socket) => void (silent || socket.end("HTTP/1.1 200 OK\r\n")));
    const http = check({ kind: "http", port: server.port, path: "/" }, 100);
    expect(await prober.probe(target, http, signal)).toBe("no answer within 0.1 s");
    expect(await prober.probe(target, http, signal)).toBe("no answer within 0.1 s");
    silent = false;
    expect(await prober.probe(target, { ...http, timeoutMs: 5_000 }, signal)).toBeNull();
  });
});

describe("exec", () => {
  const command = check({ kind: "exec", command: ["test", "-f", "/ready"] }, 100);

  test.each([
    [0, "fine\n", null],
    [1, "", "exit code 1"],
    [7, "  not ready: no database \nmore\n", "exit code 7: not ready: no database"],
  ])("exit code %d", async (exitCode, output, expected) => {
    const asked: unknown[] = [];
    prober = makeProber({
      exec: async (id, argv) => {
        asked.push([id, argv]);
        return { exitCode, output };
      },
    });
    expect(await prober.probe(target, command, signal)).toBe(expected);
    expect(asked).toEqual([["c1", ["test", "-f", "/ready"]]]);
  });

  test("a command that hangs, and one that can't run", async () => {
    prober = makeProber({ exec: async (_id, _argv, aborted) => sleep(10_000, undefined as never, { signal: aborted }) });
    expect(await prober.probe(target, command, signal)).toBe("no answer within 0.1 s");
    prober = makeProber({ exec: async () => Promise.reject(new Error("no such container")) });
    expect(await prober.probe(target, command, signal)).toBe("the command could not run: no such container");
  });
});
