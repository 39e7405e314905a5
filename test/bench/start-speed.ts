/**
 * How long containers take to start on one host: 0 → 50 → 100, medians. Compares Setpoint, the raw Engine API, Docker Swarm and Docker Compose.
 * Run as root: `npm run bench:start`, on a host of its own in namespaces, or with the socket of a Docker daemon of yours.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { loadavg, tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { createEngineApi, type EngineApi } from "../hosts/rig/engine-api.ts";
import { imageArchive } from "../hosts/rig/images.ts";
import { run, type CommandResult } from "../hosts/rig/process.ts";
import { compose, findCompose, type RunBesideDocker } from "./start/compose.ts";
import { measureStarts, type Absent, type Contender, type MeasureOptions, type StartFigures } from "./start/contender.ts";
import { ownHost, type OwnHost } from "./start/own-host.ts";
import { rawEngine, removeLabelled, type RawNetwork } from "./start/raw-engine.ts";
import { rawInstances } from "./start/raw-instance.ts";
import { setpoint, type SetpointRuns } from "./start/setpoint.ts";
import { formatSpans } from "./start/spans.ts";
import { measureSteady } from "./start/steady.ts";
import { swarm } from "./start/swarm.ts";

const USAGE = `usage: npm run bench:start -- [--docker SOCKET] [--count N] [--runs N] [--only TEXT] [--network NAME] [--steady [--minutes N]] [--json]

  --docker SOCKET  measure on this daemon (default: a new one in namespaces, and only there Setpoint); what the benchmark makes there it removes
  --count N        containers at the end of a run, even (default 100)
  --runs N         runs of which the median is taken (default 3)
  --only TEXT      only those whose name has this in it, such as "8 at once, Instances"; may be given several times
  --network NAME   how Setpoint connects: bridge (default) or ovs
  --steady         instead: what Setpoint takes while nothing changes
  --minutes N      for how long with --steady (default 1)
  --json           one object instead of the table`;

/** A Docker daemon and the programs beside it. */
interface Target {
  readonly engine: EngineApi;
  readonly run: RunBesideDocker;
  /** Null on a daemon that was given. */
  readonly own: OwnHost | null;
  close(): Promise<void>;
}

async function main(): Promise<void> {
  const texts = {
    docker: { type: "string" },
    count: { type: "string" },
    runs: { type: "string" },
    only: { type: "string", multiple: true },
    minutes: { type: "string" },
  } as const;
  const more = { network: { type: "string" }, steady: { type: "boolean" }, json: { type: "boolean" }, help: { type: "boolean" } } as const;
  const { values } = parseArgs({ options: { ...texts, ...more } });
  const size = { count: Number(values.count ?? 100), runs: Number(values.runs ?? 3) };
  const minutes = Number(values.minutes ?? 1);
  const network = values.network ?? "bridge";
  const bad = !(size.count >= 2 && size.count % 2 === 0 && size.runs >= 1 && minutes >= 1) || !["bridge", "ovs"].includes(network);
  if (values.help === true || bad) {
    console.error(USAGE);
    process.exitCode = values.help === true ? 0 : 2;
    return;
  }
  const target = values.docker === undefined ? await ownTarget(network as "bridge" | "ovs") : await givenDaemon(values.docker);
  const folder = mkdtempSync(join(tmpdir(), "start-speed-"));
  try {
    if (values.steady === true) return console.log(await measureSteady(required(target.own), size.count, minutes));
    const runs = target.own === null ? null : setpoint(target.own.fleet, target.own.recorder, network);
    const contenders = [...(runs === null ? [] : [runs.contender]), ...(await rivals(target, folder))];
    const wanted = values.only ?? [""];
    const chosen = contenders.filter(({ name }) => wanted.some((text) => name.includes(text)));
    const results = await measureAll(target, chosen, {
      ...size,
      processor: () => target.own?.processor() ?? null,
      report: (name, result) => void process.stderr.write(`${name}: ${result}\n`),
    });
    if (values.json === true) console.log(JSON.stringify({ ...size, results, spans: runs?.spans() ?? [] }));
    else printTable(size, results, chosen.includes(runs?.contender as Contender) ? runs : null);
  } finally {
    await target.close();
    rmSync(folder, { recursive: true, force: true });
  }
}

