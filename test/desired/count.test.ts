import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { CountRule, DesiredSet, ScheduleRule } from "../../reconciler/core/desired.ts";
import { greatestTotal, targetCount } from "../../reconciler/plan/desired/count.ts";
import { windowState } from "../../reconciler/plan/desired/schedule.ts";

const EVERY_DAY = [0, 1, 2, 3, 4, 5, 6];

function rule(changes: Partial<ScheduleRule>): ScheduleRule {
  return { name: "p/r", timezone: "UTC", startMinute: 0, durationMinutes: 60, days: EVERY_DAY, floor: 1, ceiling: null, ...changes };
}

function setWith(count: CountRule, zonesSurvive = 0): Pick<DesiredSet, "count" | "placement"> {
  const placement = {
    zones: [],
    zonesMin: 1,
    zonesSurvive,
    hostLabels: {},
    strategy: "spread" as const,
    maxPerHost: null,
    apart: [],
    near: [],
    maxCorePerHost: null,
  };
  return { count, placement };
}

function elastic(schedules: readonly ScheduleRule[], bounds: Partial<{ min: number; max: number; initial: number }> = {}): CountRule {
  return { kind: "elastic", min: 1, max: 10, initial: 2, schedules, ...bounds };
}

const at = (iso: string): number => Date.parse(iso);
const utc = (ms: number | null): string | null => (ms === null ? null : new Date(ms).toISOString().replace(".000", ""));

/** First opening after `from` and the closing after it. */
function nextWindow(window: ScheduleRule, from: string): (string | null)[] {
  const opens = windowState(window, at(from)).nextChangeMs;
  expect(windowState(window, at(from)).open).toBe(false);
  expect(windowState(window, opens - 1).open).toBe(false);
  const state = windowState(window, opens);
  expect(state.open).toBe(true);
  expect(windowState(window, state.nextChangeMs - 1).open).toBe(true);
  expect(windowState(window, state.nextChangeMs).open).toBe(false);
  return [utc(opens), utc(state.nextChangeMs)];
}

describe("windows over clock changes", () => {
  it.each<[string, Partial<ScheduleRule>, string, string, string]>([
    [
      "an ordinary day in New York",
      { timezone: "America/New_York", startMinute: 150 },
      "2026-03-07T00:00:00Z",
      "2026-03-07T07:30:00Z",
      "2026-03-07T08:30:00Z",
    ],
    [
      "New York, 02:30 that is skipped: opens at 03:00",
      { timezone: "America/New_York", startMinute: 150 },
      "2026-03-08T00:00:00Z",
      "2026-03-08T07:00:00Z",
      "2026-03-08T08:00:00Z",
    ],
    [
      "New York, over the gap: lasts as long as it says",
      { timezone: "America/New_York", startMinute: 90, durationMinutes: 120 },
      "2026-03-08T05:00:00Z",
      "2026-03-08T06:30:00Z",
      "2026-03-08T08:30:00Z",
    ],
    [
      "New York, 01:30 that comes twice: the first",
      { timezone: "America/New_York", startMinute: 90 },
      "2026-11-01T00:00:00Z",
      "2026-11-01T05:30:00Z",
      "2026-11-01T06:30:00Z",
    ],
    [
      "New York, 02:00 after the overlap",
      { timezone: "America/New_York", startMinute: 120 },
      "2026-11-01T06:00:00Z",
      "2026-11-01T07:00:00Z",
      "2026-11-01T08:00:00Z",
    ],
    [
      "Berlin, 02:30 that is skipped: opens at 03:00",
      { timezone: "Europe/Berlin", startMinute: 150 },
      "2026-03-29T00:00:00Z",
      "2026-03-29T01:00:00Z",
      "2026-03-29T02:00:00Z",
    ],
    [
      "Berlin, 02:30 that comes twice: the first",
      { timezone: "Europe/Berlin", startMinute: 150 },
      "2026-10-24T23:00:00Z",
      "2026-10-25T00:30:00Z",
      "2026-10-25T01:30:00Z",
    ],
    [
      "Lord Howe, half an hour skipped: 02:15 opens at 02:30",
      { timezone: "Australia/Lord_Howe", startMinute: 135 },
      "2026-10-03T12:00:00Z",
      "2026-10-03T15:30:00Z",
      "2026-10-03T16:30:00Z",
    ],
    [
      "Lord Howe, half an hour twice: the first 01:45",
      { timezone: "Australia/Lord_Howe", startMinute: 105 },
      "2026-04-04T12:00:00Z",
      "2026-04-04T14:45:00Z",
      "2026-04-04T15:45:00Z",
    ],
    [
      "Santiago, midnight that is skipped: opens at 01:00",
      { timezone: "America/Santiago", startMinute: 0 },
      "2026-09-05T12:00:00Z",
      "2026-09-06T04:00:00Z",
      "2026-09-06T05:00:00Z",
    ],
    [
      "only on the day it names",
      { timezone: "Asia/Shanghai", startMinute: 1380, durationMinutes: 120, days: [6] },
      "2026-11-16T00:00:00Z",
      "2026-11-21T15:00:00Z",
      "2026-11-21T17:00:00Z",
    ],
    [
      "over several days",
      { startMinute: 720, durationMinutes: 3 * 1440, days: [1] },
      "2026-11-20T00:00:00Z",
      "2026-11-23T12:00:00Z",
      "2026-11-26T12:00:00Z",
    ],
  ])("%s", (_, changes, from, opens, closes) => {
    expect(nextWindow(rule(changes), from)).toEqual([opens, closes]);
  });

  it("open once a day for exactly their duration, all year, in any zone", () => {
    const zones = fc.constantFrom(
      "America/New_York",
      "Europe/Berlin",
      "Australia/Lord_Howe",
      "Asia/Shanghai",
      "America/Santiago",
      "Asia/Kathmandu",
    );
    fc.assert(
      fc.property(
        zones,
        fc.nat({ max: 1439 }),
        fc.integer({ min: 1, max: 600 }),
        fc.nat({ max: 364 }),
        (timezone, startMinute, durationMinutes, day) => {
          const window = rule({ timezone, startMinute, durationMinutes });
          let nowMs = at("2026-01-01T00:00:00Z") + day * 86_400_000;
          let state = windowState(window, nowMs);
          for (let change = 0; change < 4; change++) {
            const next = windowState(window, state.nextChangeMs);
            expect(next.open).toBe(!state.open);
            if (next.open) expect(next.nextChangeMs - state.nextChangeMs).toBe(durationMinutes * 60_000);
            expect(state.nextChangeMs - nowMs).toBeLessThanOrEqual(25 * 3_600_000);
            nowMs = state.nextChangeMs;
            state = next;
          }
        },
      ),
      { numRuns: 60 },
    );
  });

  it("don't depend on what was asked before", () => {
    const asked = rule({ timezone: "Europe/Berlin", startMinute: 150 });
    for (const time of ["2026-03-29T01:30:00Z", "2026-03-28T00:00:00Z", "2026-10-25T00:45:00Z", "2026-03-29T00:59:59Z"]) {
      expect(windowState(asked, at(time))).toEqual(windowState({ ...asked }, at(time)));
    }
  });
});

