/**
 * How long containers take to start on one host: 0 → 50 → 100, medians. Compares the raw Engine API, Docker Swarm and Docker Compose.
 * Run as root: `npm run bench:start`, on a host of its own in namespaces, or with the socket of a Docker daemon of yours.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { loadavg, tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { createEngineApi, type EngineApi } from "../hosts/rig/engine-api.ts";
import { imageArchive } from "../hosts/rig/images.ts";
import { run, type CommandResult } from "../hosts/rig/process.ts";
import { createRig } from "../hosts/rig/rig.ts";
import { compose, findCompose, type RunBesideDocker } from "./start/compose.ts";
import { measureStarts, type Absent, type Contender, type StartFigures } from "./start/contender.ts";
import { rawEngine, removeLabelled, type RawNetwork } from "./start/raw-engine.ts";
import { joinSwarm, swarm } from "./start/swarm.ts";

const USAGE = `usage: npm run bench:start -- [--docker SOCKET] [--count N] [--runs N] [--only TEXT] [--json]

  --docker SOCKET  measure on this daemon (default: a new one in namespaces); what the benchmark makes there it removes
  --count N        containers at the end of a run, even (default 100)
  --runs N         runs of which the median is taken (default 3)
  --only TEXT      only those whose name has this in it, such as compose or "4 at once"
  --json           one object instead of the table`;

/** A Docker daemon and the programs beside it. */
interface Target {
  readonly engine: EngineApi;
  readonly run: RunBesideDocker;
  close(): Promise<void>;
}

interface Size {
  readonly count: number;
  readonly runs: number;
  /** Part of the names of those that are measured. */
  readonly only: string;
}

async function main(): Promise<void> {
  const options = { docker: { type: "string" }, count: { type: "string" }, runs: { type: "string" }, only: { type: "string" } } as const;
  const { values } = parseArgs({ options: { ...options, json: { type: "boolean" }, help: { type: "boolean" } } });
  const size = { count: Number(values.count ?? 100), runs: Number(values.runs ?? 3), only: values.only ?? "" };
  if (values.help === true || !(size.count >= 2 && size.count % 2 === 0 && size.runs >= 1)) {
    console.error(USAGE);
    process.exitCode = values.help === true ? 0 : 2;
    return;
  }
  const target = values.docker === undefined ? await ownHost() : await givenDaemon(values.docker);
  const results: (StartFigures | Absent)[] = [];
  try {
    await measureAll(target, size, (result) => {
      results.push(result);
      process.stderr.write(`${"absent" in result ? `${result.name}: ${result.absent}` : `${result.name}: ${seconds(result.totalMs)} s`}\n`);
    });
  } finally {
    await target.close();
  }
  if (values.json === true) console.log(JSON.stringify({ ...size, results }));
  else printTable(size, results);
}

async function ownHost(): Promise<Target> {
  const rig = await createRig({ hosts: ["bench"], docker: "plain", ovs: false });
  const host = rig.host("bench");
  return {
    engine: host.engine,
    run: (argv, deadlineMs) => host.exec(argv, { deadlineMs, env: { DOCKER_HOST: "unix:///run/docker.sock", HOME: host.folder } }),
    close: () => rig.close(),
  };
}

async function givenDaemon(socket: string): Promise<Target> {
  const engine = createEngineApi(() => socket);
  await engine.send("/images/load?quiet=1", imageArchive());
  return {
    engine,
    run: (argv, deadlineMs): Promise<CommandResult> => run(argv, { deadlineMs, env: { DOCKER_HOST: `unix://${socket}` } }),
    close: async () => engine.close(),
  };
}

/** Every contender after the other; `report` hears each result as it comes. */
async function measureAll({ engine, run }: Target, size: Size, report: (result: StartFigures | Absent) => void): Promise<void> {
  const measure = async (contender: Contender): Promise<void> => {
    if (contender.name.includes(size.only)) report(await measureStarts(contender, size));
  };
  await removeLabelled(engine);
  // The first containers of a daemon are slower than all others.
  await measureStarts(rawEngine(engine, "none", 4), { count: 10, runs: 1 });
  for (const network of ["none", "host", "bridge", "joined", "pair"] satisfies RawNetwork[]) {
    for (const concurrency of [1, 2, 4, 8]) await measure(rawEngine(engine, network, concurrency));
  }
  const docker = async (...args: readonly string[]): Promise<string> => (await run(["docker", ...args], 60_000)).stdout;
  await measureCompose(run, measure, report);
  const joined = await joinSwarm(docker);
  if ("absent" in joined) return report(joined);
  try {
    for (const network of ["host", "default"] as const) {
      const contender = swarm(engine, docker, network);
      await measure(contender).catch((error: Error) => report({ name: contender.name, absent: error.message.split("\n")[0]! }));
    }
  } finally {
    await joined.leave();
  }
}

async function measureCompose(
  run: RunBesideDocker,
  measure: (contender: Contender) => Promise<void>,
  report: (result: Absent) => void,
): Promise<void> {
  const found = await findCompose(run);
  if ("absent" in found) return report(found);
  const folder = mkdtempSync(join(tmpdir(), "start-speed-"));
  try {
    for (const network of ["none", "host"] as const) await measure(compose(run, found.argv, folder, network));
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function printTable({ count, runs }: Size, results: readonly (StartFigures | Absent)[]): void {
  const half = count / 2;
  console.log(`0 → ${half} → ${count}, medians of ${runs}, seconds; load ${loadavg()[0]!.toFixed(1)}\n`);
  console.log(`${"".padEnd(36)}${`0 → ${half}`.padStart(10)}${`→ ${count}`.padStart(10)}${"total".padStart(10)}${"all runs".padStart(24)}`);
  for (const result of results) {
    if ("absent" in result) {
      console.log(`${result.name.padEnd(36)}  ${result.absent}`);
      continue;
    }
    const { name, containersEach, firstHalfMs, secondHalfMs, totalMs, totalsMs } = result;
    const label = containersEach === 1 ? name : `${name} (x${containersEach})`;
    const figures = [firstHalfMs, secondHalfMs, totalMs].map((ms) => seconds(ms).padStart(10)).join("");
    console.log(`${label.padEnd(36)}${figures}${totalsMs.map(seconds).join(" ").padStart(24)}`);
  }
}

function seconds(ms: number): string {
  return (ms / 1000).toFixed(2);
}

await main();
