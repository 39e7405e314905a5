import type { DesiredSet } from "../../core/desired.ts";
import { slotKey } from "../../core/ids.ts";
import type { SetMemory } from "../../core/memory.ts";
import { targetCount } from "../desired/count.ts";
import type { Problem } from "../../core/plan.ts";
import type { Holdings } from "../fleet/holdings.ts";
import type { HostStatus } from "../fleet/host-status.ts";
import type { SetOnHost, SetSightings } from "../fleet/sightings.ts";
import { describeShortfall, hasZoneRules } from "../place/zones.ts";
import { unfitReason } from "./unfit.ts";
import { unenforcedProblem } from "./unenforced.ts";
import { claimFits } from "./claim-fits.ts";
import { areAsWanted, lastingVolumes } from "../volumes/on-host.ts";

/** What tells a settled Set besides the Set itself. */
export interface SettledContext {
  readonly nowMs: number;
  /** Zones the Set may use, by the manifests. */
  readonly zones: number;
  /** undefined: the host is not in the manifests. */
  statusOf(host: string): HostStatus | undefined;
}

/** A Set of which every slot is as the manifest asks, with what it holds. */
export interface SettledSet {
  readonly slots: number;
  readonly holdings: Holdings;
  /** In which way a promise about zones is not kept all the same; null when it is. */
  readonly shortfall: string | null;
  /** Limits that some host does not enforce; null when there are none. */
  readonly unenforced: Problem | null;
  /** Wall clock; when a schedule changes its count. */
  readonly wakeAtMs: number | null;
}

/**
 * Recognises at a glance a Set that is just as it should be, which nearly all are nearly always: one look at each Instance and nothing
 * made for it. null means "look closer", never "something is wrong"; the closer look comes to the same for a settled Set
 * (test/plan/pure-world.ts asserts it in every pass).
 */
export function settledSet(context: SettledContext, set: DesiredSet, memory: SetMemory, seen: SetSightings): SettledSet | null {
  if (memory.task !== null || memory.failures.size > 0) return null;
  const target = targetCount(set, memory.count, context.nowMs, context.zones);
  if (set.count.kind === "elastic" && memory.count !== target.count) return null;
  const total = target.count + target.spare;
  if (memory.slots.size !== total) return null;
  const holdings: { rooms: Holdings["rooms"][number][]; leases: Holdings["leases"][number][] } = { rooms: [], leases: [] };
  const inZone = hasZoneRules(set) ? new Map<string, number>() : null;
  const lenient: HostStatus[] = [];
  const volumes = lastingVolumes(set);
  for (const [host, on] of seen) {
    const status = context.statusOf(host);
    if (status === undefined || status.reach !== "ok" || unfitReason(set, status) !== null) return null;
    if (on.ports.length !== on.instances.length || !areAsWanted(set, volumes, on.volumes, on.instances.length)) return null;
    if (!takeHost(set, memory, total, host, on, holdings)) return null;
    const zone = status.desired!.zone;
    inZone?.set(zone, (inZone.get(zone) ?? 0) + on.instances.length);
    if (status.pool?.limits === "best-effort") lenient.push(status);
  }
  if (holdings.rooms.length !== total) return null;
  const shortfall = target.shortfall ?? (inZone === null ? null : describeShortfall(set, inZone, target.count));
  const unenforced = lenient.length === 0 ? null : unenforcedProblem(set, lenient);
  return { slots: total, holdings, shortfall, unenforced, wakeAtMs: target.nextChangeMs };
}

/** They are as wanted, and so take what the Set reserves. */
const NO_VOLUMES: readonly never[] = [];

/** True when every Instance on the host is a wanted slot's and up to date; adds what they hold. */
function takeHost(
  set: DesiredSet,
  memory: SetMemory,
  total: number,
  host: string,
  on: SetOnHost,
  holdings: { readonly rooms: Holdings["rooms"][number][]; readonly leases: Holdings["leases"][number][] },
): boolean {
  for (let position = 0; position < on.instances.length; position++) {
    const instance = on.instances[position]!;
    const slot = memory.slots.get(instance.index);
    const claim = slot?.current;
    if (claim === undefined || claim === null || slot!.former.length > 0 || instance.index >= total) return false;
    if (claim.host !== host || claim.generation !== instance.generation || claim.ip === null) return false;
    if (instance.phase !== "running" || !instance.healthy) return false;
    if (instance.specHash !== set.specHash || instance.liveHash !== set.liveHash || instance.ip !== claim.ip) return false;
    if (!claimFits(claim, set, NO_VOLUMES) || instance.resources.memoryBytes !== claim.resources.memoryBytes) return false;
    const port = on.ports[position]!;
    if (port.index !== instance.index || port.ip !== claim.ip) return false;
    holdings.rooms.push({ host, claim });
    holdings.leases.push({ ip: claim.ip, slot: slotKey(set.name, instance.index) });
  }
  return true;
}
