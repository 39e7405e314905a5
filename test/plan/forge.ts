import { expect } from "vitest";
import type { EventBody } from "../../reconciler/core/events.ts";
import type { Claim } from "../../reconciler/core/memory.ts";
import type { HostObservation, HostView } from "../../reconciler/core/observation.ts";
import type { Action, ActionKind, Plan, PlanInput } from "../../reconciler/core/plan.ts";
import { check } from "../../reconciler/plan/check/check.ts";
import { pool, set } from "../desired/documents.ts";
import type { PassResult, PureWorld } from "./pure-world.ts";
import { LVM, worldOf } from "./world-of.ts";

/** A plan as the planner made it, in which the check must find nothing. */
export type Good = PassResult;

/** Good, then forged: what is found in the forgery, as `code: text`. */
export function found({ input, plan }: Good, forge: { readonly input?: Partial<PlanInput>; readonly plan?: Partial<Plan> }): string[] {
  expect(plan.actions.length + plan.intents.length).toBeGreaterThan(0);
  expect(check(input, plan)).toEqual([]);
  return check({ ...input, ...forge.input }, { ...plan, ...forge.plan }).map(({ code, text }) => `${code}: ${text}`);
}

/** The actions with those of a kind changed. */
export function changed<Kind extends ActionKind>(
  plan: Plan,
  kind: Kind,
  change: (action: Extract<Action, { kind: Kind }>) => Partial<Extract<Action, { kind: Kind }>>,
): { readonly actions: readonly Action[] } {
  const actions = plan.actions.map((action) =>
    action.kind === kind ? ({ ...action, ...change(action as Extract<Action, { kind: Kind }>) } as Action) : action,
  );
  return { actions };
}

export function only<Kind extends ActionKind>(plan: Plan, kind: Kind): Extract<Action, { kind: Kind }> {
  const actions = plan.actions.filter((action) => action.kind === kind);
  expect(actions).toHaveLength(1);
  return actions[0] as Extract<Action, { kind: Kind }>;
}

export function without(plan: Plan, type: EventBody["type"]): { readonly intents: readonly EventBody[] } {
  return { intents: plan.intents.filter((event) => event.type !== type) };
}

/** The intents with every claim that is placed changed. */
export function placedAs(plan: Plan, change: (claim: Claim) => Partial<Claim>): { readonly intents: readonly EventBody[] } {
  return {
    intents: plan.intents.map((event) =>
      event.type === "slot.placed" ? { ...event, claim: { ...event.claim, ...change(event.claim) } } : event,
    ),
  };
}

/** The fleet with some hosts' views changed. */
export function views(input: PlanInput, hosts: readonly string[], change: (view: HostView) => Partial<HostView>): Pick<PlanInput, "fleet"> {
  const fleet = new Map(input.fleet);
  for (const host of hosts) fleet.set(host, { ...fleet.get(host)!, ...change(fleet.get(host)!) });
  return { fleet };
}

export const SILENT = (): Partial<HostView> => ({ problem: "cut off" });

export function shows(change: Partial<HostObservation>): (view: HostView) => Partial<HostView> {
  return ({ observation }) => ({ observation: { ...observation!, ...change } });
}

export function hostOf(world: PureWorld, slot: string): string {
  return world
    .running()
    .find((at) => at.startsWith(`${slot}@`))!
    .split("@")[1]!;
}

/** The first slots of a new Set. */
export function creating(spec: Parameters<typeof set>[1] = { replicas: 1 }): Good {
  return worldOf(pool("main"), set("web", spec)).world.plan();
}

/** A Set of one slot that goes, with its volume. */
export function removing(): Good & { readonly host: string } {
  const { world, commit } = worldOf(pool("main"), set("db", { replicas: 1, template: LVM }));
  world.converge();
  const host = hostOf(world, "db/0");
  commit(pool("main"));
  return { ...world.plan(), host };
}

/** One slot that leaves a host that is drained. */
export function draining(spec: Parameters<typeof set>[1]): Good & { readonly from: string; readonly to: string } {
  const { world } = worldOf(pool("main"), set("db", { replicas: 1, ...spec }));
  world.converge();
  const from = hostOf(world, "db/0");
  world.record({ type: "host.state", host: from, state: "draining", who: "ada", why: "new disks" });
  const good = world.plan();
  return { ...good, from, to: good.plan.changes[0]!.host! };
}

export function otherHosts({ input }: Good, ...not: string[]): string[] {
  return input.desired.hosts.map((host) => host.name).filter((name) => !not.includes(name));
}
