import { slotKey } from "../../core/ids.ts";
import type { Action, Plan, PlanInput } from "../../core/plan.ts";
import type { Violation } from "./violation.ts";
import type { FleetReading } from "./facts.ts";
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
  const stopTimeoutMs = Math.max(0, ...start.spec.template.containers.map((container) => container.stopTimeoutMs));
  const violations: Violation[] = [];
  for (const other of facts.aliveOf(start.set, start.index)) {
    const same = other.host === start.host && other.generation === start.generation;
    if (same || !(start.spec.exclusive || other.exclusive)) continue;
    if (facts.isProvenGone(other.host, start.set, start.index, other.generation)) continue;
    if (facts.isConfirmedDead(other.host) && !facts.isFresh(other.host)) continue;
    if (other.exclusive && !facts.isFresh(other.host) && facts.isFenced(other.host, stopTimeoutMs)) continue;
    const gone = isAfter(
      plan,
      start,
      (before) =>
        before.kind === "confirmGone" && before.host === other.host && isOf(before, start) && before.generation >= other.generation,
    );
    // A generation that is both claimed and seen is one.
    if (!gone) {
      const text = `${slotKey(start.set, start.index)} generation ${start.generation} starts on ${start.host} while generation ${other.generation} may run on ${other.host}`;
      if (!violations.some((known) => known.text === text)) violations.push({ code: "two-live", text });
    }
  }
  return violations;
}

function isOf(action: Action, slot: { readonly set: string; readonly index: number }): boolean {
  return action.set === slot.set && action.index === slot.index;
}
