import { type ChildProcess, spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { createProber } from "../../reconciler/agent/probe/probe.ts";
import { exec } from "../../reconciler/sys/exec.ts";

/*
 * CPU time per health probe of an Instance that no route of the host leads to: the agent's own and that of its helper. Needs root. The
 * baseline starts nsenter and busybox's nc for each probe.
 */

const IP = "10.231.7.9";
/** The server's own time is not counted. */
const INSTANCE = `
  require("node:child_process").execFileSync("ip", ["-batch", "-"], { input: "link set lo up\\naddr add ${IP}/32 dev lo\\n" });
  require("node:http").createServer((_, response) => response.end("fine")).listen(8080, "0.0.0.0", () => console.log("ready"));
`;
const AT_ONCE = 4;

async function main(): Promise<void> {
  const instance = spawn("unshare", ["--net", process.execPath, "-e", INSTANCE], { stdio: ["ignore", "pipe", "inherit"] });
  try {
    for await (const chunk of instance.stdout) if (String(chunk).includes("ready")) break;
    await measure("one helper process", 2_000, helperProbe(instance));
    await measure("baseline: nsenter and nc each", 100, ncProbe(instance));
  } finally {
    instance.kill("SIGKILL");
  }
}

interface Probed {
  ask(): Promise<boolean>;
  close(): void;
}

function helperProbe({ pid }: ChildProcess): Probed {
  const prober = createProber({ exec: async () => Promise.reject(new Error("not used")), monotonic: () => performance.now() });
  const probe = { kind: "http", port: 8080, path: "/" } as const;
  const check = { probe, timeoutMs: 10_000, intervalMs: 10_000, failures: 1, startPeriodMs: 0 };
  const signal = new AbortController().signal;
  return {
    ask: async () => (await prober.probe({ containerId: "", infraPid: pid!, ip: IP }, check, signal)) === null,
    close: () => prober.close(),
  };
}

function ncProbe({ pid }: ChildProcess): Probed {
  const args = [`--net=/proc/${pid}/ns/net`, "busybox", "nc", "-w", "10", IP, "8080"];
  const environment = { PATH: "/usr/sbin:/usr/bin:/sbin:/bin" };
  const signal = new AbortController().signal;
  return {
    ask: async () => {
      const request = {
        program: "nsenter",
        args,
        folder: "/",
        environment,
        input: "GET / HTTP/1.0\r\n\r\n",
        deadlineMs: 20_000,
        maxOutputBytes: 10_000,
        signal,
      };
      const result = await exec(request);
      return result.kind === "exited" && Buffer.from(result.stdout).includes("200 OK");
    },
    close: () => {},
  };
}

async function measure(label: string, probes: number, probed: Probed): Promise<void> {
  for (let warm = 0; warm < 50; warm++) if (!(await probed.ask())) throw new Error(`${label}: the probe failed`);
  const [before, startedAt] = [cpuMs(), performance.now()];
  let left = probes;
  const work = async (): Promise<void> => {
    while (left-- > 0) if (!(await probed.ask())) throw new Error(`${label}: a probe failed`);
  };
  await Promise.all(Array.from({ length: AT_ONCE }, work));
  const [cpu, wall] = [(cpuMs() - before) / probes, (performance.now() - startedAt) / probes];
  probed.close();
  const share = (cpu * 10) / 10;
  console.log(`${label.padEnd(34)}${cpu.toFixed(2)} ms CPU, ${wall.toFixed(2)} ms a probe; 10 a second: ${share.toFixed(2)} % of a core`);
}

/** Of this process, its ended children, and the helper while it runs. */
function cpuMs(): number {
  const { user, system } = process.cpuUsage();
  const children = readFileSync(`/proc/self/task/${process.pid}/children`, "latin1")
    .trim()
    .split(" ")
    .filter((pid) => pid !== "");
  const ended = ticksOf(readFileSync("/proc/self/stat", "latin1"), [13, 14]);
  const alive = children.map((pid) => readFileSync(`/proc/${pid}/stat`, "latin1"));
  const helper = alive.filter((stat) => stat.includes("(perl)")).map((stat) => ticksOf(stat, [11, 12]));
  return (user + system) / 1000 + 10 * [ended, ...helper].reduce((sum, ticks) => sum + ticks, 0);
}

/** Hundredths of a second, of fields counted behind the name. */
function ticksOf(stat: string, fields: readonly number[]): number {
  const values = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return fields.reduce((sum, field) => sum + Number(values[field]), 0);
}

await main();
