import { expect } from "vitest";
import { describe, test } from "vitest";
import { fc, test as property } from "@fast-check/vitest";
import { roughDuration } from "../../reconciler/cli/columns.ts";
import { shorten, tableLines, textWidth, type Column } from "../../reconciler/cli/table.ts";
import { waterfall } from "../../reconciler/cli/waterfall.ts";
import { wrap } from "../../reconciler/cli/wrap.ts";

type Row = readonly [string, string, string];

const COLUMNS: readonly Column<Row>[] = [
  { title: "name", cell: (row) => row[0], whole: true },
  { title: "text", cell: (row) => row[1] },
  { title: "more", cell: (row) => row[2] },
];

describe("tables", () => {
  test("the widest column gives way, names stay whole", () => {
    const rows: Row[] = [["web/0", "a short text", "a much longer text than the other one"]];
    expect(tableLines(rows, COLUMNS, 40)).toEqual(["NAME   TEXT          MORE", "web/0  a short text  a much longer text…"]);
    expect(tableLines(rows, COLUMNS, 16)).toEqual(["NAME   TEXT", "web/0  a short…"]);
    expect(tableLines(rows, COLUMNS, 3)).toEqual(["NAME", "web/0"]);
  });

  property.prop([
    fc.array(fc.tuple(fc.string({ maxLength: 8 }), fc.string({ unit: "grapheme" }), fc.string())),
    fc.integer({ min: 22, max: 200 }),
  ])("every line fits", (rows, width) => {
    for (const line of tableLines(rows, COLUMNS, width)) expect(textWidth(line)).toBeLessThanOrEqual(width);
  });

  test("wide characters take two columns", () => {
    expect(shorten("北京机房", 8)).toBe("北京机房");
    expect(shorten("北京机房", 7)).toBe("北京机…");
  });
});

describe("texts for people", () => {
  test.each([
    [0, "0ms"],
    [950, "950ms"],
    [1500, "1.5s"],
    [59_400, "59s"],
    [185_000, "3m5s"],
    [7_200_000, "2h"],
    [90_061_000, "1d1h"],
  ])("a duration of %d ms is %s", (ms, text) => expect(roughDuration(ms)).toBe(text));

  test("sentences break at spaces", () => {
    expect(wrap("one two three four", 10)).toBe("one two\n  three\n  four");
    expect(wrap("one two", Infinity)).toBe("one two");
  });

  test("a waterfall shows each step where it lies in time", () => {
    const task = {
      taskId: "t",
      set: "web",
      trigger: "create",
      commit: "c",
      openedAtMs: 0,
      closedAtMs: null,
      verdict: null,
      why: "",
    } as const;
    const span = { id: "1.0", slot: "web/0", host: "a-1", message: "" };
    const spans = [
      { ...span, kind: "pullImage", startedAtMs: 0, endedAtMs: 500, outcome: "done" },
      { ...span, kind: "startInstance", startedAtMs: 500, endedAtMs: 750, outcome: "failed", message: "no such image" },
      { ...span, kind: "awaitHealthy", startedAtMs: 900, endedAtMs: null, outcome: null },
    ] as const;
    expect(waterfall({ task, spans }, 1000, 56)).toEqual([
      "  web/0  a-1  pullImage      500ms  ██████████",
      "  web/0  a-1  startInstance  250ms           ░░░░░  fai…",
      "  web/0  a-1  awaitHealthy   100ms                   ▒▒…",
    ]);
  });
});
