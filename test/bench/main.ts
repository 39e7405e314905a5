import { fork } from "node:child_process";
import { parseArgs } from "node:util";
import { benchBaseline } from "./baseline.ts";
import { argminPerSecond, type Figures, type Job } from "./figures.ts";
import { benchPlacements, benchSetpoint } from "./setpoint.ts";

const USAGE = `usage: npm run bench -- [--json] [--quick] [--hosts N]

  --json     one object: the figures, the baseline's under "baseline", the machine's own under "argminPerSecond"
  --quick    one small fleet, few runs
  --hosts N  size of the fleet (default 5000; 6.6 Instances of 3 containers a host)`;

/** Keys in the order of the table, with how to print them. */
const ROWS: readonly (readonly [keyof Figures, string, number])[] = [
  ["coldPlanMs", "cold full plan, ms", 0],
  ["noopPassMs", "no-op full pass, ms", 0],
  ["oneSetPassMs", "pass after a one-Set commit, ms", 1],
  ["placementsPerSecond", "placements per second", 0],
  ["peakRssMiB", "peak RSS, MiB", 0],
  ["journalBytes", "journal after the rollout, bytes", 0],
];

async function main(): Promise<void> {
  const options = { json: { type: "boolean" }, quick: { type: "boolean" }, hosts: { type: "string" }, help: { type: "boolean" } } as const;
  const { values } = parseArgs({ options });
  const hosts = Number(values.hosts ?? (values.quick === true ? 500 : 5000));
  if (values.help === true || !Number.isInteger(hosts) || hosts < 10) {
    console.error(USAGE);
    process.exitCode = values.help === true ? 0 : 2;
    return;
  }
  const runs = values.quick === true ? 3 : 5;
  const machine = argminPerSecond(hosts);
  const placements = benchPlacements(hosts, runs);
  const ours = { ...(await measure({ side: "setpoint", hosts, runs })), placementsPerSecond: placements.setpoint };
  const baseline = { ...(await measure({ side: "baseline", hosts, runs: 3 })), placementsPerSecond: placements.baseline };
  if (values.json === true) {
    console.log(JSON.stringify({ hosts, argminPerSecond: machine, ...ours, baseline }));
    return;
  }
  const fleet = `${hosts} hosts, ${Math.round(hosts * 6.6)} Instances, ${Math.round(hosts * 6.6) * 3} containers; medians`;
  printTable(`${fleet}\nbare typed-array argmin over ${hosts} hosts: ${machine}/s`, ours, baseline);
  if (values.quick !== true) await printGrowth(hosts, runs);
}

/** One side in a process of its own, so that its peak memory is its own. */
function measure(job: Job): Promise<Omit<Figures, "placementsPerSecond">> {
  const { promise, resolve, reject } = Promise.withResolvers<Omit<Figures, "placementsPerSecond">>();
  const child = fork(import.meta.filename, [], { env: { ...process.env, SETPOINT_BENCH_JOB: JSON.stringify(job) }, timeout: 600_000 });
  child.on("message", (figures) => resolve(figures as Omit<Figures, "placementsPerSecond">));
  child.on("exit", (code) => reject(new Error(`the ${job.side} side ended with ${code}`)));
  return promise;
}

function printTable(title: string, ours: Figures, baseline: Figures): void {
  console.log(`${title}\n\n${"".padEnd(34)}${"setpoint".padStart(14)}${"baseline".padStart(14)}${"ratio".padStart(10)}`);
  for (const [key, label, digits] of ROWS) {
    const [a, b] = [ours[key], baseline[key]];
    const ratio = key === "placementsPerSecond" ? a / b : b / a;
    console.log(
      `${label.padEnd(34)}${a.toFixed(digits).padStart(14)}${b.toFixed(digits).padStart(14)}${`${ratio.toFixed(ratio < 10 ? 2 : 0)}x`.padStart(10)}`,
    );
  }
}

/** The cost of a pass grows with the change: the same commit on fleets of several sizes. */
async function printGrowth(largest: number, runs: number): Promise<void> {
  console.log(`\n${"hosts".padStart(8)}${"cold plan ms".padStart(16)}${"no-op pass ms".padStart(16)}${"one-Set pass ms".padStart(18)}`);
  for (const hosts of [1000, 2000, 5000].filter((size) => size <= largest)) {
    const figures = await measure({ side: "setpoint", hosts, runs });
    console.log(
      `${String(hosts).padStart(8)}${figures.coldPlanMs.toFixed(0).padStart(16)}${figures.noopPassMs.toFixed(0).padStart(16)}${figures.oneSetPassMs.toFixed(1).padStart(18)}`,
    );
  }
}

/** In the child: does its job, reports, and ends. */
function work(job: Job): void {
  const figures = job.side === "setpoint" ? benchSetpoint(job.hosts, job.runs) : benchBaseline(job.hosts, job.runs);
  process.send!(figures, undefined, undefined, () => process.exit(0));
}

const job = process.env["SETPOINT_BENCH_JOB"];
if (job === undefined) await main();
else work(JSON.parse(job) as Job);
