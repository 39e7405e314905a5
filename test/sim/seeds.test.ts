import { describe, expect, it } from "vitest";
import { describeResult, runSeed } from "./run-seed.ts";

/** Seeds in every run of the tests; many more run in CI and by `npm run sim`. */
const SEEDS = 10;
const HOURS = 0.5;

async function mustHold(seed: string, hours: number): Promise<void> {
  const result = await runSeed(seed, hours);
  if (result.failure !== null) expect.fail(describeResult(result));
}

describe("seeded simulation", () => {
  it.each(Array.from({ length: SEEDS }, (_, at) => `test-${at + 1}`))("seed %s", (seed) => mustHold(seed, HOURS));

  it("takes the same course for the same seed", async () => {
    const [first, second] = [await runSeed("twice", 0.3), await runSeed("twice", 0.3)];
    expect(second).toEqual(first);
  });
});
