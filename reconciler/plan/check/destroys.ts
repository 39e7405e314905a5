import type { EventBody } from "../../core/events.ts";
import { slotKey, trashKey } from "../../core/ids.ts";
import type { Claim, TrashEntry } from "../../core/memory.ts";
import type { Action, ActionKind, Plan, PlanInput } from "../../core/plan.ts";
import { destroysHash } from "../budget.ts";
import type { Violation } from "./violation.ts";
import type { FleetReading } from "./facts.ts";
import { checkReclaim } from "./reclaim.ts";

const DESTROYING: ReadonlySet<ActionKind> = new Set(["stopInstance", "removeInstance", "detachPort", "trashVolume", "purgeVolume"]);

/** docs/SAFETY.md 5 to 7 and 15: data only to the trash, nothing destroyed when in doubt, never more than the budget. */
export function checkDestroys(input: PlanInput, plan: Plan, facts: FleetReading): Violation[] {
  const violations: Violation[] = [];
  for (const action of plan.actions) {
    if (!DESTROYING.has(action.kind)) continue;
    const pool = facts.hosts.get(action.host)?.pool;
    const text = `${action.kind} of ${slotKey(action.set, action.index)} on ${action.host}`;
    if (input.destroysFrozen !== null) violations.push({ code: "frozen", text: `${text} although ${input.destroysFrozen}` });
    if (pool !== undefined && facts.braked().has(pool) && action.kind !== "purgeVolume")
      violations.push({ code: "brake", text: `${text} while pool ${pool} is braked` });
  }
  return [...violations, ...checkPurges(input, plan, facts), ...checkMoves(input, plan, facts), ...checkBudget(input, plan, facts)];
}

/** Purges are of what is in the trash and expired, was let go by a person, or makes room in a pool that says so; never of what is to be restored. */
function checkPurges(input: PlanInput, plan: Plan, facts: FleetReading): Violation[] {
  const violations: Violation[] = [];
  const early = new Map<string, Purge[]>();
  for (const action of plan.actions) {
    if (action.kind !== "purgeVolume") continue;
    const { host, trashId, trashedAtMs } = action;
    const entry = input.fleet.get(host)?.observation?.trash.find((candidate) => candidate.id === trashId);
    const pool = input.desired.pools.get(facts.hosts.get(host)?.pool ?? "");
    if (entry === undefined || entry.trashedAtMs !== trashedAtMs || pool === undefined)
      violations.push({ code: "purge", text: `purge of ${trashId} on ${host}, which is not in its trash` });
    else if (isMeant(input.memory.restores, action))
      violations.push({ code: "purge", text: `purge of ${trashId} on ${host}, which is to be restored` });
    else if (isMeant(input.memory.purges, action)) continue;
    else if (entry.trashedAtMs + pool.storage.trashKeepForMs <= input.nowMs) continue;
    else if (pool.storage.trashReclaim === "when-full") early.set(host, [...(early.get(host) ?? []), action]);
    else violations.push({ code: "purge", text: `purge of ${trashId} on ${host} before it expired` });
  }
  for (const [host, purges] of early) violations.push(...checkReclaim(input, plan, facts, host, purges));
  return violations;
}

type Purge = Extract<Action, { kind: "purgeVolume" }>;

/** A person said something of this very entry. */
function isMeant(said: ReadonlyMap<string, TrashEntry>, { host, trashId, trashedAtMs }: Purge): boolean {
  return said.get(trashKey(host, trashId))?.trashedAtMs === trashedAtMs;
}

/** A braked pool's silence is no reason to start a slot elsewhere that may live where it was. */
function checkMoves(input: PlanInput, plan: Plan, facts: FleetReading): Violation[] {
  const violations: Violation[] = [];
  for (const event of plan.intents) {
    const from = event.type === "slot.placed" ? facts.claims.before(event.set, event.index) : null;
    if (event.type !== "slot.placed" || from === null || from.host === event.claim.host) continue;
    const pool = facts.hosts.get(from.host)?.pool;
    if (pool === undefined || !facts.braked().has(pool) || !mayLive(input, facts, event, from)) continue;
    const text = `${slotKey(event.set, event.index)} leaves ${from.host} while pool ${pool} is braked`;
    violations.push({ code: "brake", text });
  }
  return violations;
}

