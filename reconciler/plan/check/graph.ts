import type { Action, Plan } from "../../core/plan.ts";
import type { Violation } from "./violation.ts";

/** Numbers are positions and every need points backward: so the graph has an order and no cycle. */
export function checkGraph(plan: Plan): Violation[] {
  const violations: Violation[] = [];
  for (const [position, action] of plan.actions.entries()) {
    if (action.number !== position) violations.push({ code: "graph", text: `action ${action.number} stands at ${position}` });
    const forward = action.needs.find((need) => need < 0 || need >= position);
    if (forward !== undefined) violations.push({ code: "graph", text: `action ${position} needs ${forward}, which is not before it` });
  }
  return violations;
}

/** True when `wanted` holds for an action that must be done before `action`. */
export function isAfter(plan: Plan, action: Action, wanted: (before: Action) => boolean): boolean {
  const visited = new Set<number>();
  const open = [...action.needs];
  for (let number = open.pop(); number !== undefined; number = open.pop()) {
    if (visited.has(number)) continue;
    visited.add(number);
    const before = plan.actions[number];
    if (before === undefined) continue;
    if (wanted(before)) return true;
    open.push(...before.needs);
  }
  return false;
}
