import type { DesiredSet } from "../../core/desired.ts";
import { engineText, lacksEngine, type HostStatus } from "../fleet/host-status.ts";

/** Why a placed slot may not stay where it is; null when it may. Only rules that a commit or an operator can change. */
export function unfitReason(set: DesiredSet, host: HostStatus): string | null {
  if (host.desired === null) return `host ${host.name} is no longer in any pool`;
  if (host.state === "draining") return `host ${host.name} is draining`;
  if (!set.pools.includes(host.desired.pool)) return `pool ${host.desired.pool} is no longer the Set's`;
  const zones = set.placement.zones;
  if (zones.length > 0 && !zones.includes(host.desired.zone)) return `zone ${host.desired.zone} is no longer allowed`;
  const labels = set.placement.hostLabels;
  for (const key in labels) if (host.desired.labels[key] !== labels[key]) return `host ${host.name} lacks label ${key}=${labels[key]}`;
  return null;
}

/** Why a slot of the Set that lives elsewhere may not come to this host, whatever room there is; null when it may. */
export function whyNotThere(set: DesiredSet, host: HostStatus): string | null {
  if (host.desired === null) return `host ${host.name} is in no pool`;
  if (host.reach !== "ok") return `host ${host.name} is ${host.reach === "dead" ? "confirmed dead" : "silent"}`;
  if (host.held !== null) return host.held;
  if (host.state !== "active") return `host ${host.name} is ${host.state}`;
  if (lacksEngine(host)) return engineText(host);
  return unfitReason(set, host);
}
