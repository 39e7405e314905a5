import fc from "fast-check";
import { describe, expect, it } from "vitest";
import * as units from "../../reconciler/core/units.ts";

const natural = fc.nat({ max: Number.MAX_SAFE_INTEGER });

describe("quantities come back from what they are printed as", () => {
  const pairs: readonly [string, (value: number) => string, (written: string) => number | null, fc.Arbitrary<number>][] = [
    ["cpu", units.formatCpu, units.parseCpu, fc.nat({ max: 1e12 })],
    ["bytes", units.formatBytes, units.parseBytes, natural],
    [
      "round bytes",
      units.formatBytes,
      units.parseBytes,
      fc.tuple(fc.nat({ max: 4096 }), fc.nat({ max: 4 })).map(([n, power]) => n * 1024 ** power),
    ],
    ["rate", units.formatRate, units.parseRate, natural],
    ["byte rate", units.formatBytes, units.parseByteRate, natural],
    ["duration", units.formatDuration, units.parseDuration, natural],
    ["percent", units.formatPercent, units.parsePercent, fc.nat({ max: 100_000 }).map((n) => Number((n / 100_000).toFixed(5)))],
  ];
  it.each(pairs)("%s", (_, format, parse, values) => {
    fc.assert(fc.property(values, (value) => parse(format(value)) === value));
  });
});

describe("parsers never throw", () => {
  it("returns a whole number or null for any text", () => {
    const parsers = [units.parseCpu, units.parseBytes, units.parseRate, units.parseByteRate, units.parseDuration, units.parseTimeOfDay];
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.stringMatching(/^[0-9.]{0,25}[a-zA-Z]{0,4}$/)), (text) =>
        parsers.every((parse) => {
          const value = parse(text);
          return value === null || (Number.isSafeInteger(value) && value >= 0);
        }),
      ),
    );
  });
});

describe("values", () => {
  it.each([
    [units.parseCpu("500m"), 500],
    [units.parseCpu("2"), 2000],
    [units.parseCpu(1.5), 1500],
    [units.parseCpu("0.0005"), null],
    [units.parseCpu("1.5m"), null],
    [units.parseCpu("-1"), null],
    [units.parseCpu(1e21), null],
    [units.parseBytes("1Gi"), 1_073_741_824],
    [units.parseBytes("1.5Gi"), 1_610_612_736],
    [units.parseBytes("1G"), 1_000_000_000],
    [units.parseBytes(1024), 1024],
    [units.parseBytes("1K"), null],
    [units.parseBytes("1GB"), null],
    [units.parseBytes("0.3Ki"), null],
    [units.parseBytes("8Pi"), null],
    [units.parseBytes("9007199254740991"), Number.MAX_SAFE_INTEGER],
    [units.parseBytes("9007199254740992"), null],
    [units.parseBytes(" 1Gi"), null],
    [units.parseRate("200mbit"), 200_000_000],
    [units.parseRate("1gbit"), 1_000_000_000],
    [units.parseRate("64kbit"), 64_000],
    [units.parseRate("200"), null],
    [units.parseRate("200Mbit"), null],
    [units.parseDuration("90s"), 90_000],
    [units.parseDuration("1h30m"), 5_400_000],
    [units.parseDuration("500ms"), 500],
    [units.parseDuration("7d"), 604_800_000],
    [units.parseDuration("5m500ms"), 300_500],
    [units.parseDuration(""), null],
    [units.parseDuration("90"), null],
    [units.parseDuration("30m1h"), null],
    [units.parseDuration("1.5h"), null],
    [units.parsePercent("80%"), 0.8],
    [units.parsePercent("12.5%"), 0.125],
    [units.parsePercent("80"), null],
    [units.parseTimeOfDay("08:30"), 510],
    [units.parseTimeOfDay("24:00"), null],
  ])("%s is %s", (value, expected) => {
    expect(value).toBe(expected);
  });

  it.each([
    [units.formatCpu(250), "250m"],
    [units.formatCpu(1500), "1.5"],
    [units.formatCpu(1250), "1250m"],
    [units.formatBytes(1_610_612_736), "1.5Gi"],
    [units.formatBytes(1_000_000_000), "1G"],
    [units.formatBytes(1025), "1025"],
    [units.formatBytes(0), "0"],
    [units.formatBytesRounded(1_610_612_737), "1.5Gi"],
    [units.formatBytesRounded(1000), "1000"],
    [units.formatRate(200_000_000), "200mbit"],
    [units.formatRate(1_500_000_000), "1.5gbit"],
    [units.formatDuration(90_000), "1m30s"],
    [units.formatDuration(0), "0s"],
    [units.formatPercent(0.8), "80%"],
  ])("%s is %s", (text, expected) => {
    expect(text).toBe(expected);
  });
});