function mayLive(input: PlanInput, facts: FleetReading, { set, index }: Slot, { host, generation }: Claim): boolean {
  if (!facts.isFresh(host)) return !facts.isConfirmedDead(host);
  const shown = input.fleet.get(host)!.observation!.instances;
  return shown.some((other) => other.set === set && other.index === index && other.generation === generation);
}

/**
 * Counts what the plan gives up, Instances and data, per pool and zone: no more than the smaller of the budget's count and percent, never below one,
 * or all of it on a list that was confirmed.
 */
function checkBudget(input: PlanInput, plan: Plan, facts: FleetReading): Violation[] {
  const agreed = new Set<string>();
  for (const { pool, slots } of plan.confirmed) {
    if (input.memory.confirmed.has(destroysHash(pool, slots))) for (const slot of slots) agreed.add(slot);
  }
  const inZone = new Map<string, number>();
  for (const event of plan.intents) {
    const claim = givenUp(input, plan, facts, event);
    if (claim === null || agreed.has(`${slotKey(claim.set, claim.index)}@${claim.generation}`)) continue;
    const host = facts.isConfirmedDead(claim.host) && !facts.isFresh(claim.host) ? undefined : facts.hosts.get(claim.host);
    if (host === undefined) continue;
    const zone = `${host.pool} ${host.zone}`;
    inZone.set(zone, (inZone.get(zone) ?? 0) + 1);
  }
  const violations: Violation[] = [];
  for (const [zone, count] of inZone) {
    if (count <= 1) continue;
    const { budget } = input.desired.pools.get(zone.slice(0, zone.indexOf(" ")))!;
    const most = Math.max(1, Math.min(budget.count, Math.floor((livingIn(input, facts, zone) * budget.percent) / 100)));
    if (count > most) violations.push({ code: "budget", text: `${count} destroys in pool and zone ${zone}, over the budget of ${most}` });
  }
  return violations;
}

/** Slots that are claimed or of which anything is seen on the hosts of a pool and zone, each once per host. */
function livingIn(input: PlanInput, facts: FleetReading, zone: string): number {
  const hosts = new Set([...facts.hosts.values()].filter((host) => `${host.pool} ${host.zone}` === zone).map(({ name }) => name));
  const living = new Set<string>();
  for (const [set, { slots }] of input.memory.sets) {
    for (const [index, { current, former }] of slots) {
      for (const claim of current === null ? former : [...former, current])
        if (hosts.has(claim.host)) living.add(`${slotKey(set, index)} ${claim.host}`);
    }
  }
  for (const host of hosts) {
    const shown = input.fleet.get(host)?.observation;
    for (const { set, index } of shown === null || shown === undefined ? [] : [...shown.instances, ...shown.ports, ...shown.volumes])
      living.add(`${slotKey(set, index)} ${host}`);
  }
  return living.size;
}

/**
 * The claim that an event gives up for good: the slot's own, or one whose volumes go to the trash when the slot leaves its host, or stays
 * there with others.
 */
function givenUp(input: PlanInput, plan: Plan, facts: FleetReading, event: EventBody): (Claim & Slot) | null {
  if (event.type !== "slot.retired" && event.type !== "slot.placed") return null;
  const { set, index } = event;
  const before = facts.claims.before(set, index);
  if (before === null) return null;
  const claim = { ...before, set, index };
  if (event.type === "slot.retired") return before.generation === event.generation ? claim : null;
  const shown = (input.fleet.get(before.host)?.observation?.volumes ?? []).filter((volume) => volume.set === set && volume.index === index);
  const stays = before.host === event.claim.host;
  const goes = (volume: string): boolean =>
    facts.isUnwanted({ host: before.host, set, index, volume }) ||
    plan.actions.some(
      (step) =>
        step.kind === "trashVolume" && step.host === before.host && step.volume === volume && step.set === set && step.index === index,
    );
  const lost = shown.filter(({ kind, name }) => kind === "lvm" && (!stays || goes(name)));
  return lost.length > 0 ? claim : null;
}

interface Slot {
  readonly set: string;
  readonly index: number;
}
