import { dirname, join } from "node:path";
import { parseCpuList } from "../../core/cpu-list.ts";
import { StepError } from "../ports.ts";
import { readOptional, writeControl } from "./control-file.ts";
import type { CgroupFolder } from "./locate.ts";

/** Sets the CPUs that the container may run on; null: all that its parent has. Rejects with `limit-refused` for CPUs that are not there. */
export async function applyCpus(folder: CgroupFolder, cpus: string | null, signal: AbortSignal): Promise<void> {
  const file = join(folder.path, "cpuset.cpus");
  // v2 has the file only where the controller is passed down.
  if (cpus === null && readOptional(file) === null) return;
  const available = readAvailable(folder);
  const problem = cpus === null || available === null ? null : cpuListProblem(cpus, available);
  if (problem !== null) throw new StepError("limit-refused", problem, { retry: "permanent", outcome: "refused" });
  // v1 takes no empty list; v2 inherits then.
  const value = cpus ?? (folder.version === 1 ? (readOptional(join(dirname(folder.path), "cpuset.cpus")) ?? "") : "");
  if (value === "" && folder.version === 1) return;
  const wanted = parseCpuList(value)?.join();
  const holds = (present: string): boolean => parseCpuList(present)?.join() === wanted;
  // The kernel takes an empty write for nothing; a newline is the empty list.
  await writeControl({ file, value: value === "" ? "\n" : value, holds }, signal);
}

/** What the parent really has; null when the kernel does not say. */
function readAvailable(folder: CgroupFolder): string | null {
  const file = join(dirname(folder.path), folder.version === 1 ? "cpuset.effective_cpus" : "cpuset.cpus.effective");
  const text = readOptional(file);
  return text === "" ? null : text;
}

/** Why Sets can't run on these CPUs of a host that has `online` ones; null when they can. */
function cpuListProblem(cpus: string, online: string): string | null {
  const [wanted, present] = [parseCpuList(cpus), parseCpuList(online)];
  if (wanted === null) return `"${cpus}" is no list of CPUs such as 2-9,12`;
  const missing = wanted.filter((cpu) => present?.includes(cpu) !== true);
  return missing.length === 0 ? null : `CPU ${missing.join(", ")} is not there to use; there are ${online}`;
}
