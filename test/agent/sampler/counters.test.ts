import { expect, test } from "vitest";
import { stackedMajors, sumAfter } from "../../../reconciler/agent/sampler/counters.ts";

test("devices that lie on others are known by their names", () => {
  const devices = "Character devices:\n  9 st\n253 watchdog\n\nBlock devices:\n  8 sd\n  9 md\n252 device-mapper\n253 virtblk\n";
  const stacked = stackedMajors(devices);
  expect([...stacked]).toEqual([9, 252]);
  expect(stackedMajors("")).toEqual(new Set());
  expect(sumAfter("252:0 Write 7\n253:16 Write 7\n9:1 Write 3\nTotal 14\n", " Write ", stacked)).toBe(7);
});
