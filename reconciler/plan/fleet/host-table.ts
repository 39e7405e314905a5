import type { DesiredHost } from "../../core/desired.ts";
import type { HostObservation } from "../../core/observation.ts";
import type { PlanInput } from "../../core/plan.ts";
import { slotKey } from "../../core/ids.ts";
import type { HostIndex, Unusable } from "../place/host-index.ts";
import { setHostFacts, setHostUsable } from "../place/reservations.ts";
import { brakedPools, hostStatus, type HostStatus } from "./host-status.ts";

/** The status of every host of the manifests, kept from pass to pass so that only what changed is looked at. */
export interface HostTable {
  readonly statuses: Map<string, HostStatus>;
  readonly braked: ReadonlyMap<string, { readonly silent: number; readonly hosts: number }>;
}

/** Statuses of this pass, with the names of hosts whose status or observation differs from `before`. */
export function refreshHosts(input: PlanInput, before: HostTable): { readonly table: HostTable; readonly changed: readonly string[] } {
  const statuses = new Map<string, HostStatus>();
  for (const host of input.desired.hosts) statuses.set(host.name, hostStatus(input, host.name, host));
  const braked = brakedPools(statuses.values());
  const changed: string[] = [];
  for (const [name, status] of statuses) {
    const full = status.pool !== null && braked.has(status.pool.name) ? { ...status, braked: true } : status;
    statuses.set(name, full);
    const known = before.statuses.get(name);
    if (known === undefined || differs(known, full)) changed.push(name);
  }
  for (const name of before.statuses.keys()) {
    if (!statuses.has(name)) changed.push(name);
  }
  return { table: { statuses, braked }, changed };
}

/** Silence is a number that always grows; only what it means (reach) counts as a change. */
function differs(a: HostStatus, b: HostStatus): boolean {
  return (
    a.reach !== b.reach ||
    a.state !== b.state ||
    a.held !== b.held ||
    a.braked !== b.braked ||
    a.observation !== b.observation ||
    a.desired !== b.desired ||
    a.pool !== b.pool
  );
}

/** Tells the index what changed about a host. */
export function indexHost(index: HostIndex, status: HostStatus, observationChanged: boolean): void {
  setHostUsable(index, status.name, unusableReason(status));
  const { observation } = status;
  if (observation !== null && observationChanged) {
    setHostFacts(index, status.name, {
      capacity: observation.capacity,
      capabilities: observation.capabilities,
      images: observation.images,
    });
  }
}

function unusableReason(status: HostStatus): Unusable | null {
  if (status.reach === "dead") return "dead";
  if (status.reach !== "ok") return status.observation === null ? "unheard" : "unreachable";
  if (status.held !== null) return "held";
  return status.state === "active" ? null : status.state;
}

/** The status of any host: one that left the manifests is worked out when it is asked for. */
export function hostLookup(input: PlanInput, table: HostTable): (name: string) => HostStatus {
  const strangers = new Map<string, HostStatus>();
  return (name) => {
    const known = table.statuses.get(name) ?? strangers.get(name);
    if (known !== undefined) return known;
    const stranger = hostStatus(input, name, null);
    strangers.set(name, stranger);
    return stranger;
  };
}

/** Lowest generation a host accepts for a slot, by its newest report. */
export function floorOn(observation: HostObservation | null, set: string, index: number): number {
  return observation?.floors[slotKey(set, index)] ?? 1;
}

/**
 * Which hosts of some pools were never seen since the journal was created, as a reason to wait; null when there is none to
 * wait for. Even Sets that may run twice have to wait: addresses that such a host uses are in no journal.
 */
export function uninventoriedReason(input: PlanInput, table: HostTable, pools: readonly string[]): string | null {
  const missing = [...(input.memory.uninventoried ?? [])].filter((name) => {
    const status = table.statuses.get(name);
    if (status?.desired == null || !pools.includes(status.desired.pool)) return false;
    // Seen just now: the event that says so is written with this pass.
    return status.reach !== "ok" && status.reach !== "dead";
  });
  if (missing.length === 0) return null;
  const some = missing.slice(0, 3).join(", ") + (missing.length > 3 ? ` and ${missing.length - 3} more` : "");
  return `host ${some} was not seen since the journal was created and may run it already: wait, or 'setpoint host confirm-dead' it`;
}

/** Number of zones in which the pools have hosts, by name of the pool and by the list of hosts. */
export function zonesByPool(hosts: readonly DesiredHost[]): ReadonlyMap<string, ReadonlySet<string>> {
  const zones = new Map<string, Set<string>>();
  for (const host of hosts) {
    const known = zones.get(host.pool);
    if (known === undefined) zones.set(host.pool, new Set([host.zone]));
    else known.add(host.zone);
  }
  return zones;
}
