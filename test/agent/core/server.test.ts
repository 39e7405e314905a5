import { statSync, writeFileSync } from "node:fs";
import { request, type IncomingMessage } from "node:http";
import { createServer } from "node:net";
import { join } from "node:path";
import { PassThrough } from "node:stream";
import { afterEach, beforeEach, expect, it } from "vitest";
import { createAgent, type Agent } from "../../../reconciler/agent/agent.ts";
import { createConfigFiles } from "../../../reconciler/agent/volumes/config/config-files.ts";
import { createVolumes } from "../../../reconciler/agent/volumes/volumes.ts";
import { serveAgent, type AgentServer } from "../../../reconciler/agent/server/server.ts";
import { dial } from "../../../reconciler/cli/verbs/agent-dial.ts";
import type { WatchLine } from "../../../reconciler/core/agent-wire.ts";
import { createSystemClock } from "../../../reconciler/sys/clock.ts";
import { createVirtualClock } from "../../../reconciler/sim/virtual-clock.ts";
import { bringUpSteps, spec, step } from "../../sim/fixtures.ts";
import { SETTINGS } from "./bench.ts";
import { FakeHost } from "./fake-host.ts";
import { FakeSecrets } from "./fake-secrets.ts";

const SILENT = { info: () => undefined, warn: () => undefined, error: () => undefined };

let host: FakeHost;
let agent: Agent;
let server: AgentServer;
let path: string;

beforeEach(async () => {
  // Real time, as sockets have no other.
  const clock = { ...createVirtualClock(0), ...createSystemClock() };
  host = new FakeHost(clock);
  path = join(host.folder, "a.sock");
  const { engine, network, cgroups, sampler, probe, machine, folder } = host;
  const files = { secrets: new FakeSecrets(), volumes: createVolumes([]), configs: createConfigFiles(join(folder, "config")) };
  agent = createAgent({ engine, network, cgroups, sampler, probe, ...files, machine, clock, log: SILENT, stateFolder: folder });
  server = await serveAgent(agent, path, SILENT);
  await agent.start();
});

afterEach(async () => {
  await server.close();
  await agent.close();
  host.remove();
});

interface Answer {
  readonly status: number;
  readonly body: string;
}

function open(method: string, url: string, body?: unknown, headers: Readonly<Record<string, string>> = {}): Promise<IncomingMessage> {
  const all = { "setpoint-wire": "1", "setpoint-fleet": "shop", ...headers };
  return new Promise((resolve, reject) => {
    const sent = request({ socketPath: path, method, path: url, headers: all, agent: false }, resolve);
    sent.on("error", reject);
    sent.end(typeof body === "string" ? body : body === undefined ? undefined : JSON.stringify(body));
  });
}

async function call(...args: Parameters<typeof open>): Promise<Answer> {
  const response = await open(...args);
  let body = "";
  for await (const chunk of response) body += String(chunk);
  return { status: response.statusCode ?? 0, body };
}

function codeIn({ status, body }: Answer): string {
  return `${status} ${(JSON.parse(body) as { code: string }).code}`;
}

it("takes settings, observes, and carries steps out", async () => {
  expect(codeIn(await call("GET", "/v1/observe"))).toBe("409 agent-settings");
  expect(await call("PUT", "/v1/settings", SETTINGS)).toEqual({ status: 204, body: "" });
  const actions = bringUpSteps(spec()).map((action, number) => ({ ...action, number }));
  const answer = await call("POST", "/v1/apply", { actions: [...actions, { ...step("awaitHealthy", {}), number: 9 }] });
  const results = answer.body
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line) as { number: number; outcome: string });
  expect(results.map(({ number, outcome }) => `${number} ${outcome}`)).toEqual(["0 done", "1 done", "2 done", "9 done"]);
  const seen = JSON.parse((await call("GET", "/v1/observe")).body) as { instances: unknown[] };
  expect(seen.instances).toMatchObject([{ set: "web", phase: "running", healthy: true }]);
});

it("refuses another fleet, another version and nonsense, and stays up", async () => {
  await call("PUT", "/v1/settings", SETTINGS);
  expect(codeIn(await call("GET", "/v1/observe", undefined, { "setpoint-fleet": "other" }))).toBe("409 agent-fleet");
  expect(codeIn(await call("PUT", "/v1/settings", { ...SETTINGS, fleet: "other" }, { "setpoint-fleet": "other" }))).toBe("409 agent-fleet");
  expect(codeIn(await call("GET", "/v1/observe", undefined, { "setpoint-wire": "2" }))).toBe("409 agent-wire");
  expect(codeIn(await call("POST", "/v1/lease", { boot: "x", beat: 1 }))).toBe("409 agent-boot");
  expect(codeIn(await call("GET", "/v1/nothing"))).toBe("404 agent-request");
  for (const body of [
    "{",
    { actions: 1 },
    { actions: [{ kind: "explode" }] },
    { actions: [{ ...step("confirmGone", {}), generation: 0 }] },
    { actions: [{ ...step("growVolume", { volume: "data", sizeBytes: 1 }), sizeBytes: undefined }] },
  ]) {
    expect(codeIn(await call("POST", "/v1/apply", body))).toBe("400 agent-request");
  }
  expect(codeIn(await call("POST", "/v1/apply", { actions: [step("confirmGone", {}, { host: "b-1" })] }))).toBe("400 agent-request");
  expect((await call("GET", "/v1/observe")).status).toBe(200);
});

