import { slotKey } from "../../core/ids.ts";
import type { Action, Plan, PlanInput } from "../../core/plan.ts";
import type { Violation } from "./violation.ts";
import { isAfter } from "./graph.ts";

/** docs/SAFETY.md 10: network and volumes before the app containers; nothing released before the containers were seen gone. */
export function checkOrder(input: PlanInput, plan: Plan): Violation[] {
  const violations: Violation[] = [];
  for (const action of plan.actions) {
    if (action.kind === "startInstance") violations.push(...checkReady(input, plan, action));
    if (action.kind === "detachPort" || action.kind === "trashVolume") violations.push(...checkReleased(input, plan, action));
  }
  return violations;
}

function checkReady(input: PlanInput, plan: Plan, start: Extract<Action, { kind: "startInstance" }>): Violation[] {
  const violations: Violation[] = [];
  const key = slotKey(start.set, start.index);
  const here = (before: Action): boolean => before.host === start.host && before.set === start.set && before.index === start.index;
  if (!isAfter(plan, start, (before) => before.kind === "attachPort" && here(before) && before.generation === start.generation)) {
    violations.push({ code: "order", text: `${key} starts on ${start.host} before its port is attached` });
  }
  const volumes = input.fleet.get(start.host)?.observation?.volumes ?? [];
  for (const { name, kind } of start.spec.template.volumes) {
    if (kind !== "lvm") continue;
    const exists = volumes.some((volume) => volume.set === start.set && volume.index === start.index && volume.name === name);
    const made = isAfter(plan, start, (before) => before.kind === "createVolume" && here(before) && before.volume === name);
    if (!exists && !made) violations.push({ code: "order", text: `${key} starts on ${start.host} before volume ${name} exists` });
  }
  return violations;
}

function checkReleased(input: PlanInput, plan: Plan, action: Extract<Action, { kind: "detachPort" | "trashVolume" }>): Violation[] {
  const instances = input.fleet.get(action.host)?.observation?.instances ?? [];
  const alive = instances.filter((instance) => instance.set === action.set && instance.index === action.index);
  const violations: Violation[] = [];
  for (const { generation } of alive) {
    const gone = isAfter(
      plan,
      action,
      (before) =>
        before.kind === "confirmGone" &&
        before.host === action.host &&
        before.set === action.set &&
        before.index === action.index &&
        before.generation === generation,
    );
    if (!gone) {
      const text = `${action.kind} of ${slotKey(action.set, action.index)} on ${action.host} before generation ${generation} was seen gone`;
      violations.push({ code: "order", text });
    }
  }
  return violations;
}
