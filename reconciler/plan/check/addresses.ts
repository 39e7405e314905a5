import { slotKey } from "../../core/ids.ts";
import type { Claim } from "../../core/memory.ts";
import type { Plan, PlanInput } from "../../core/plan.ts";
import type { FleetReading } from "./facts.ts";
import type { Violation } from "./violation.ts";

/** A slot that the plan gives an address. */
interface Taker {
  readonly key: string;
  readonly claim: Claim;
}

/** One who has an address already, by the journal or as seen. */
interface Holder {
  readonly set: string;
  readonly index: number;
  readonly generation: number;
}

/**
 * An address belongs to one live Instance: what a plan gives to a slot no other slot has, and no generation of its own on another
 * host that may run beside the new one. What is exclusive may take it along: checkStarts sees that it waits.
 */
export function checkAddresses(input: PlanInput, plan: Plan, facts: FleetReading): Violation[] {
  const violations: Violation[] = [];
  const takers = new Map<string, Taker>();
  for (const event of plan.intents) {
    if (event.type !== "slot.placed" || event.claim.ip === null) continue;
    const key = slotKey(event.set, event.index);
    const other = takers.get(event.claim.ip);
    if (other !== undefined) violations.push(taken(event.claim.ip, key, `${other.key} takes in the same plan`));
    else takers.set(event.claim.ip, { key, claim: event.claim });
  }
  if (takers.size === 0) return violations;
  const told = new Set<string>();
  eachHeld(input, facts, (ip, holder, host) => {
    const taker = takers.get(ip);
    if (taker === undefined || !isInTheWay(taker, holder, host, facts)) return;
    const text = `generation ${holder.generation} of ${slotKey(holder.set, holder.index)} has on ${host}`;
    if (!told.has(text)) violations.push(taken(ip, taker.key, text));
    told.add(text);
  });
  return violations;
}

function taken(ip: string, key: string, why: string): Violation {
  return { code: "address", text: `${key} takes ${ip}, which ${why}` };
}

function isInTheWay({ key, claim }: Taker, { set, index, generation }: Holder, host: string, facts: FleetReading): boolean {
  if (slotKey(set, index) !== key) return true;
  if (claim.exclusive || host === claim.host) return false;
  return !facts.isProvenGone(host, set, index, generation);
}

/** Visits every address that is claimed or seen in use; what a host showed before it was confirmed dead is no news of it any more. */
function eachHeld(input: PlanInput, facts: FleetReading, visit: (ip: string, holder: Holder, host: string) => void): void {
  for (const [set, { slots }] of input.memory.sets) {
    for (const [index, { current, former }] of slots) {
      for (const { ip, generation, host } of current === null ? former : [...former, current])
        if (ip !== null) visit(ip, { set, index, generation }, host);
    }
  }
  for (const [host, { observation }] of input.fleet) {
    if (observation === null || (facts.isConfirmedDead(host) && !facts.isFresh(host))) continue;
    for (const instance of observation.instances) if (instance.ip !== null) visit(instance.ip, instance, host);
    for (const port of observation.ports) visit(port.ip, port, host);
  }
}
