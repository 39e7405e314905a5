import type { DesiredSet } from "../../core/desired.ts";
import type { Claim } from "../../core/memory.ts";
import { sameResources } from "../../core/resources.ts";

/** True when the claim already says what the Set reserves. */
export function claimFits(claim: Claim, set: DesiredSet): boolean {
  if (claim.core !== (set.priority === "core") || claim.hostPorts.length !== set.hostPorts.length) return false;
  if (!sameResources(claim.resources, set.resources)) return false;
  return claim.hostPorts.every((port, at) => port === set.hostPorts[at]);
}