describe("target count", () => {
  const noon = at("2026-11-20T12:00:00Z");
  const peak = rule({ name: "p/peak", startMinute: 660, durationMinutes: 120, floor: 6 });
  const calm = rule({ name: "p/calm", startMinute: 600, durationMinutes: 180, floor: null, ceiling: 4 });

  it.each<[string, CountRule, number | null, number, string, string | null]>([
    ["fixed", { kind: "fixed", replicas: 3 }, 9, 3, "replicas 3", null],
    ["elastic at first", elastic([]), null, 2, "initial 2", null],
    ["elastic later", elastic([]), 7, 7, "last count 7", null],
    ["remembered above max", elastic([]), 70, 10, "max 10, last count 70", null],
    ["remembered below min", elastic([], { min: 3, initial: 3 }), 1, 3, "min 3, last count 1", null],
    ["floor of an open window", elastic([peak]), null, 6, "floor 6 of schedule p/peak", "2026-11-20T13:00:00Z"],
    [
      "a window that closed leaves nothing behind",
      elastic([rule({ startMinute: 0, floor: 9 })]),
      9,
      2,
      "initial 2",
      "2026-11-21T00:00:00Z",
    ],
    [
      "the highest floor",
      elastic([peak, rule({ name: "p/x", startMinute: 700, durationMinutes: 60, floor: 8 })]),
      null,
      8,
      "floor 8 of schedule p/x",
      "2026-11-20T12:40:00Z",
    ],
    ["a ceiling wins over a floor", elastic([calm, peak]), null, 4, "ceiling 4 of schedule p/calm", "2026-11-20T13:00:00Z"],
    ["a ceiling above the count", elastic([calm]), null, 2, "initial 2", "2026-11-20T13:00:00Z"],
    ["max wins over a floor", elastic([peak], { max: 5 }), null, 5, "max 5, floor 6 of schedule p/peak", "2026-11-20T13:00:00Z"],
    [
      "min wins over a ceiling",
      elastic([calm], { min: 5, initial: 5 }),
      null,
      5,
      "min 5, ceiling 4 of schedule p/calm",
      "2026-11-20T13:00:00Z",
    ],
  ])("%s", (_, count, memoryCount, expected, why, nextChange) => {
    const target = targetCount(setWith(count), memoryCount, noon, 3);
    expect({ ...target, nextChangeMs: utc(target.nextChangeMs) }).toEqual({
      count: expected,
      spare: 0,
      why,
      shortfall: null,
      nextChangeMs: nextChange,
    });
  });

  it.each([
    [3, 3, 2],
    [2, 2, 2],
    [1, 3, 1],
    [4, 5, 1],
    [0, 3, 0],
    [9, 10, 1],
  ])("%i that must survive the loss of one of %i zones take %i more", (replicas, zones, spare) => {
    expect(targetCount(setWith({ kind: "fixed", replicas }, 1), null, noon, zones)).toMatchObject({
      count: replicas,
      spare,
      shortfall: null,
    });
  });

  it("takes the smallest total that stands after losing the fullest zone", () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 500 }), fc.integer({ min: 2, max: 20 }), (replicas, zones) => {
        const set = setWith({ kind: "fixed", replicas }, 1);
        const total = replicas + targetCount(set, null, noon, zones).spare;
        const left = (total: number): number => total - Math.ceil(total / zones);
        expect(left(total)).toBeGreaterThanOrEqual(replicas);
        expect(left(total - 1)).toBeLessThan(replicas);
        expect(greatestTotal(set, zones)).toBe(total);
      }),
    );
  });

  it("says what is short when there is no second zone", () => {
    const set = setWith({ kind: "fixed", replicas: 2 }, 1);
    expect(targetCount(set, null, noon, 1)).toMatchObject({
      count: 2,
      spare: 0,
      shortfall: "surviving the loss of a zone takes at least 2 usable zones; only 1 is",
    });
    expect(targetCount(set, null, noon, 0)).toMatchObject({
      spare: 0,
      shortfall: "surviving the loss of a zone takes at least 2 usable zones; none is",
    });
    expect(greatestTotal(setWith(elastic([], { max: 7 })), 1)).toBe(7);
  });
});
