import { describe, expect, test } from "vitest";
import { DEFAULT_OPTIONS } from "../../reconciler/run/options.ts";
import { createLoop, type Loop } from "../../reconciler/run/loop.ts";
import type { Clock } from "../../reconciler/run/ports.ts";
import { createVirtualClock } from "../../reconciler/sim/virtual-clock.ts";

/** A loop whose passes take `passMs` each, and when they began. */
function slowLoop(passMs: number, wakeAtMs: (nowMs: number) => number | null = () => null) {
  const virtual = createVirtualClock(1_000_000);
  let spentMs = 0;
  const clock: Clock = { ...virtual, now: () => virtual.now() + spentMs, monotonic: () => virtual.monotonic() + spentMs };
  const end = new AbortController();
  const begun: number[] = [];
  const loop: Loop = createLoop(clock, end.signal, DEFAULT_OPTIONS, () => {
    begun.push(clock.monotonic());
    spentMs += passMs;
    return wakeAtMs(clock.now());
  });
  return { virtual, loop, begun, end, running: loop.run() };
}

describe("the pause between passes", () => {
  test("is five times the last pass", async () => {
    const { virtual, loop, begun } = slowLoop(100);
    await virtual.advance(1);
    loop.request(0);
    await virtual.advance(2_000);
    expect(begun).toEqual([0, 600]);
  });

  test("is never more than a second", async () => {
    const { virtual, loop, begun } = slowLoop(700);
    await virtual.advance(1);
    loop.request(0);
    await virtual.advance(2_000);
    expect(begun).toEqual([0, 1_700]);
  });

  test("does not hold up a new revision", async () => {
    const { virtual, loop, begun } = slowLoop(100);
    await virtual.advance(1);
    loop.request(500);
    loop.requestNow();
    await virtual.advance(2_000);
    expect(begun).toEqual([0, 101]);
  });
});

describe("requests", () => {
  test("made while a pass runs are not lost, and several make one pass", async () => {
    const { virtual, loop, begun } = slowLoop(0);
    await virtual.advance(100);
    loop.request(50);
    loop.request(20);
    loop.request(70);
    expect(loop.requested()).toBe(true);
    await virtual.advance(1_000);
    expect(begun).toEqual([0, 120]);
    expect(loop.requested()).toBe(false);
  });

  test("a wake-up that is already due makes no busy loop", async () => {
    const { virtual, begun } = slowLoop(0, (nowMs) => nowMs - 5_000);
    await virtual.advance(1_000);
    expect(begun).toHaveLength(1_000 / DEFAULT_OPTIONS.debounceMs + 1);
  });

  test("end with the lifetime", async () => {
    const { virtual, loop, begun, end, running } = slowLoop(0);
    await virtual.advance(100);
    end.abort(new Error("over"));
    await running;
    loop.requestNow();
    await virtual.advance(60_000);
    expect(begun).toHaveLength(1);
  });
});
