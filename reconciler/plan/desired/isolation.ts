import { formatCpuList, MAX_CPUS, parseCpuList } from "../../core/cpu-list.ts";
import type { DesiredPool } from "../../core/desired.ts";
import type * as written from "../../core/manifest-types.ts";
import { compareNumbers } from "../../core/order.ts";
import { formatCpu } from "../../core/units.ts";
import type { Path, Report } from "./report.ts";

type Written = NonNullable<NonNullable<written.HostPool["spec"]["cpu"]>["isolation"]>;

/** CPUs that a pool keeps from Sets. */
export interface Isolation {
  readonly lists: DesiredPool["isolation"];
  /** What Sets get of a host with this much CPU: thousandths of a core, and the list (null: all). `path` is where a misfit is told. */
  rest(allMillis: number, path: Path): { readonly cpuMillis: number; readonly cpus: string | null };
}

/** Both lists in canonical form; malformed ones and CPUs in both are reported. */
export function readIsolation(isolation: Written, report: Report): Isolation {
  const path = ["spec", "cpu", "isolation"];
  const ovs = readList(isolation.ovs, [...path, "ovs"], report);
  const vms = readList(isolation.vms, [...path, "vms"], report);
  const both = ovs.filter((cpu) => vms.includes(cpu));
  if (both.length > 0) {
    const message = `CPU ${formatCpuList(both)} is given to Open vSwitch and to virtual machines; a CPU has one user.`;
    report.error("bad-isolation", [...path, "vms"], message, "Take it out of one of the lists.");
  }
  const isolated = [...new Set([...ovs, ...vms])].sort(compareNumbers);
  const fitted = new Map<number, ReturnType<Isolation["rest"]>>();
  return {
    lists: { ovs: listOf(ovs), vms: listOf(vms) },
    rest(allMillis, at) {
      if (isolated.length === 0) return { cpuMillis: allMillis, cpus: null };
      const known = fitted.get(allMillis);
      if (known !== undefined) return known;
      const fit = restOf(allMillis, isolated, at, report);
      fitted.set(allMillis, fit);
      return fit;
    },
  };
}

function readList(text: string | undefined, path: Path, report: Report): number[] {
  if (text === undefined) return [];
  const cpus = parseCpuList(text);
  if (cpus !== null) return cpus;
  const message = `\`${text}\` is no list of CPUs: numbers below ${MAX_CPUS} and ranges from the smaller to the larger, with commas, such as 0-1 or 2-9,12.`;
  report.error("bad-isolation", path, message);
  return [];
}

function restOf(allMillis: number, isolated: readonly number[], path: Path, report: Report): ReturnType<Isolation["rest"]> {
  const nothing = { cpuMillis: 0, cpus: null };
  if (allMillis % 1000 !== 0) {
    const message = `With spec.cpu.isolation a host has whole CPUs, numbered from 0; ${formatCpu(allMillis)} is no whole number.`;
    report.error("bad-isolation", path, message, "Write how many CPUs the machine has.");
    return nothing;
  }
  const count = allMillis / 1000;
  const highest = isolated.at(-1)!;
  if (highest >= count) {
    const message = `spec.cpu.isolation names CPU ${highest}, but a host with ${count} CPUs has only 0-${count - 1}.`;
    report.error("bad-isolation", path, message, "Correct the list or the host's cpu, or put hosts of this kind into another pool.");
    return nothing;
  }
  const rest = Array.from({ length: count }, (_, cpu) => cpu).filter((cpu) => !isolated.includes(cpu));
  if (rest.length === 0) {
    report.error(
      "bad-isolation",
      path,
      `spec.cpu.isolation leaves none of the host's ${count} CPUs for Sets.`,
      "Leave Sets at least one CPU.",
    );
    return nothing;
  }
  return { cpuMillis: rest.length * 1000, cpus: formatCpuList(rest) };
}

function listOf(cpus: readonly number[]): string | null {
  return cpus.length === 0 ? null : formatCpuList(cpus);
}
