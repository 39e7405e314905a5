import { spawn, type ChildProcess } from "node:child_process";
import { readFileSync, readlinkSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, expect, test } from "vitest";
import { createProber, type Prober } from "../../../reconciler/agent/probe/probe.ts";
import type { HealthCheck } from "../../../reconciler/core/desired.ts";
import { listen } from "../../agent/probe/servers.ts";

const IP = "10.231.7.9";
/** An Instance's network that no route of the host leads to: an address of its own, a web server, and a port that takes connections and is silent. */
const INSTANCE = `
  const net = require("node:net");
  require("node:child_process").execFileSync("ip", ["-batch", "-"], { input: "link set lo up\\naddr add ${IP}/32 dev lo\\n" });
  const web = net.createServer((socket) => socket.once("data", (data) =>
    socket.end(String(data).startsWith("GET /bad ") ? "HTTP/1.1 500 No\\r\\n\\r\\n" : "HTTP/1.1 204 Fine\\r\\n\\r\\n")));
  const silent = net.createServer((socket) => socket.on("error", () => {}));
  web.listen(8080, "0.0.0.0", () => silent.listen(9090, "0.0.0.0", () => console.log("ready")));
`;

let instance: ChildProcess;
let prober: Prober;
const signal = AbortSignal.timeout(120_000);

beforeAll(async () => {
  instance = spawn("unshare", ["--net", process.execPath, "-e", INSTANCE], { stdio: ["ignore", "pipe", "inherit"] });
  for await (const chunk of instance.stdout!) if (String(chunk).includes("ready")) break;
  prober = makeProber(() => performance.now());
});

afterAll(() => {
  prober.close();
  instance.kill("SIGKILL");
});

function probe(kind: HealthCheck["probe"], { pid = instance.pid!, timeoutMs = 5_000 } = {}): Promise<string | null> {
  const check = { probe: kind, timeoutMs, intervalMs: 1_000, failures: 1, startPeriodMs: 0 };
  return prober.probe({ containerId: "c", infraPid: pid, ip: IP }, check, signal);
}

test("passes, refuses, answers and is silent as the Instance does", async () => {
  expect(await probe({ kind: "http", port: 8080, path: "/" })).toBeNull();
  expect(await probe({ kind: "http", port: 8080, path: "/bad" })).toBe("answered 500");
  expect(await probe({ kind: "tcp", port: 9090 })).toBeNull();
  expect(await probe({ kind: "tcp", port: 9091 })).toBe("connection refused");
  expect(await probe({ kind: "http", port: 9090, path: "/" }, { timeoutMs: 200 })).toBe("no answer within 0.2 s");
});

test("an Instance that is gone refuses; many at once keep their answers apart", async () => {
  expect(await probe({ kind: "tcp", port: 9090 }, { pid: 2 ** 22 + 1 })).toBe("connection refused");
  const paths = Array.from({ length: 200 }, (_, at) => (at % 2 === 0 ? "/" : "/bad"));
  const answers = await Promise.all(paths.map((path) => probe({ kind: "http", port: 8080, path })));
  expect(answers).toEqual(paths.map((path) => (path === "/" ? null : "answered 500")));
});

test("only the Instance's own network is asked, and the helper holds none of them afterwards", async () => {
  const here = await listen((socket) => socket.end("HTTP/1.1 200 OK\r\n\r\n"));
  expect(await probe({ kind: "http", port: here.port, path: "/" })).toBe("connection refused");
  await here.close();
  const inside = readlinkSync(`/proc/${instance.pid}/ns/net`);
  const helpers = findHelpers();
  expect(helpers).toHaveLength(1);
  expect(readlinkSync(`/proc/${helpers[0]}/ns/net`)).not.toBe(inside);
});

test("a helper that was killed is started anew after a while; until then the reason is told", async () => {
  let nowMs = 0;
  prober.close();
  prober = makeProber(() => nowMs);
  const ask = (): Promise<string | null> => probe({ kind: "tcp", port: 9090 }, { timeoutMs: 2_000 });
  expect(await ask()).toBeNull();
  for (const pid of findHelpers()) process.kill(pid, "SIGKILL");
  await sleep(200);
  expect(await probe({ kind: "tcp", port: 9090 }, { timeoutMs: 100 })).toBe("can't probe inside the Instance's network: perl ended");
  nowMs += 30_000;
  expect(await ask()).toBeNull();
});

/** Of this process. */
function findHelpers(): readonly number[] {
  const children = readFileSync(`/proc/self/task/${process.pid}/children`, "utf8").trim().split(" ").map(Number);
  return children.filter((pid) => pid > 0 && readFileSync(`/proc/${pid}/cmdline`, "utf8").includes("probe/inside.pl"));
}

function makeProber(monotonic: () => number): Prober {
  return createProber({ exec: async () => Promise.reject(new Error("not asked for")), monotonic });
}
