import { slotKey, trashKey } from "../../core/ids.ts";
import type { Claim } from "../../core/memory.ts";
import type { TrashedVolume } from "../../core/observation.ts";
import { compareText } from "../../core/order.ts";
import type { Action, Plan, PlanInput } from "../../core/plan.ts";
import { diskBySlot, sizeOfVolumes } from "./capacity.ts";
import type { FleetReading } from "./facts.ts";
import { isAfter } from "./graph.ts";
import type { Violation } from "./violation.ts";

type Purge = Extract<Action, { kind: "purgeVolume" }>;

/**
 * docs/SAFETY.md 5, where a pool lets trash give way: what goes before its time is the oldest of its host, a volume is made or grown there
 * after it, and without the last of them what is claimed there would not fit.
 */
export function checkReclaim(input: PlanInput, plan: Plan, facts: FleetReading, host: string, early: readonly Purge[]): Violation[] {
  const volumes = (input.fleet.get(host)?.observation?.trash ?? []).filter(({ kind }) => kind === "lvm");
  // What is to be restored keeps its room, and its place in the order.
  const trash = volumes.filter(({ id, trashedAtMs }) => input.memory.restores.get(trashKey(host, id))?.trashedAtMs !== trashedAtMs);
  const purged = new Set(
    plan.actions.filter((action) => action.kind === "purgeVolume" && action.host === host).map((action) => (action as Purge).trashId),
  );
  const entries = early.map(({ trashId }) => trash.find(({ id }) => id === trashId));
  if (entries.some((entry) => entry === undefined)) return [tooSoon(host, "is no logical volume, so it makes no room")];
  const youngest = (entries as TrashedVolume[]).reduce((last, entry) => (goesAfter(entry, last) ? entry : last));
  const older = trash.find(({ id, trashedAtMs }) => trashedAtMs < youngest.trashedAtMs && !purged.has(id));
  if (older !== undefined) return [tooSoon(host, `while ${older.id}, which is older, stays`)];
  const users = plan.actions.filter((action) => action.host === host && (action.kind === "createVolume" || action.kind === "growVolume"));
  if (early.some((purge) => !users.some((user) => isAfter(plan, user, (before) => before === purge))))
    return [tooSoon(host, "and no volume waits for it")];
  const left = volumes.filter(({ id }) => !purged.has(id) || id === youngest.id);
  const capacityBytes = Math.min(facts.hosts.get(host)?.capacity.diskBytes ?? 0, input.fleet.get(host)!.observation!.capacity.diskBytes);
  const fits = claimedBytes(input, plan, facts, host) + sizeOfVolumes(left) <= capacityBytes;
  return fits ? [tooSoon(host, `though there is room without ${youngest.id}`)] : [];
}

/** Of equal age, the one with the later id. */
function goesAfter(a: TrashedVolume, b: TrashedVolume): boolean {
  return a.trashedAtMs > b.trashedAtMs || (a.trashedAtMs === b.trashedAtMs && compareText(a.id, b.id) > 0);
}

function tooSoon(host: string, why: string): Violation {
  return { code: "purge", text: `trash of ${host} is purged before it expired ${why}` };
}

/** What slots have and are to have of the host's volume group, once the plan's intents are written. */
function claimedBytes(input: PlanInput, plan: Plan, facts: FleetReading, host: string): number {
  const bytes = diskBySlot(input.fleet.get(host)?.observation?.volumes ?? []);
  const take = (key: string, claim: Claim | null): void => {
    if (claim?.host === host) bytes.set(key, Math.max(bytes.get(key) ?? 0, claim.resources.diskBytes));
  };
  for (const [set, { slots }] of input.memory.sets) {
    for (const [index, { current, former }] of slots) for (const claim of [current, ...former]) take(slotKey(set, index), claim);
  }
  for (const event of plan.intents) {
    if (event.type === "slot.placed" || event.type === "slot.resized")
      take(slotKey(event.set, event.index), facts.claims.after(event.set, event.index));
  }
  return [...bytes.values()].reduce((sum, value) => sum + value, 0);
}
