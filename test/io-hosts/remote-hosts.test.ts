import { test } from "vitest";
import { HostError } from "../../reconciler/run/ports.ts";
import { Bench, settings, step, until } from "./bench.ts";
import { done } from "./fake-agent.ts";

function bench(onTestFinished: (end: () => Promise<void>) => void): Bench {
  const made = new Bench();
  onTestFinished(() => made.close());
  return made;
}

const never = new AbortController().signal;

async function resultsOf(at: Bench, numbers: readonly number[], signal = never): Promise<(number | Error)[]> {
  const results: (number | Error)[] = [];
  try {
    for await (const result of at.hosts.apply("h-1", { actions: numbers.map((number) => step(number)) }, signal))
      results.push(result.number);
  } catch (error) {
    results.push(error as Error);
  }
  return results;
}

test.concurrent("a host hears its settings first, then is observed, heard, and gets its lease", async ({ expect, onTestFinished }) => {
  const at = bench(onTestFinished);
  const agent = await at.agent("h-1");
  at.follow("h-1");
  await until(() => at.seen.has("h-1") && agent.echoes.length > 0);
  expect(agent.settings).toEqual([settings("h-1")]);
  expect(at.seen.get("h-1")).toEqual([agent.observation]);
  expect(at.heard.get("h-1")).toBeGreaterThan(0);
  expect(agent.echoes[0]).toEqual({ boot: "boot-1", beat: 1 });
  expect(at.lost).toEqual([]);
});

test.concurrent("results come as they are ready, and the stream is used again", async ({ expect, onTestFinished }) => {
  const at = bench(onTestFinished);
  const agent = await at.agent("h-1");
  const slow = Promise.withResolvers<void>();
  agent.answer = async (action) => {
    if (action.number === 0) await slow.promise;
    return done(action);
  };
  at.follow("h-1");
  await until(() => at.seen.has("h-1"));
  const came: number[] = [];
  for await (const { number } of at.hosts.apply("h-1", { actions: [step(0), step(1)] }, never)) {
    came.push(number);
    slow.resolve();
  }
  expect(came).toEqual([1, 0]);
  const { streams } = agent;
  for (let round = 0; round < 5; round++) expect(await resultsOf(at, [round])).toEqual([round]);
  // A heartbeat may just have been echoed on the one that was free.
  expect(agent.streams).toBeLessThanOrEqual(streams + 1);
});

test.concurrent("settings that change are sent, the same ones are not", async ({ expect, onTestFinished }) => {
  const at = bench(onTestFinished);
  const agent = await at.agent("h-1");
  const entry = at.entry("h-1");
  at.follow(entry);
  await until(() => at.seen.has("h-1"));
  at.follow(entry);
  at.follow(at.entry("h-1", { leaseForMs: 30_000 }));
  await until(() => agent.settings.length === 2);
  expect(agent.settings[1]!.leaseForMs).toBe(30_000);
});

test.concurrent("observe asks the agent anew and shares what did not change", async ({ expect, onTestFinished }) => {
  const at = bench(onTestFinished);
  const agent = await at.agent("h-1");
  at.follow("h-1");
  await until(() => at.seen.has("h-1"));
  agent.observation = { ...agent.observation, version: 7, images: ["a"] };
  const now = await at.hosts.observe("h-1", never);
  expect(now).toEqual(agent.observation);
  expect(now.capacity).toBe(at.seen.get("h-1")![0]!.capacity);
});

test.concurrent("a broken stream leaves steps in doubt; the host is called again and told its settings", async ({
  expect,
  onTestFinished,
}) => {
  const at = bench(onTestFinished);
  const agent = await at.agent("h-1");
  agent.answer = () => new Promise(() => undefined);
  at.follow("h-1");
  await until(() => at.seen.has("h-1"));
  const results = resultsOf(at, [0, 1]);
  await until(() => agent.applied.length === 2);
  agent.breakStreams();
  expect(await results).toEqual([expect.any(HostError)]);
  await until(() => at.seen.get("h-1")!.length > 1);
  expect(at.lost).toEqual(["h-1: the agent closed the connection"]);
  expect(agent.settings).toHaveLength(2);
});

test.concurrent("one reply that is lost is a HostError and no loss of the host", async ({ expect, onTestFinished }) => {
  const at = bench(onTestFinished);
  const agent = await at.agent("h-1");
  agent.answer = () => Promise.reject(new Error("broken"));
  at.follow("h-1");
  await until(() => at.seen.has("h-1"));
  const results = await resultsOf(at, [0]);
  expect(results).toEqual([expect.any(HostError)]);
  expect(at.lost).toEqual([]);
  await expect(at.hosts.observe("h-1", never)).resolves.toEqual(agent.observation);
});

