import type { Fleet, HostObservation } from "../core/observation.ts";
import type { HostSettings } from "../core/host-settings.ts";
import { CLOCK_DRIFT } from "../plan/fleet/host-status.ts";
import type { Clock, HostsListener } from "./ports.ts";

/** What the keeper has to know of a followed host. */
export interface KeptHost {
  readonly name: string;
  readonly settings: Pick<HostSettings, "leaseForMs">;
}

/** What is known of every followed host, kept current by its listener. */
export interface FleetKeeper {
  /** Live map. A HostView is replaced when anything but `heardAtMs` changes. */
  readonly views: Fleet;
  readonly listener: HostsListener;
  /** Keep exactly these hosts; new ones begin as never heard. */
  follow(hosts: readonly KeptHost[]): void;
  /** Nothing is known to keep this host from being worked on: it was observed and no problem is open. */
  reachable(host: string): boolean;
  /** The host's newest observation contains `version` of that run of its agent, or comes from another run. */
  reached(host: string, boot: string, version: number): boolean;
  /** Hosts that were neither observed nor reported lost since they are followed. */
  unheard(): number;
}

/** Told of what the agents say, after the view was updated. */
export interface FleetWatcher {
  /** A newer observation, or the first one after a problem. */
  observed(host: string): void;
  /** Every sign of life. */
  heard(host: string): void;
  lost(host: string): void;
}

interface MutableView {
  readonly observation: HostObservation | null;
  heardAtMs: number | null;
  readonly problem: string;
  leasedUntilMs?: number;
}

const UNHEARD: MutableView = { observation: null, heardAtMs: null, problem: "" };

/** A keeper that follows nothing yet. */
export function createFleet(clock: Clock, watcher: FleetWatcher): FleetKeeper {
  const views = new Map<string, MutableView>();
  const unheard = new Set<string>();
  const leases = new Map<string, number | null>();

  /** An agent that had no lease has one now; an older one it may hold runs on. */
  function heardNow(view: MutableView): MutableView {
    view.heardAtMs = clock.monotonic();
    if (view.leasedUntilMs === Infinity) delete view.leasedUntilMs;
    return view;
  }

  const listener: HostsListener = {
    observed(host, observation) {
      const before = views.get(host);
      if (before === undefined) return;
      unheard.delete(host);
      const newest = newestOf(before.observation, observation);
      views.set(host, heardNow({ ...before, observation: newest, problem: "" }));
      if (newest !== before.observation || before.problem !== "") watcher.observed(host);
      watcher.heard(host);
    },
    // A problem stays until a full observation: while it lasted anything may have changed.
    heard(host) {
      const view = views.get(host);
      if (view === undefined) return;
      heardNow(view);
      watcher.heard(host);
    },
    lost(host, problem) {
      const before = views.get(host);
      if (before === undefined) return;
      unheard.delete(host);
      const after = { ...before, problem: problem === "" ? "connection lost" : problem };
      views.set(host, after);
      if (before.problem !== after.problem) watcher.lost(host);
    },
  };

  return {
    views,
    listener,
    follow: (hosts) => followExactly({ views, unheard, leases }, hosts, clock.monotonic()),
    reachable(host) {
      const view = views.get(host);
      return view !== undefined && view.observation !== null && view.problem === "";
    },
    reached(host, boot, version) {
      const observation = views.get(host)?.observation ?? null;
      return observation !== null && (observation.boot !== boot || observation.version >= version);
    },
    unheard: () => unheard.size,
  };
}

/** What is kept of the followed hosts. */
interface Followed {
  readonly views: Map<string, MutableView>;
  readonly unheard: Set<string>;
  /** As asked for last. */
  readonly leases: Map<string, number | null>;
}

function followExactly({ views, unheard, leases }: Followed, hosts: readonly KeptHost[], nowMs: number): void {
  const wanted = new Map(hosts.map((host) => [host.name, host.settings.leaseForMs]));
  for (const host of views.keys()) {
    if (wanted.has(host)) continue;
    views.delete(host);
    unheard.delete(host);
    leases.delete(host);
  }
  for (const [host, leaseForMs] of wanted) {
    const known = views.get(host);
    if (known === undefined) {
      views.set(host, { ...UNHEARD });
      unheard.add(host);
    } else if (leases.get(host) !== leaseForMs) {
      views.set(host, { ...known, leasedUntilMs: olderLeaseUntil(known, leases.get(host) ?? null, nowMs) });
    }
    leases.set(host, leaseForMs);
  }
}

/** When the lease that an agent may have been given until now is over, whatever the manifests say from now on. */
function olderLeaseUntil(view: MutableView, leaseForMs: number | null, nowMs: number): number {
  return Math.max(view.leasedUntilMs ?? 0, leaseForMs === null ? Infinity : nowMs + leaseForMs * CLOCK_DRIFT);
}

/** Replies can overtake each other: within one run of the agent the higher version wins, an equal one changes nothing. */
function newestOf(before: HostObservation | null, incoming: HostObservation): HostObservation {
  if (before === null || before.boot !== incoming.boot) return incoming;
  return incoming.version > before.version ? incoming : before;
}
