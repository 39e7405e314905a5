import type { ManifestProblem } from "../../core/manifests.ts";
import type { Fit } from "./check-fit.ts";
import type { ReadPool } from "./pool.ts";
import { createReport, listed } from "./report.ts";

interface Demand {
  readonly pools: readonly ReadPool[];
  total: number;
}

/**
 * Whether the addresses suffice when every Set is at its largest: for each group of pools that some Set names, the Sets that
 * can live nowhere else must not need more addresses than these pools have. So a report is never a false alarm.
 */
export function checkAddresses(fits: readonly Fit[]): ManifestProblem[] {
  const demands = new Map<string, Demand>();
  for (const { pools, poolKey, greatestTotal } of fits) {
    const demand = demands.get(poolKey);
    if (demand === undefined) demands.set(poolKey, { pools, total: greatestTotal });
    else demand.total += greatestTotal;
  }
  const short: Demand[] = [];
  for (const { pools } of [...demands.values()].sort((a, b) => a.pools.length - b.pools.length)) {
    if (pools.some(({ cidr }) => cidr === null)) continue;
    const inside = [...demands.values()].filter((other) => isSubset(other.pools, pools));
    const total = inside.reduce((sum, demand) => sum + demand.total, 0);
    const offered = pools.reduce((sum, { leasable }) => sum + leasable, 0);
    if (total > offered && !short.some((smaller) => isSubset(smaller.pools, pools))) short.push({ pools, total });
  }
  return short.flatMap(reportShortage);
}

function isSubset(a: readonly ReadPool[], b: readonly ReadPool[]): boolean {
  return a.length > 0 && a.every((pool) => b.includes(pool));
}

function reportShortage({ pools, total }: Demand): readonly ManifestProblem[] {
  const [first] = pools;
  if (first === undefined) return [];
  const report = createReport(first.loaded);
  const offered = pools.reduce((sum, { leasable }) => sum + leasable, 0);
  const who =
    pools.length === 1 ? `Pool ${listed([first.pool.name])} has` : `Pools ${listed(pools.map(({ pool }) => pool.name))} together have`;
  const message = `${who} ${offered} addresses for Instances (without gateway and reserved ones), but the Sets bound to ${pools.length === 1 ? "it" : "them"} can grow to ${total} Instances.`;
  report.error(
    "too-few-addresses",
    ["spec", "network", "cidr"],
    message,
    "Use a larger cidr, reserve less, or lower replicas or scaling.max.",
  );
  return report.problems;
}
