import { randomBytes } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { createCgroupLocator } from "../../reconciler/agent/cgroup/locate.ts";
import { openHostUsage } from "../../reconciler/agent/host-usage.ts";
import type { OwnedContainer } from "../../reconciler/agent/ports.ts";
import { V1_FILES, V2_FILES } from "../../reconciler/agent/sampler/counters.ts";
import { createSampler } from "../../reconciler/agent/sampler/sampler.ts";
import { makeOwnCgroups, type OwnCgroups } from "../hosts/measure/own-cgroups.ts";
import { median } from "./placement.ts";

const USAGE = `usage: npm run bench:sampler -- [--containers N] [--ticks N]

  One second's reading of the counters of N containers (default 100), over N ticks (default 200). Needs root: it makes
  empty cgroups and removes them. The baseline opens each file anew and parses nothing.`;

async function main(): Promise<void> {
  const options = { containers: { type: "string" }, ticks: { type: "string" } } as const;
  const { values } = parseArgs({ options });
  const [containers, ticks] = [Number(values.containers ?? 100), Number(values.ticks ?? 200)];
  if (!(containers > 0 && ticks > 0) || process.getuid?.() !== 0) {
    console.error(USAGE);
    process.exitCode = 2;
    return;
  }
  const parent = `/setpoint-bench-${process.pid}`;
  const cgroups: OwnCgroups[] = [];
  try {
    for (let made = 0; made < containers; made++) cgroups.push(makeOwnCgroups(parent));
    benchmark(cgroups, parent, ticks);
  } finally {
    for (const one of cgroups) await one.remove();
  }
}

function benchmark(cgroups: readonly OwnCgroups[], parent: string, ticks: number): void {
  const locator = createCgroupLocator({ parents: [parent] });
  const sampler = createSampler(locator);
  sampler.follow(cgroups.map(({ id }, at) => containerOf(id, at)));
  const usage = openHostUsage();
  const files = cgroups.flatMap(({ folder }) => {
    const version = locator.hierarchies.get("memory")!.version;
    return (version === 1 ? V1_FILES : V2_FILES).map(({ controller, name }) => join(folder(controller), name));
  });
  const read = sampler.read().filter(({ containers }) => containers.length === 1).length;
  if (read !== cgroups.length) throw new Error(`${read} of ${cgroups.length} containers could be read`);
  console.log(`${cgroups.length} containers, ${files.length} files, ${ticks} ticks; medians of a tick\n`);
  console.log(`${"".padEnd(34)}${"wall ms".padStart(10)}${"cpu ms".padStart(10)}${"least cpu".padStart(12)}`);
  row("sampler, kept descriptors", ticks, () => void sampler.read());
  row("whole host", ticks, () => void usage.read());
  row("baseline, each file opened anew", ticks, () => files.forEach((file) => void readFileSync(file, "latin1")));
  sampler.close();
  usage.close();
}

/** CPU time is of the whole process; its clock is fine enough for one tick. */
function row(label: string, ticks: number, tick: () => void): void {
  const wall: number[] = [];
  const cpu: number[] = [];
  for (let done = 0; done < ticks + 20; done++) {
    const [startedAt, usage] = [performance.now(), process.cpuUsage()];
    tick();
    const { user, system } = process.cpuUsage(usage);
    // The first ticks open files and warm the code up.
    if (done < 20) continue;
    wall.push(performance.now() - startedAt);
    cpu.push((user + system) / 1000);
  }
  const figures = [
    median(wall).toFixed(2).padStart(10),
    median(cpu).toFixed(2).padStart(10),
    Math.min(...cpu)
      .toFixed(2)
      .padStart(12),
  ];
  console.log(label.padEnd(34) + figures.join(""));
}

function containerOf(id: string, index: number): OwnedContainer {
  const resources = { cpuMillis: 0, memoryBytes: 0, diskBytes: 0, ingressBps: 0, egressBps: 0 };
  const hash = randomBytes(8).toString("hex");
  const labels = { specHash: hash, infraHash: hash, taskId: hash, ip: "", exclusive: false, priority: "normal", hostPorts: [] } as const;
  return {
    set: "bench",
    index,
    generation: 1,
    id,
    role: "app",
    container: "app",
    state: "running",
    exitCode: null,
    oomKilled: false,
    stranded: false,
    wiredByAgent: false,
    pid: 0,
    startedAtMs: null,
    hash,
    labels: { ...labels, resources, image: "" },
  };
}

await main();
