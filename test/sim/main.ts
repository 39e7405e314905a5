import { parseArgs } from "node:util";
import { describeResult, runSeed } from "./run-seed.ts";

const USAGE = `usage: npm run sim -- [SEED] [--hours H] [--seeds N] [--from S] [--keep]

  SEED       one seed, any text; without it, --seeds many
  --hours H  virtual hours of trouble per seed (default 2)
  --seeds N  how many numbered seeds (default 100)
  --from S   the first of them (default 1)
  --keep     go on after a seed that breaks a rule`;

const OPTIONS = {
  hours: { type: "string" },
  seeds: { type: "string" },
  from: { type: "string" },
  keep: { type: "boolean" },
  help: { type: "boolean", short: "h" },
} as const;

/** Runs seeds one after another; exit code 1 at the first broken rule, 2 when the command line is not understood. */
async function main(): Promise<void> {
  const given = readArguments();
  if (given === null) return;
  const { values, positionals } = given;
  if (values.help === true) return console.log(USAGE);
  const hours = Number(values.hours ?? 2);
  const count = Number(values.seeds ?? 100);
  const from = Number(values.from ?? 1);
  if (!(hours > 0) || !Number.isInteger(count) || count < 1 || !Number.isInteger(from) || positionals.length > 1) {
    console.error(USAGE);
    process.exitCode = 2;
    return;
  }
  const seeds = positionals.length === 1 ? positionals : Array.from({ length: count }, (_, at) => String(from + at));
  await runAll(seeds, hours, values.keep === true);
}

/** Null when something in it is unknown, which was said. */
function readArguments(): ReturnType<typeof parseArgs<{ options: typeof OPTIONS; allowPositionals: true }>> | null {
  try {
    return parseArgs({ options: OPTIONS, allowPositionals: true });
  } catch (error) {
    console.error(`${(error as Error).message}\n\n${USAGE}`);
    process.exitCode = 2;
    return null;
  }
}

async function runAll(seeds: readonly string[], hours: number, keepGoing: boolean): Promise<void> {
  const startedAt = performance.now();
  let failed = 0;
  let virtualHours = 0;
  let restores = 0;
  for (const [done, seed] of seeds.entries()) {
    if (done > 0 && done % 500 === 0) console.log(`${done} of ${seeds.length} seeds, ${failed} failed`);
    const result = await runSeed(seed, hours);
    virtualHours += result.virtualHours;
    restores += result.restores;
    if (result.failure !== null) failed++;
    if (result.failure !== null || seeds.length <= 20) console.log(describeResult(result));
    if (result.failure !== null && !keepGoing) break;
  }
  const seconds = (performance.now() - startedAt) / 1000;
  console.log(
    `${seeds.length} seeds, ${virtualHours.toFixed(0)} virtual hours in ${seconds.toFixed(1)} s, ${restores} volumes restored: ${failed === 0 ? "all rules held" : `${failed} failed`}`,
  );
  if (failed > 0) process.exitCode = 1;
}

await main();
