import type { Plan, PlanInput } from "../../core/plan.ts";
import { checkAddresses } from "./addresses.ts";
import { checkCapacity } from "./capacity.ts";
import { checkClaims } from "./claims.ts";
import { checkCreates } from "./creates.ts";
import { checkDestroys } from "./destroys.ts";
import { readFleet } from "./facts.ts";
import { checkGraph } from "./graph.ts";
import { checkOrder } from "./order.ts";
import { checkRestores } from "./restores.ts";
import { checkStarts } from "./starts.ts";
import type { Violation } from "./violation.ts";

/**
 * An independent second opinion: everything docs/SAFETY.md forbids, looked for in the finished plan. Reads only the
 * plan and its input; of the planner's code it uses the target count and the hash of confirmed destroys, nothing else. A plan with a violation must not be executed.
 * Costs what the plan touches; an empty plan costs nothing.
 */
export function check(input: PlanInput, plan: Plan): readonly Violation[] {
  if (plan.actions.length === 0 && plan.intents.length === 0) return [];
  const facts = readFleet(input, plan);
  return [
    ...checkGraph(plan),
    ...checkClaims(input, plan, facts),
    ...checkCreates(input, plan, facts),
    ...checkStarts(input, plan, facts),
    ...checkAddresses(input, plan, facts),
    ...checkOrder(input, plan, facts),
    ...checkRestores(input, plan, facts),
    ...checkDestroys(input, plan, facts),
    ...checkCapacity(input, plan, facts),
  ];
}
