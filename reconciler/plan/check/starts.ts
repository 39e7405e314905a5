import { slotKey } from "../../core/ids.ts";
import type { Action, Plan, PlanInput } from "../../core/plan.ts";
import type { Violation } from "./violation.ts";
import type { Alive, FleetReading } from "./facts.ts";
import { isAfter } from "./graph.ts";

type Start = Extract<Action, { kind: "startInstance" }>;

/** docs/SAFETY.md 1, 3 and 4: nothing runs twice that must not, nothing happens in spite of a hold or on a host we can't see. */
export function checkStarts(input: PlanInput, plan: Plan, facts: FleetReading): Violation[] {
  const violations: Violation[] = [];
  for (const action of plan.actions) {
    if (!facts.isFresh(action.host)) {
      violations.push({ code: "unknown-host", text: `${action.kind} on ${action.host}, whose report is not fresh` });
    }
    if (isHeld(input, action, facts))
      violations.push({ code: "held", text: `${action.kind} for ${action.set} on ${action.host} in spite of a hold` });
    if (action.kind === "startInstance") violations.push(...checkAlone(plan, action, facts));
  }
  return violations;
}

function isHeld(input: PlanInput, action: Action, facts: FleetReading): boolean {
  if (action.kind === "purgeVolume") return false;
  const pool = facts.hosts.get(action.host)?.pool ?? "";
  return [`set/${action.set}`, `host/${action.host}`, `pool/${pool}`].some((key) => {
    const hold = input.memory.holds.get(key);
    return hold !== undefined && (hold.untilMs === null || hold.untilMs > input.nowMs);
  });
}

/** Every other generation of an exclusive slot is gone for certain before this one starts. */
function checkAlone(plan: Plan, start: Start, facts: FleetReading): Violation[] {
  return mayRunBeside(plan, start, (other) => start.spec.exclusive || other.exclusive, facts).map((other) => ({
    code: "two-live",
    text: `${slotKey(start.set, start.index)} generation ${start.generation} starts on ${start.host} while generation ${other.generation} may run on ${other.host}`,
  }));
}

/** Other generations of a slot, of those that count, that may run when the step is taken; once each. */
export function mayRunBeside(plan: Plan, action: Action, counts: (other: Alive) => boolean, facts: FleetReading): readonly Alive[] {
  const stopTimeoutMs = "spec" in action ? Math.max(0, ...action.spec.template.containers.map((container) => container.stopTimeoutMs)) : 0;
  const others = facts.aliveOf(action.set, action.index).filter((other) => {
    const same = other.host === action.host && other.generation === action.generation;
    if (same || !counts(other)) return false;
    if (facts.isProvenGone(other.host, action.set, action.index, other.generation)) return false;
    if (facts.isConfirmedDead(other.host) && !facts.isFresh(other.host)) return false;
    if (other.exclusive && !facts.isFresh(other.host) && facts.isFenced(other.host, stopTimeoutMs)) return false;
    return !isAfter(
      plan,
      action,
      (before) =>
        before.kind === "confirmGone" && before.host === other.host && isOf(before, action) && before.generation >= other.generation,
    );
  });
  // A generation that is both claimed and seen is one.
  return [...new Map(others.map((other) => [`${other.generation} ${other.host}`, other])).values()];
}

function isOf(action: Action, slot: { readonly set: string; readonly index: number }): boolean {
  return action.set === slot.set && action.index === slot.index;
}
