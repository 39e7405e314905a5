import { expect, test } from "vitest";
import { createTurns } from "../../reconciler/io/hosts/turns.ts";
import { createWheel } from "../../reconciler/io/hosts/wheel.ts";
import { createVirtualClock } from "../../reconciler/sim/virtual-clock.ts";

test("timers run in their order, never early, at most two ticks late", async () => {
  const clock = createVirtualClock(0);
  const wheel = createWheel(clock);
  const ran: [number, number][] = [];
  for (const delayMs of [950, 0, 100, 30_000, 101]) wheel.after(delayMs, () => ran.push([delayMs, clock.monotonic()]));
  await clock.advance(40_000);
  expect(ran.map(([delayMs]) => delayMs)).toEqual([0, 100, 101, 950, 30_000]);
  for (const [delayMs, atMs] of ran) {
    expect(atMs).toBeGreaterThanOrEqual(delayMs);
    expect(atMs).toBeLessThanOrEqual(delayMs + 200);
  }
});

test("what is taken back does not run; a wheel that stood still turns again", async () => {
  const clock = createVirtualClock(0);
  const wheel = createWheel(clock);
  let ran = "";
  wheel.after(100, () => (ran += "a"))();
  await clock.advance(1_000);
  wheel.after(100, () => (ran += "b"));
  await clock.advance(1_000);
  wheel.close();
  wheel.after(100, () => (ran += "c"));
  await clock.advance(1_000);
  expect(ran).toBe("b");
});

test("sleep ends with its signal", async () => {
  const wheel = createWheel(createVirtualClock(0));
  const stop = new AbortController();
  const slept = wheel.sleep(60_000, stop.signal);
  stop.abort();
  await expect(slept).resolves.toBeUndefined();
});

test("turns go round in the order asked for, and one that gave up is passed over", async () => {
  const turns = createTurns(1, 2);
  const never = new AbortController().signal;
  const stop = new AbortController();
  const first = await turns.take(never);
  const gaveUp = turns.take(stop.signal);
  const second = turns.take(never);
  await expect(turns.take(never)).rejects.toThrow("2 requests wait");
  stop.abort(new Error("enough"));
  await expect(gaveUp).rejects.toThrow("enough");
  first();
  first();
  const give = await second;
  const third = turns.take(never);
  give();
  await expect(third).resolves.toBeTypeOf("function");
});
