import type { DesiredHost, DesiredSet } from "../../core/desired.ts";
import type { EventBody } from "../../core/events.ts";
import { slotKey } from "../../core/ids.ts";
import type { Action, Plan, PlanInput } from "../../core/plan.ts";
import { targetCount } from "../desired/count.ts";
import type { FleetReading } from "./facts.ts";
import type { Violation } from "./violation.ts";

type Claiming = Extract<EventBody, { type: "slot.placed" | "slot.adopted" }>;

/** What a plan claims for one Set. */
interface SetClaims {
  readonly set: DesiredSet;
  readonly total: number;
  readonly placed: readonly Claiming[];
  readonly adopted: readonly Claiming[];
}

/** docs/SAFETY.md 1 to 3 and 11: only what is wanted is made, no more of it than is missing, and only an elastic Set is counted. */
export function checkCreates(input: PlanInput, plan: Plan, facts: FleetReading): Violation[] {
  const totals = new Map<string, number>();
  function totalOf(set: DesiredSet): number {
    let total = totals.get(set.name);
    if (total === undefined) totals.set(set.name, (total = slotsWanted(input, set, facts)));
    return total;
  }
  const violations = plan.actions.flatMap((action) => checkWanted(input, action, totalOf));
  violations.push(...checkUnseenTwins(input, plan, facts));
  const placed = claimsBySet(plan, "slot.placed");
  const adopted = claimsBySet(plan, "slot.adopted");
  for (const [name, events] of placed) {
    const set = input.desired.sets.get(name);
    if (set === undefined) continue;
    violations.push(
      ...checkSurplus(input, facts, { set, total: totalOf(set), placed: events, adopted: adopted.get(name) ?? [] }),
      ...checkInventory(input, facts, set, events),
    );
  }
  for (const event of plan.intents) {
    if (event.type === "set.counted" && input.desired.sets.get(event.set)?.count.kind !== "elastic")
      violations.push({ code: "count", text: `${event.set} is counted, its manifest says how many it has` });
  }
  return violations;
}

function claimsBySet(plan: Plan, type: Claiming["type"]): Map<string, Claiming[]> {
  return Map.groupBy(
    plan.intents.filter((event) => event.type === "slot.placed" || event.type === "slot.adopted").filter((event) => event.type === type),
    (event) => event.set,
  );
}

/** What is made on a host, or made anew, is for a slot that the Set wants, by the Set's present spec. */
function checkWanted(input: PlanInput, action: Action, totalOf: (set: DesiredSet) => number): Violation[] {
  const makes = action.kind === "createVolume" || action.kind === "restoreVolume" || action.kind === "attachPort";
  if (!makes && !("spec" in action)) return [];
  const what = `${action.kind} of ${slotKey(action.set, action.index)}`;
  const set = input.desired.sets.get(action.set);
  if (set === undefined) return [{ code: "unwanted", text: `${what}, its Set is not in the manifests` }];
  const violations: Violation[] = [];
  const total = totalOf(set);
  if (action.index >= total) violations.push({ code: "unwanted", text: `${what}, the Set wants ${total} slots` });
  if ("spec" in action && action.spec.specHash !== set.specHash)
    violations.push({ code: "unwanted", text: `${what} with another spec than its Set's` });
  return violations;
}

/** Slots the Set should have, spare ones included. */
function slotsWanted(input: PlanInput, set: DesiredSet, facts: FleetReading): number {
  const only = set.placement.zones;
  const zones = new Set(
    set.pools.flatMap((pool) => [...(facts.zones().get(pool) ?? [])]).filter((zone) => only.length === 0 || only.includes(zone)),
  );
  const target = targetCount(set, input.memory.sets.get(set.name)?.count ?? null, input.nowMs, zones.size);
  return target.count + target.spare;
}

/** New slots and those that run and stay, together, are no more than the Set wants. */
function checkSurplus(input: PlanInput, facts: FleetReading, work: SetClaims): Violation[] {
  const set = work.set.name;
  const created = work.placed.filter(({ index }) => facts.claims.before(set, index) === null).length;
  if (created === 0) return [];
  const indices = new Set([...(input.memory.sets.get(set)?.slots.keys() ?? []), ...work.adopted.map(({ index }) => index)]);
  const staying = [...indices].filter((index) => {
    const claim = facts.claims.before(set, index);
    return claim !== null && facts.claims.after(set, index) !== null && isRunning(input, facts, set, index, claim);
  }).length;
  if (created + staying <= work.total) return [];
  return [{ code: "surplus", text: `${created} slots of ${set} are created beside ${staying} that run, the Set wants ${work.total}` }];
}

function isRunning(
  input: PlanInput,
  facts: FleetReading,
  set: string,
  index: number,
  { host, generation }: { readonly host: string; readonly generation: number },
): boolean {
  const shown = facts.isFresh(host) ? input.fleet.get(host)!.observation!.instances : [];
  return shown.some((other) => other.set === set && other.index === index && other.generation === generation && other.phase === "running");
}

/** While a host was not seen since the journal was created, a slot that is nowhere may be there. */
function checkInventory(input: PlanInput, facts: FleetReading, set: DesiredSet, placed: readonly Claiming[]): Violation[] {
  const unseen = neverSeen(input, facts).find((host) => set.pools.includes(host.pool));
  if (unseen === undefined) return [];
  return placed
    .filter(({ index }) => facts.claims.before(set.name, index) === null)
    .map(({ index }) => ({
      code: "inventory",
      text: `${slotKey(set.name, index)} is placed, host ${unseen.name} was never seen and may have it`,
    }));
}

/** And what must not run twice may run there in a later generation, whatever pool it was in under an earlier commit. */
function checkUnseenTwins(input: PlanInput, plan: Plan, facts: FleetReading): Violation[] {
  const [unseen] = neverSeen(input, facts);
  if (unseen === undefined) return [];
  return plan.actions
    .filter((action) => action.kind === "startInstance" && action.spec.exclusive)
    .map(({ set, index, host }) => ({
      code: "inventory",
      text: `${slotKey(set, index)} starts on ${host}, host ${unseen.name} was never seen and may run it`,
    }));
}

function neverSeen(input: PlanInput, facts: FleetReading): DesiredHost[] {
  return [...(input.memory.uninventoried ?? [])].flatMap((name) => {
    const host = facts.hosts.get(name);
    return host === undefined || facts.isFresh(name) || facts.isConfirmedDead(name) ? [] : [host];
  });
}