test.concurrent("a silent host is lost after three heartbeats, and delays nobody", async ({ expect, onTestFinished }) => {
  const at = bench(onTestFinished);
  const [mute, well] = [await at.agent("h-0"), await at.agent("h-1")];
  at.follow("h-0", "h-1");
  await until(() => at.seen.size === 2);
  mute.mute = true;
  mute.silent = true;
  const asked = at.hosts.observe("h-0", never).catch((error: unknown) => error);
  expect(await resultsOf(at, [0])).toEqual([0]);
  well.report({ images: ["x"] });
  await until(() => at.seen.get("h-1")!.length === 2);
  await until(() => at.lost.length > 0);
  expect(at.lost).toEqual(["h-0: no heartbeat for 3 s"]);
  expect(await asked).toEqual(new HostError("h-0: no heartbeat for 3 s"));
  await expect(at.hosts.observe("h-0", never)).rejects.toThrow("h-0: no heartbeat for 3 s");
});

test.concurrent("why a host can't be reached is told once, in words that say what to do", async ({ expect, onTestFinished }) => {
  const at = bench(onTestFinished);
  const agent = await at.agent("h-2");
  agent.refuse = { status: 409, code: "agent-fleet", message: "this host belongs to fleet other" };
  at.follow("h-1", "h-2");
  await until(() => at.lost.length === 2);
  const path = at.entry("h-1").agent.slice("unix://".length);
  expect(at.lost.sort()).toEqual([
    `h-1: no agent listens on ${path}; start it there with: setpoint agent`,
    "h-2: the agent refuses: this host belongs to fleet other",
  ]);
  await expect(at.hosts.observe("h-9", never)).rejects.toThrow("h-9 is not among the hosts followed");
});

test.concurrent("an agent that starts late is found", async ({ onTestFinished }) => {
  const at = bench(onTestFinished);
  at.follow("h-1");
  await until(() => at.lost.length === 1);
  await at.agent("h-1");
  await until(() => at.seen.has("h-1"));
});

test.concurrent("an abort ends the request with its own reason, at once", async ({ expect, onTestFinished }) => {
  const at = bench(onTestFinished);
  const agent = await at.agent("h-1");
  agent.answer = () => new Promise(() => undefined);
  at.follow("h-1");
  await until(() => at.seen.has("h-1"));
  const stop = new AbortController();
  const results = resultsOf(at, [0], stop.signal);
  await until(() => agent.applied.length === 1);
  const reason = new Error("enough");
  stop.abort(reason);
  expect(await results).toEqual([reason]);
  expect(at.lost).toEqual([]);
});

test.concurrent("a host that is followed no more is left, and what waits for it ends", async ({ expect, onTestFinished }) => {
  const at = bench(onTestFinished);
  const agent = await at.agent("h-1");
  agent.answer = () => new Promise(() => undefined);
  at.follow("h-1");
  await until(() => at.seen.has("h-1"));
  const results = resultsOf(at, [0]);
  await until(() => agent.applied.length === 1);
  at.follow();
  expect(await results).toEqual([expect.any(HostError)]);
  agent.report({ images: ["later"] });
  expect(at.lost).toEqual([]);
  expect(at.seen.get("h-1")).toHaveLength(1);
});

test.concurrent("no more requests at once than a host can take, and no endless queue", async ({ expect, onTestFinished }) => {
  const at = bench(onTestFinished);
  const agent = await at.agent("h-1");
  const go = Promise.withResolvers<void>();
  agent.answer = async (action) => {
    await go.promise;
    return done(action);
  };
  at.follow("h-1");
  await until(() => at.seen.has("h-1"));
  const all = Array.from({ length: 73 }, (_, number) => resultsOf(at, [number]));
  await until(() => agent.applied.length === 8);
  expect(await all[72]).toEqual([new HostError("h-1: 64 requests wait for it already")]);
  expect(agent.applied).toHaveLength(8);
  go.resolve();
  expect((await Promise.all(all.slice(0, 72))).flat()).toHaveLength(72);
});

test.concurrent("a line that is no line of an agent ends the connection", async ({ expect, onTestFinished }) => {
  const at = bench(onTestFinished);
  const agent = await at.agent("h-1");
  at.follow("h-1");
  await until(() => at.seen.has("h-1"));
  agent.say({ type: "sample", sample: { host: "h-1" } });
  agent.say({ type: "rumour" });
  agent.report({ images: ["x"] });
  await until(() => at.seen.get("h-1")!.length === 2);
  agent.say("\u0000");
  agent.report({ images: ["y"] });
  await until(() => at.seen.get("h-1")!.length === 3);
  expect(at.lost).toEqual([]);
});
