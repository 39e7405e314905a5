import { existsSync, mkdirSync, readdirSync, readFileSync, rmdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";

/** CPU time used so far by those who take part; milliseconds. */
export interface ProcessorTime {
  readonly engineMs: number;
  readonly agentMs: number;
  readonly reconcilerMs: number;
}

const ACCOUNTS = "/sys/fs/cgroup/cpuacct";
const TICK_MS = 10;

/** CPU time of one process, its threads included; milliseconds. */
export function processorTimeOf(pid: number): number {
  const text = readFileSync(`/proc/${pid}/stat`, "latin1");
  const fields = text.slice(text.lastIndexOf(")") + 2).split(" ");
  return (Number(fields[11]) + Number(fields[12])) * TICK_MS;
}

/** Counts what an engine and all it starts use, without the containers themselves; null where the kernel keeps no such account. */
export function accountEngine(dockerPid: number): { readonly readMs: () => number; readonly close: () => void } | null {
  if (!existsSync(join(ACCOUNTS, "cpuacct.usage"))) return null;
  const folder = join(ACCOUNTS, `start-speed-${process.pid}`);
  mkdirSync(folder);
  for (const pid of [dockerPid, ...descendantsOf(dockerPid)]) writeFileSync(join(folder, "cgroup.procs"), String(pid));
  return {
    readMs: () => Number(readFileSync(join(folder, "cpuacct.usage"), "latin1")) / 1e6,
    close() {
      for (const pid of readFileSync(join(folder, "cgroup.procs"), "latin1")
        .split("\n")
        .filter((it) => it !== "")) {
        try {
          writeFileSync(join(ACCOUNTS, "cgroup.procs"), pid);
        } catch {
          // It ended meanwhile.
        }
      }
      rmdirSync(folder);
    },
  };
}

function descendantsOf(pid: number): number[] {
  const children = readdirSync(`/proc/${pid}/task`).flatMap((task) =>
    readFileSync(`/proc/${pid}/task/${task}/children`, "latin1")
      .split(" ")
      .filter((it) => it !== "")
      .map(Number),
  );
  return children.flatMap((child) => [child, ...descendantsOf(child)]);
}
