import type { DesiredSet } from "../../reconciler/core/desired.ts";
import { slotKey } from "../../reconciler/core/ids.ts";
import type { ActionKind, Plan, PlanInput } from "../../reconciler/core/plan.ts";
import { Violation } from "./world-rules.ts";

const CREATING: ReadonlySet<ActionKind> = new Set(["createVolume", "attachPort", "startInstance"]);
const DESTROYING: ReadonlySet<ActionKind> = new Set(["stopInstance", "removeInstance", "detachPort", "trashVolume", "purgeVolume"]);

/**
 * What no plan may contain, judged from the plan's own input: 2 creates, 3 nothing for what is removed or held, 4 no step in
 * the dark, 6 no destroy in doubt, 7 the budget, 15 the brake. Throws a Violation.
 */
export function checkPlan(input: PlanInput, plan: Plan): void {
  const braked = brakedPools(input);
  for (const action of plan.actions) {
    const what = `${action.kind} ${slotKey(action.set, action.index)} g${action.generation} on ${action.host}`;
    const view = input.fleet.get(action.host);
    if (view === undefined || view.observation === null || view.problem !== "") {
      throw new Violation("4 a step in the dark", `${what}, which is ${view?.problem ?? "not followed"}`);
    }
    const why = CREATING.has(action.kind) ? whyNothingFor(input, action.set) : null;
    if (why !== null) throw new Violation("3 created for nothing", `${what}: ${why}`);
    if (!DESTROYING.has(action.kind)) continue;
    if (input.destroysFrozen !== null) throw new Violation("6 destroyed in doubt", `${what} although ${input.destroysFrozen}`);
    const pool = poolOf(input, action.host);
    if (pool !== null && braked.has(pool) && action.kind !== "purgeVolume")
      throw new Violation("15 brake", `${what} while pool ${pool} is braked`);
  }
  checkCreates(input, plan);
  checkBudget(input, plan);
}

function whyNothingFor(input: PlanInput, name: string): string | null {
  const set = input.desired.sets.get(name);
  if (set === undefined) return "the Set is not in the manifests";
  if (greatestTarget(set) === 0) return "the Set is scaled to 0";
  const hold = input.memory.holds.get(`set/${name}`);
  return hold !== undefined && (hold.untilMs === null || hold.untilMs > input.nowMs) ? "the Set is held" : null;
}

function greatestTarget(set: DesiredSet): number {
  return set.count.kind === "fixed" ? set.count.replicas : set.count.max;
}

/** 2: only wanted slots get a place: those below the target; one of them at most one in a plan. */
function checkCreates(input: PlanInput, plan: Plan): void {
  const placed = new Set<string>();
  for (const event of plan.intents) {
    if (event.type !== "slot.placed") continue;
    const key = slotKey(event.set, event.index);
    const set = input.desired.sets.get(event.set);
    const target = set === undefined ? 0 : greatestTarget(set);
    if (event.index >= target) throw new Violation("2 creates", `${event.set} wants ${target}, the plan places ${key}`);
    if (placed.has(key)) throw new Violation("2 creates", `the plan places ${key} twice`);
    placed.add(key);
  }
}

/** 7: what is given up per pool and zone stays within the budget, unless a person confirmed it lately. */
function checkBudget(input: PlanInput, plan: Plan): void {
  if (input.memory.confirmed.size > 0) return;
  const given = new Map<string, number>();
  for (const event of plan.intents) {
    if (event.type !== "slot.retired") continue;
    const claim = input.memory.sets.get(event.set)?.slots.get(event.index)?.current;
    const host = input.desired.hosts.find((host) => host.name === claim?.host);
    if (host === undefined || input.memory.hosts.get(host.name)?.confirmedDeadAtMs != null) continue;
    const zone = `${host.pool} ${host.zone}`;
    given.set(zone, (given.get(zone) ?? 0) + 1);
  }
  for (const [zone, count] of given) {
    const pool = input.desired.pools.get(zone.split(" ")[0]!)!;
    const limit = Math.max(1, Math.min(pool.budget.count, Math.floor((claimsIn(input, plan, zone) * pool.budget.percent) / 100)));
    if (count > limit) throw new Violation("7 budget", `${count} destroys in ${zone}, the budget is ${limit}`);
  }
}

/** Claims on the hosts of a zone, with those that the plan itself takes up because it found them there. */
function claimsIn(input: PlanInput, plan: Plan, zone: string): number {
  const hosts = new Set(input.desired.hosts.filter((host) => `${host.pool} ${host.zone}` === zone).map((host) => host.name));
  let claims = plan.intents.filter((event) => event.type === "slot.adopted" && hosts.has(event.claim.host)).length;
  for (const set of input.memory.sets.values()) {
    for (const slot of set.slots.values()) {
      for (const claim of [...slot.former, ...(slot.current === null ? [] : [slot.current])]) if (hosts.has(claim.host)) claims++;
    }
  }
  return claims;
}

/** Pools of which so many hosts are silent for certain that nothing may be taken away. */
function brakedPools(input: PlanInput): Set<string> {
  const silent = new Map<string, number>();
  const all = new Map<string, number>();
  for (const host of input.desired.hosts) {
    const { failure } = input.desired.pools.get(host.pool)!;
    if (input.memory.hosts.get(host.name)?.confirmedDeadAtMs != null) continue;
    all.set(host.pool, (all.get(host.pool) ?? 0) + 1);
    const silentMs = input.monotonicMs - (input.fleet.get(host.name)?.heardAtMs ?? input.startedAtMs);
    if (silentMs >= failure.suspectAfterMs) silent.set(host.pool, (silent.get(host.pool) ?? 0) + 1);
  }
  const braked = [...silent].filter(([pool, count]) => count > 1 && count > input.desired.pools.get(pool)!.failure.brake * all.get(pool)!);
  return new Set(braked.map(([pool]) => pool));
}

function poolOf(input: PlanInput, host: string): string | null {
  return input.desired.hosts.find((candidate) => candidate.name === host)?.pool ?? null;
}
