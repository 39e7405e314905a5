import type { Capability, DesiredSet } from "../../core/desired.ts";
import { compareText } from "../../core/order.ts";
import type { Problem } from "../../core/plan.ts";
import type { HostStatus } from "../fleet/host-status.ts";

/** What a Set goes without on a host of a `best-effort` pool that lacks the driver. All other capabilities are needed in any case. */
const LIMITS: Readonly<Partial<Record<Capability, string>>> = { cgroup: "io limits", ovs: "VLAN", tc: "rates" };

/** True for a capability without which a best-effort pool places Sets all the same. */
export function isLimit(capability: Capability): boolean {
  return LIMITS[capability] !== undefined;
}

/** What of the Set the host does not enforce though the Set asks for it: `io limits, rates`; empty when it enforces all. */
export function unenforcedOn(set: DesiredSet, { pool, observation }: Pick<HostStatus, "pool" | "observation">): string {
  if (pool?.limits !== "best-effort" || observation === null) return "";
  const lacking = set.needs.filter((need) => isLimit(need) && !observation.capabilities.includes(need));
  return lacking.map((need) => LIMITS[need]!).join(", ");
}

/** One warning for all hosts on which the Set goes without something; null when there is none. `hosts` may name one several times. */
export function unenforcedProblem(set: DesiredSet, hosts: Iterable<HostStatus>): Problem | null {
  const byWhat = new Map<string, Set<string>>();
  for (const host of hosts) {
    const what = unenforcedOn(set, host);
    if (what === "") continue;
    const names = byWhat.get(what);
    if (names === undefined) byWhat.set(what, new Set([host.name]));
    else names.add(host.name);
  }
  if (byWhat.size === 0) return null;
  const parts = [...byWhat]
    .sort(([a], [b]) => compareText(a, b))
    .map(([what, names]) => `${what} on ${shortList([...names].sort(compareText))}`);
  const text = `not enforced, for want of a driver there: ${parts.join("; ")}`;
  return { code: "limits-not-enforced", severity: "warning", subject: `set/${set.name}`, text };
}

function shortList(names: readonly string[]): string {
  return names.length > 4 ? `${names.slice(0, 3).join(", ")} and ${names.length - 3} more` : names.join(", ");
}