function required(own: OwnHost | null): OwnHost {
  if (own === null) throw new Error("--steady needs a host of its own: leave --docker away");
  return own;
}

async function ownTarget(network: "bridge" | "ovs"): Promise<Target> {
  const own = await ownHost(network);
  return { engine: own.host.engine, run: own.run, own, close: () => own.close() };
}

async function givenDaemon(socket: string): Promise<Target> {
  const engine = createEngineApi(() => socket);
  await engine.send("/images/load?quiet=1", imageArchive());
  return {
    engine,
    run: (argv, deadlineMs): Promise<CommandResult> => run(argv, { deadlineMs, env: { DOCKER_HOST: `unix://${socket}` } }),
    own: null,
    close: async () => engine.close(),
  };
}

/** All but Setpoint. */
async function rivals({ engine, run, own }: Target, folder: string): Promise<readonly Contender[]> {
  const networks = ["none", "host", "bridge", "joined", "pair", "bare-pair"] satisfies RawNetwork[];
  const found = await findCompose(run);
  const docker = async (...args: readonly string[]): Promise<string> => (await run(["docker", ...args], 60_000)).stdout;
  return [
    // The network is one of Docker's own, which a host that leaves its network to the agent does not have.
    ...(own?.network === "ovs" ? [] : [2, 4, 8].map((concurrency) => rawInstances(engine, concurrency))),
    ...networks.flatMap((network) => [1, 2, 4, 8].map((concurrency) => rawEngine(engine, network, concurrency))),
    ...("absent" in found ? [] : (["none", "host", "bridge"] as const).map((network) => compose(run, found.argv, folder, network))),
    ...(["host", "default"] as const).map((network) => swarm(engine, docker, network)),
  ];
}

async function measureAll(
  { engine }: Target,
  contenders: readonly Contender[],
  options: MeasureOptions,
): Promise<readonly (StartFigures | Absent)[]> {
  await removeLabelled(engine);
  // The first containers of a daemon are slower than all others.
  await measureStarts([rawEngine(engine, "none", 4)], { ...options, count: 10, runs: 1 });
  return await measureStarts(contenders, options);
}

function printTable(
  { count, runs }: { readonly count: number; readonly runs: number },
  results: readonly (StartFigures | Absent)[],
  own: SetpointRuns | null,
): void {
  const half = count / 2;
  const heads = [`0 → ${half}`, `→ ${count}`, "total", "engine", "agent", "reconciler"].map((head) => head.padStart(11)).join("");
  console.log(`0 → ${half} → ${count}, medians of ${runs}, seconds, of the CPUs too; load ${loadavg()[0]!.toFixed(1)}\n`);
  console.log(`${"".padEnd(40)}${heads}   all runs`);
  for (const result of results) {
    if ("absent" in result) {
      console.log(`${result.name.padEnd(40)}  ${result.absent}`);
      continue;
    }
    const { name, containersEach, firstHalfMs, secondHalfMs, totalMs, totalsMs, processor } = result;
    const label = containersEach === 1 ? name : `${name} (x${containersEach})`;
    const used = processor === null ? ["", "", ""] : [processor.engineMs, processor.agentMs, processor.reconcilerMs].map(seconds);
    const figures = [...[firstHalfMs, secondHalfMs, totalMs].map(seconds), ...used].map((text) => text.padStart(11)).join("");
    console.log(`${label.padEnd(40)}${figures}   ${totalsMs.map(seconds).join(" ")}`);
  }
  if (own === null) return;
  console.log(`\n${formatSpans(own.spans())}`);
  const failures = [...own.failures()];
  console.log(`\nsteps that failed: ${failures.length === 0 ? "none" : ""}`);
  for (const [text, times] of failures) console.log(`  ${times} x ${text}`);
}

function seconds(ms: number): string {
  return (ms / 1000).toFixed(2);
}

await main();
