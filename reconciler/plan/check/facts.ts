import type { DesiredHost, DesiredPool } from "../../core/desired.ts";
import { slotKey } from "../../core/ids.ts";
import type { Claim } from "../../core/memory.ts";
import type { HostObservation } from "../../core/observation.ts";
import type { Plan, PlanInput } from "../../core/plan.ts";
import { readClaims, type Claims } from "./intents.ts";

/** What the checks need of the fleet, worked out in the plainest way. */
export interface FleetReading {
  readonly hosts: ReadonlyMap<string, DesiredHost>;
  readonly claims: Claims;
  /** Zones in which a pool has hosts. */
  zones(): ReadonlyMap<string, ReadonlySet<string>>;
  /** Hosts whose report is fresh. */
  isFresh(host: string): boolean;
  isConfirmedDead(host: string): boolean;
  /** The lease of its agent is over: nothing exclusive runs there any more. */
  isFenced(host: string, stopTimeoutMs: number): boolean;
  /** Pools in which too many hosts are silent at once. */
  braked(): ReadonlySet<string>;
  /** The host's fresh report shows no Instance of the generation, and that the host would refuse to start one. */
  isProvenGone(host: string, set: string, index: number, generation: number): boolean;
  /** The Set has no volume of that name and of the kind that the host shows: what the slot has there is left over from an earlier manifest. */
  isUnwanted(volume: { readonly host: string; readonly set: string; readonly index: number; readonly volume: string }): boolean;
  /** Every generation of a slot that may be alive somewhere: claimed or seen, before the plan. */
  aliveOf(set: string, index: number): readonly Alive[];
}

/** One generation of a slot that may run. */
export interface Alive {
  readonly host: string;
  readonly generation: number;
  readonly exclusive: boolean;
}

/** Reads input once; the parts that cost the fleet's size only when a plan asks for them. */
export function readFleet(input: PlanInput, plan: Plan): FleetReading {
  const hosts = hostsByName(input.desired.hosts);
  const seen = lazy(() => seenOf(input, new Set(plan.actions.map((action) => action.set))));
  const isConfirmedDead = (name: string): boolean => input.memory.hosts.get(name)?.confirmedDeadAtMs != null;
  const isFresh = (name: string): boolean => freshObservation(input, name, poolOf(input, hosts, name)) !== null;
  return {
    hosts,
    claims: readClaims(input, plan),
    zones: lazy(() => zonesByPool(input)),
    isFresh,
    isConfirmedDead,
    isFenced: (name, stopTimeoutMs) => isFenced(input, name, poolOf(input, hosts, name), stopTimeoutMs),
    isProvenGone: (name, set, index, generation) => {
      const observation = freshObservation(input, name, poolOf(input, hosts, name));
      if (observation === null) return false;
      const shown = observation.instances.some((other) => other.set === set && other.index === index && other.generation === generation);
      return !shown && (observation.floors[slotKey(set, index)] ?? 1) > generation;
    },
    isUnwanted: ({ host, set, index, volume }) => {
      const shown = freshObservation(input, host, poolOf(input, hosts, host))?.volumes ?? [];
      const kinds = shown.filter((it) => it.set === set && it.index === index && it.name === volume).map(({ kind }) => kind);
      const wanted = input.desired.sets.get(set)?.template.volumes;
      return wanted !== undefined && kinds.length > 0 && !wanted.some((it) => it.name === volume && kinds.some((kind) => kind === it.kind));
    },
    braked: lazy(() => brakedPools(input, isFresh, isConfirmedDead)),
    aliveOf: (set, index) => {
      const slot = input.memory.sets.get(set)?.slots.get(index);
      const claims: Claim[] = slot === undefined ? [] : [...slot.former, ...(slot.current === null ? [] : [slot.current])];
      return [...claims, ...(seen().get(slotKey(set, index)) ?? [])];
    },
  };
}

/** By the list, which is the same object until hosts change in the manifests. */
const namedHosts = new WeakMap<readonly DesiredHost[], ReadonlyMap<string, DesiredHost>>();

function hostsByName(list: readonly DesiredHost[]): ReadonlyMap<string, DesiredHost> {
  const known = namedHosts.get(list);
  if (known !== undefined) return known;
  const hosts = new Map(list.map((host) => [host.name, host]));
  namedHosts.set(list, hosts);
  return hosts;
}

/** Computes when first asked, and remembers. */
function lazy<Value>(compute: () => Value): () => Value {
  let known: { readonly value: Value } | null = null;
  return () => (known ??= { value: compute() }).value;
}

function zonesByPool(input: PlanInput): Map<string, Set<string>> {
  const members = Map.groupBy(input.desired.hosts, (host) => host.pool);
  return new Map([...members].map(([pool, hosts]) => [pool, new Set(hosts.map((host) => host.zone))]));
}

function poolOf(input: PlanInput, hosts: ReadonlyMap<string, DesiredHost>, host: string): DesiredPool | null {
  const name = hosts.get(host)?.pool;
  return name === undefined ? null : (input.desired.pools.get(name) ?? null);
}

/** The host's report, if it may be acted on; null otherwise. */
function freshObservation(input: PlanInput, host: string, pool: DesiredPool | null): HostObservation | null {
  const view = input.fleet.get(host);
  if (view === undefined || view.observation === null || view.heardAtMs === null || view.problem !== "") return null;
  const silentMs = input.monotonicMs - view.heardAtMs;
  return silentMs < (pool?.failure.suspectAfterMs ?? 10_000) ? view.observation : null;
}

function isFenced(input: PlanInput, host: string, pool: DesiredPool | null, stopTimeoutMs: number): boolean {
  const leaseForMs = pool?.failure.leaseForMs ?? null;
  const silentMs = input.monotonicMs - (input.fleet.get(host)?.heardAtMs ?? input.startedAtMs);
  // Given under an earlier commit: it too leaves the agent the time to stop, once it is over.
  const olderUntilMs = input.fleet.get(host)?.leasedUntilMs ?? -Infinity;
  return leaseForMs !== null && silentMs > leaseForMs + stopTimeoutMs && input.monotonicMs >= olderUntilMs + stopTimeoutMs;
}

function brakedPools(input: PlanInput, isFresh: (host: string) => boolean, isDead: (host: string) => boolean): Set<string> {
  const braked = new Set<string>();
  for (const pool of input.desired.pools.values()) {
    const hosts = input.desired.hosts.filter((host) => host.pool === pool.name && (isFresh(host.name) || !isDead(host.name)));
    const silent = hosts.filter((host) => !isFresh(host.name)).length;
    if (silent > 1 && silent > pool.failure.brake * hosts.length) braked.add(pool.name);
  }
  return braked;
}

/** What is seen of some Sets, by slot. */
function seenOf(input: PlanInput, sets: ReadonlySet<string>): Map<string, Alive[]> {
  const seen = new Map<string, Alive[]>();
  for (const [host, view] of input.fleet) {
    if (view.observation === null) continue;
    for (const { set, index, generation, exclusive } of view.observation.instances) {
      if (!sets.has(set)) continue;
      const key = slotKey(set, index);
      const list = seen.get(key);
      if (list === undefined) seen.set(key, [{ host, generation, exclusive }]);
      else list.push({ host, generation, exclusive });
    }
  }
  return seen;
}
