import type { DesiredHost, DesiredPool } from "../../core/desired.ts";
import type { HostMemory } from "../../core/memory.ts";
import type { HostObservation, HostView } from "../../core/observation.ts";
import type { PlanInput } from "../../core/plan.ts";

/**
 * How much we know of a host now. `ok`: its observation is fresh. `unknown`: silent for a moment. `suspect`: silent for
 * longer than the pool's suspectAfter. `lost`: longer than lostAfter. `dead`: an operator confirmed it.
 */
export type Reach = "ok" | "unknown" | "suspect" | "lost" | "dead";

/** One host as this pass sees it. */
export interface HostStatus {
  readonly name: string;
  /** null: no longer in the manifests; treated as draining. */
  readonly desired: DesiredHost | null;
  readonly pool: DesiredPool | null;
  readonly reach: Reach;
  readonly state: "active" | "cordoned" | "draining";
  /** Why an operator stopped it; null when there is no hold on the host or its pool. */
  readonly held: string | null;
  /** The newest report, however old; null if none came since this process started. */
  readonly observation: HostObservation | null;
  /** Milliseconds since it was last heard. */
  readonly silentMs: number;
  /** Milliseconds for which its agent may yet hold a lease given under an earlier commit; below 0 for as long as that is over. */
  readonly leasedForMs: number;
  /** More of its pool's hosts are silent than the brake allows: nothing may move or be removed. */
  readonly braked: boolean;
}

/** For hosts that left the manifests, whose pool and so whose limits are not known any more. */
export const DEFAULT_FAILURE = { suspectAfterMs: 10_000, lostAfterMs: 60_000 };

/** Extra time after a lease for the agent to stop what it must; on top of each Set's own stop timeouts. */
const FENCE_MARGIN_MS = 5_000;

/** How much longer a lease may last by our clock than by its agent's, as a factor. */
export const CLOCK_DRIFT = 1.05;

/** The status of one host; `braked` is filled in once the whole pool is known. */
export function hostStatus(input: PlanInput, name: string, desired: DesiredHost | null): HostStatus {
  const view = input.fleet.get(name);
  const memory = input.memory.hosts.get(name);
  const pool = desired === null ? null : (input.desired.pools.get(desired.pool) ?? null);
  const heardAtMs = view?.heardAtMs ?? input.startedAtMs;
  const silentMs = Math.max(0, input.monotonicMs - heardAtMs);
  return {
    name,
    desired,
    pool,
    reach: reachOf(view, memory, silentMs, pool),
    state: memory?.state ?? desired?.state ?? "draining",
    held: heldReason(input, name, desired),
    observation: view?.observation ?? null,
    silentMs,
    leasedForMs: (view?.leasedUntilMs ?? -Infinity) - input.monotonicMs,
    braked: false,
  };
}

/** True for a host that is heard, and says that no step on a container can be taken there now. */
export function lacksEngine({ reach, observation }: HostStatus): boolean {
  return reach === "ok" && observation?.capabilities.includes("docker") === false;
}

/** `Docker can't be used on a-1: no container engine listens on /run/docker.sock`. */
export function engineText({ name, observation }: HostStatus): string {
  const why = observation?.engineProblem ?? "";
  return `Docker can't be used on ${name}${why === "" ? "" : `: ${why}`}`;
}

function reachOf(view: HostView | undefined, memory: HostMemory | undefined, silentMs: number, pool: DesiredPool | null): Reach {
  const failure = pool?.failure ?? DEFAULT_FAILURE;
  const speaks = view !== undefined && view.observation !== null && view.problem === "" && silentMs < failure.suspectAfterMs;
  if (speaks) return "ok";
  if (memory?.confirmedDeadAtMs != null) return "dead";
  if (silentMs >= failure.lostAfterMs) return "lost";
  return silentMs >= failure.suspectAfterMs ? "suspect" : "unknown";
}

/** How well a host of the manifests can be reached in this pass, and what tells so. */
export interface HostReach {
  readonly view: HostView | undefined;
  readonly pool: DesiredPool | null;
  readonly reach: Reach;
}

/** In the order of the manifests' hosts. */
export function reachesNow(input: PlanInput): HostReach[] {
  return input.desired.hosts.map((desired) => {
    const view = input.fleet.get(desired.name);
    const pool = input.desired.pools.get(desired.pool) ?? null;
    const silentMs = Math.max(0, input.monotonicMs - (view?.heardAtMs ?? input.startedAtMs));
    return { view, pool, reach: reachOf(view, input.memory.hosts.get(desired.name), silentMs, pool) };
  });
}

/** The hold on a host or its pool, as a sentence. */
export function heldReason(input: PlanInput, name: string, desired: DesiredHost | null): string | null {
  return holdOf(input, "host", name) ?? (desired === null ? null : holdOf(input, "pool", desired.pool));
}

/** Who holds it and why, as a sentence; null when there is no hold in force. */
export function holdOf(input: PlanInput, scope: "set" | "host" | "pool", name: string): string | null {
  const hold = input.memory.holds.get(`${scope}/${name}`);
  if (hold === undefined || (hold.untilMs !== null && hold.untilMs <= input.nowMs)) return null;
  return `${scope} ${name} is held by ${hold.who}: ${hold.why}`;
}

/**
 * Milliseconds until no Instance of an exclusive slot can run on the silent host any more: its lease is over and its
 * agent had time to stop containers. 0: now. null: only an operator can tell (`host confirm-dead`).
 */
export function fencedInMs(host: HostStatus, stopTimeoutMs: number): number | null {
  if (host.reach === "dead") return 0;
  const leaseForMs = host.pool?.failure.leaseForMs ?? null;
  if (leaseForMs === null || host.leasedForMs === Infinity) return null;
  const leasedMs = Math.max(leaseForMs * CLOCK_DRIFT - host.silentMs, host.leasedForMs);
  return Math.max(0, leasedMs + stopTimeoutMs + FENCE_MARGIN_MS);
}

/** Milliseconds until silence alone changes the host's reach; null when it can't. */
export function nextReachInMs(host: HostStatus): number | null {
  const failure = host.pool?.failure ?? DEFAULT_FAILURE;
  if (host.reach === "dead" || host.reach === "lost") return null;
  const limits = [failure.suspectAfterMs, failure.lostAfterMs].filter((limit) => limit > host.silentMs);
  return limits.length === 0 ? null : Math.min(...limits) - host.silentMs;
}

/** Names of the pools in which more than the brake's share of hosts is silent, operators' dead ones not counted. */
export function brakedPools(
  hosts: Iterable<Pick<HostStatus, "pool" | "reach">>,
): ReadonlyMap<string, { readonly silent: number; readonly hosts: number }> {
  const counts = new Map<string, { silent: number; hosts: number; brake: number }>();
  for (const host of hosts) {
    if (host.pool === null || host.reach === "dead") continue;
    const count = counts.get(host.pool.name) ?? { silent: 0, hosts: 0, brake: host.pool.failure.brake };
    count.hosts++;
    if (host.reach !== "ok") count.silent++;
    counts.set(host.pool.name, count);
  }
  return new Map([...counts].filter(([, count]) => count.silent > 1 && count.silent > count.brake * count.hosts));
}
