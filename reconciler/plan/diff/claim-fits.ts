import type { DesiredSet } from "../../core/desired.ts";
import type { Claim } from "../../core/memory.ts";
import { RESOURCE_NAMES } from "../../core/resources.ts";

/** True when the claim already says what the Set reserves. */
export function claimFits(claim: Claim, set: DesiredSet): boolean {
  if (claim.core !== (set.priority === "core") || claim.hostPorts.length !== set.hostPorts.length) return false;
  for (const name of RESOURCE_NAMES) if (claim.resources[name] !== set.resources[name]) return false;
  return claim.hostPorts.every((port, at) => port === set.hostPorts[at]);
}
