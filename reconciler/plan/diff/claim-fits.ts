import type { DesiredSet } from "../../core/desired.ts";
import type { Claim } from "../../core/memory.ts";
import { sameResources } from "../../core/resources.ts";
import { diskOn, type VolumeHere } from "../volumes/on-host.ts";

/** True when the claim already says what the Set reserves, for a slot with these volumes on its host. */
export function claimFits(claim: Claim, set: DesiredSet, here: readonly VolumeHere[]): boolean {
  if (claim.core !== (set.priority === "core") || claim.hostPorts.length !== set.hostPorts.length) return false;
  if (!sameResources(claim.resources, { ...set.resources, diskBytes: diskOn(set, here) })) return false;
  return claim.hostPorts.every((port, at) => port === set.hostPorts[at]);
}
