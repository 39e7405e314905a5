import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { describeResult, runSeed } from "./run-seed.ts";

const regressions = readFileSync(new URL("regressions.txt", import.meta.url), "utf8")
  .split("\n")
  .filter((line) => /^\S+ [\d.]+ {2}/.test(line))
  .map((line) => {
    const [, seed, hours, what] = /^(\S+) ([\d.]+) {2}(.*)$/.exec(line)!;
    return { seed: seed!, hours: Number(hours), what: what! };
  });

async function mustHold(seed: string, hours: number): Promise<void> {
  const result = await runSeed(seed, hours);
  if (result.failure !== null) expect.fail(describeResult(result));
}

describe("seeds that once failed", () => {
  it("has some", () => expect(regressions.length).toBeGreaterThan(0));

  it.each(regressions)("$seed: $what", ({ seed, hours }) => mustHold(seed, hours));
});
