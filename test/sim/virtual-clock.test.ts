import { expect, it } from "vitest";
import { createTimers } from "../../reconciler/sim/timers.ts";
import { createVirtualClock } from "../../reconciler/sim/virtual-clock.ts";

it("fires timers in order and lets consequences run between them", async () => {
  const clock = createVirtualClock(1000);
  const log: string[] = [];
  void clock.sleep(20).then(() => log.push(`b ${clock.monotonic()}`));
  void clock.sleep(10).then(async () => {
    log.push(`a ${clock.monotonic()}`);
    await clock.sleep(5);
    log.push(`c ${clock.monotonic()}`);
  });
  await clock.advance(100);
  expect(log).toEqual(["a 10", "c 15", "b 20"]);
  expect([clock.monotonic(), clock.now()]).toEqual([100, 1100]);
});

it("rejects an aborted sleep with the reason, and jumps only the wall clock", async () => {
  const clock = createVirtualClock(0);
  const abort = new AbortController();
  const sleep = clock.sleep(10, abort.signal);
  abort.abort(new Error("enough"));
  await expect(sleep).rejects.toThrow("enough");
  await expect(clock.sleep(1, abort.signal)).rejects.toThrow("enough");
  clock.jump(-3_600_000);
  expect([clock.now(), clock.monotonic()]).toEqual([-3_600_000, 0]);
  expect(await clock.step()).toBe(false);
});

it("keeps the order of ten thousand timers", async () => {
  const clock = createVirtualClock(0);
  const fired: number[] = [];
  const plain = { now: () => clock.now(), monotonic: () => clock.monotonic(), sleep: (ms: number) => clock.sleep(ms) };
  const timers = createTimers(plain, 2);
  for (let at = 0; at < 10_000; at++) timers.after((at * 7919) % 10_000, () => fired.push(clock.monotonic()));
  await clock.advance(10_000);
  expect(fired).toHaveLength(10_000);
  expect(fired).toEqual(fired.toSorted((a, b) => a - b));
  expect(fired.at(-1)).toBe(9999 / 2);
});

it("fires nothing after closing", async () => {
  const clock = createVirtualClock(0);
  const timers = createTimers(clock, 1);
  let fired = 0;
  timers.after(5, () => fired++);
  timers.after(7, () => fired++);
  await clock.advance(6);
  timers.close();
  await clock.advance(6);
  expect(fired).toBe(1);
});
