import type { DesiredHost, DesiredSet } from "../../core/desired.ts";
import type { HostObservation } from "../../core/observation.ts";
import type { PlanInput } from "../../core/plan.ts";
import { slotKey } from "../../core/ids.ts";
import type { HostIndex, Unusable } from "../place/host-index.ts";
import { heldBytes } from "../volumes/on-host.ts";
import { setHostFacts, setHostUsable } from "../place/reservations.ts";
import { brakedPools, heldReason, hostStatus, lacksEngine, reachesNow, type HostReach, type HostStatus } from "./host-status.ts";

/** The status of every host of the manifests, kept from pass to pass so that only what changed is looked at. */
export interface HostTable {
  readonly statuses: Map<string, HostStatus>;
  /** Those of them that are not `ok`. */
  readonly silent: Set<string>;
  /** Those of them that are heard and whose container engine can't be used. */
  readonly engineless: Set<string>;
  /** Those of them that are heard and whose storage needs a person. */
  readonly troubledStorage: Set<string>;
  /** Those of them that showed trash. */
  readonly trashed: Set<string>;
  braked: ReadonlyMap<string, { readonly silent: number; readonly hosts: number }>;
}

/** What is new about hosts since the pass before. */
export interface HostNews {
  /** Hosts that can be used or reached otherwise than before, or are not in the manifests any more. */
  readonly changed: readonly string[];
  /** Hosts with another observation. */
  readonly observed: readonly string[];
}

export function createHostTable(): HostTable {
  return {
    statuses: new Map(),
    silent: new Set(),
    engineless: new Set(),
    troubledStorage: new Set(),
    trashed: new Set(),
    braked: new Map(),
  };
}

/** Brings the table up to date, in place; a host about which nothing changed keeps its object. */
export function refreshHosts(input: PlanInput, table: HostTable): HostNews {
  const changed: string[] = [];
  const observed: string[] = [];
  const reaches = reachesNow(input);
  const braked = brakedPools(reaches);
  for (let position = 0; position < reaches.length; position++) {
    const desired = input.desired.hosts[position]!;
    const known = table.statuses.get(desired.name);
    const now = reaches[position]!;
    if (known !== undefined && known.braked === braked.has(desired.pool) && isSame(input, known, desired, now)) continue;
    const status = { ...hostStatus(input, desired.name, desired), braked: braked.has(desired.pool) };
    setStatus(table, status);
    if (known === undefined || differs(known, status)) changed.push(desired.name);
    if (known?.observation !== status.observation) observed.push(desired.name);
  }
  if (table.statuses.size > input.desired.hosts.length) {
    const names = new Set(input.desired.hosts.map((host) => host.name));
    for (const name of table.statuses.keys()) if (!names.has(name) && dropStatus(table, name)) changed.push(name);
  }
  table.braked = braked;
  return { changed, observed };
}

function setStatus(table: HostTable, status: HostStatus): void {
  table.statuses.set(status.name, status);
  toggle(table.silent, status.name, status.reach !== "ok");
  toggle(table.engineless, status.name, lacksEngine(status));
  toggle(table.troubledStorage, status.name, status.reach === "ok" && (status.observation?.storageProblem ?? "") !== "");
  toggle(table.trashed, status.name, (status.observation?.trash.length ?? 0) > 0);
}

function dropStatus(table: HostTable, name: string): boolean {
  table.silent.delete(name);
  table.engineless.delete(name);
  table.troubledStorage.delete(name);
  table.trashed.delete(name);
  return table.statuses.delete(name);
}

function toggle(names: Set<string>, name: string, present: boolean): void {
  if (present) names.add(name);
  else names.delete(name);
}

/** True for a host that is heard as before and about which nobody said anything new: the usual case, so it has to be cheap. */
function isSame(input: PlanInput, known: HostStatus, desired: DesiredHost, now: HostReach): boolean {
  return (
    known.reach === "ok" &&
    now.reach === "ok" &&
    known.desired === desired &&
    known.observation === now.view?.observation &&
    known.pool === now.pool &&
    known.state === (input.memory.hosts.get(desired.name)?.state ?? desired.state) &&
    known.held === (input.memory.holds.size === 0 ? null : heldReason(input, desired.name, desired))
  );
}

function differs(a: HostStatus, b: HostStatus): boolean {
  return (
    a.reach !== b.reach || a.state !== b.state || a.held !== b.held || a.braked !== b.braked || a.desired !== b.desired || a.pool !== b.pool
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
      trashBytes: heldBytes(observation.trash),
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
 * Which hosts of some pools (null: all) were never seen since the journal was created, as a reason to wait; null when there is none to
 * wait for. Even Sets that may run twice have to wait: addresses that such a host uses are in no journal.
 */
export function uninventoriedReason(input: PlanInput, table: HostTable, pools: readonly string[] | null): string | null {
  const missing = [...(input.memory.uninventoried ?? [])].filter((name) => {
    const status = table.statuses.get(name);
    if (status?.desired == null || pools?.includes(status.desired.pool) === false) return false;
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

/** In how many zones the Set may live. */
export function zonesOf(zones: ReadonlyMap<string, ReadonlySet<string>>, set: DesiredSet): number {
  if (set.pools.length === 1 && set.placement.zones.length === 0) return zones.get(set.pools[0]!)?.size ?? 0;
  const all = new Set(set.pools.flatMap((pool) => [...(zones.get(pool) ?? [])]));
  const only = set.placement.zones;
  return only.length === 0 ? all.size : only.filter((zone) => all.has(zone)).length;
}