it("takes a purge, which is of no generation", async () => {
  await call("PUT", "/v1/settings", SETTINGS);
  const purge = step("purgeVolume", { trashId: "web-0-data-5", trashedAtMs: 5 }, { generation: 0 });
  const { status, body } = await call("POST", "/v1/apply", { actions: [purge] });
  expect([status, body.includes('"outcome":"done"')]).toEqual([200, true]);
});

it("streams reports, heartbeats and samples, and renews the lease by echo", async () => {
  await call("PUT", "/v1/settings", { ...SETTINGS, leaseForMs: 15_000 });
  const response = await open("GET", "/v1/watch");
  const seen = new Set<string>();
  let text = "";
  for await (const chunk of response) {
    text += String(chunk);
    const lines = text.split("\n");
    text = lines.pop()!;
    for (const line of lines.map((it) => JSON.parse(it) as WatchLine)) {
      seen.add(line.type);
      if (line.type === "heartbeat") expect((await call("POST", "/v1/lease", { boot: line.boot, beat: line.beat })).status).toBe(204);
      if (line.type === "sample") expect(line.sample).toMatchObject({ host: "a-1", total: { load: 0.5 } });
    }
    if (seen.size === 3) break;
  }
  expect([...seen]).toEqual(["observation", "heartbeat", "sample"]);
});

it("keeps one line of each kind for a reader that is slow", async () => {
  await call("PUT", "/v1/settings", SETTINGS);
  host.engine.foreign = Array.from({ length: 10_000 }, (_, index) => `somebody-elses-container-${index}`);
  const response = await open("GET", "/v1/watch");
  response.pause();
  // Each report is 0.4 MB: all of them would not fit the socket's buffers.
  for (let index = 0; index < 10; index++) {
    host.engine.foreign = [...host.engine.foreign, `new-${index}`];
    await call("GET", "/v1/observe");
  }
  const versions: number[] = [];
  let text = "";
  for await (const chunk of response) {
    text += String(chunk);
    const lines = text.split("\n");
    text = lines.pop()!;
    for (const line of lines.map((it) => JSON.parse(it) as WatchLine))
      if (line.type === "observation") versions.push(line.observation.version);
    if (versions.at(-1) === (await agent.observe()).version) break;
  }
  expect(versions.length).toBeLessThan(9);
  expect(versions).toEqual(versions.toSorted((a, b) => a - b));
});

it("has a socket for its user only, one agent on it, and takes over what a dead one left", async () => {
  expect(statSync(path).mode & 0o777).toBe(0o600);
  await expect(serveAgent(agent, path, SILENT)).rejects.toMatchObject({ code: "agent-running" });
  const stale = join(host.folder, "stale.sock");
  const left = createServer().listen(stale);
  await new Promise((resolve) => left.once("listening", resolve));
  const kept = `${stale}.kept`;
  const { renameSync } = await import("node:fs");
  renameSync(stale, kept);
  await new Promise((resolve) => left.close(resolve));
  renameSync(kept, stale);
  await (await serveAgent(agent, stale, SILENT)).close();
  writeFileSync(stale, "no socket");
  await expect(serveAgent(agent, stale, SILENT)).rejects.toMatchObject({ code: "agent-state" });
});

it("is reached through dial, each way to its end", async () => {
  await call("PUT", "/v1/settings", SETTINGS);
  const [input, output] = [new PassThrough(), new PassThrough()];
  const dialled = dial(path, { input, output });
  input.end("GET /v1/observe HTTP/1.1\r\nhost: agent\r\nsetpoint-wire: 1\r\nsetpoint-fleet: shop\r\nconnection: close\r\n\r\n");
  expect(await dialled).toBe(0);
  expect(String(output.read())).toMatch(/^HTTP\/1.1 200 OK[^]*"host":"a-1"/);
  await expect(dial(join(host.folder, "none.sock"), { input: new PassThrough(), output: new PassThrough() })).rejects.toMatchObject({
    code: "agent-absent",
  });
});
