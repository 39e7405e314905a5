import { slotKey } from "../../core/ids.ts";
import type { Claim } from "../../core/memory.ts";
import type { Action, Plan, PlanInput } from "../../core/plan.ts";
import { RESOURCE_NAMES } from "../../core/resources.ts";
import type { FleetReading } from "./facts.ts";
import { isReplaced } from "./restores.ts";
import type { Violation } from "./violation.ts";

/** Steps toward the Instance a slot is to live on. */
type Building = Extract<
  Action,
  {
    kind:
      | "createVolume"
      | "restoreVolume"
      | "growVolume"
      | "attachPort"
      | "startInstance"
      | "awaitHealthy"
      | "updateLive"
      | "replaceContainers";
  }
>;

/**
 * Capacity, addresses and what may run twice are judged by claims: so what is built is what is claimed, and what is taken down
 * is nothing that a slot is to live on.
 */
export function checkClaims(input: PlanInput, plan: Plan, facts: FleetReading): Violation[] {
  const violations: Violation[] = [];
  for (const action of plan.actions) {
    const claim = facts.claims.after(action.set, action.index);
    switch (action.kind) {
      case "stopInstance":
      case "removeInstance":
        if (claim?.host === action.host && claim.generation === action.generation) violations.push(needed(action));
        break;
      case "detachPort":
        if (claim?.host === action.host) violations.push(needed(action));
        break;
      case "trashVolume":
        if (claim?.host === action.host && !facts.isUnwanted(action) && !isReplaced(input, plan, action, facts))
          violations.push(needed(action));
        break;
      case "createVolume":
      case "restoreVolume":
      case "growVolume":
      case "attachPort":
      case "startInstance":
      case "awaitHealthy":
      case "updateLive":
      case "replaceContainers":
        violations.push(...checkBuilding(action, claim));
        break;
      case "pullImage":
      case "confirmGone":
      case "purgeVolume":
        break;
      default:
        action satisfies never;
    }
  }
  return violations;
}

function needed({ kind, set, index, host, generation }: Action): Violation {
  return { code: "needed", text: `${kind} of ${slotKey(set, index)} generation ${generation} on ${host}, where the slot is to live` };
}

function checkBuilding(action: Building, claim: Claim | null): Violation[] {
  const { kind, host, generation } = action;
  const what = `${kind} of ${slotKey(action.set, action.index)} generation ${generation} on ${host}`;
  if (claim === null) return [{ code: "unclaimed", text: `${what}, which has no claim` }];
  if (claim.host !== host || claim.generation !== generation)
    return [{ code: "unclaimed", text: `${what}, its claim is generation ${claim.generation} on ${claim.host}` }];
  const violations: Violation[] = [];
  if ("ip" in action && action.ip !== claim.ip) {
    violations.push({ code: "unclaimed", text: `${what} with address ${action.ip}, its claim has ${claim.ip ?? "none"}` });
  }
  const more = "spec" in action ? RESOURCE_NAMES.find((name) => action.spec.resources[name] > claim.resources[name]) : undefined;
  if (more !== undefined) violations.push({ code: "unclaimed", text: `${what} with more ${more} than its claim` });
  return violations;
}
