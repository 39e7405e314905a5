import type { DesiredSet } from "../../core/desired.ts";
import { countRejections, type RejectionCounts } from "./explain.ts";
import type { HostIndex } from "./host-index.ts";
import { closeQuery, openQuery, type Query } from "./query.ts";
import { exclude, occupy, openSearch, pick } from "./search.ts";
import { unevenness } from "./zones.ts";

export interface PlacementRequest {
  readonly slots: readonly SlotRequest[];
}

export interface SlotRequest {
  readonly index: number;
  /** Hosts it must not go to (it failed there, it is leaving them). */
  readonly avoid: readonly string[];
}

export type PlacementResult =
  /** `text`: why there, for people. `shortfall`: how the Set's zone rules are not met by it; null when they are. */
  | { readonly index: number; readonly host: string; readonly text: string; readonly shortfall: string | null }
  | { readonly index: number; readonly host: null; readonly rejected: RejectionCounts };

/**
 * Chooses a host for each slot, in order, and reserves it in the index. Each takes the host that passes all
 * filters with the highest weighted score, the first by name among equals, exactly as if every host were looked at.
 */
export function placeSlots(index: HostIndex, set: DesiredSet, request: PlacementRequest): PlacementResult[] {
  const query = openQuery(index, set);
  const claim = { resources: set.resources, hostPorts: set.hostPorts, core: set.priority === "core" };
  const search = openSearch(query);
  const rejections = new Map<string, RejectionCounts>();
  const results = request.slots.map((slot): PlacementResult => {
    exclude(search, slot.avoid);
    const position = pick(search);
    if (position >= 0) {
      occupy(search, position, claim);
      return { index: slot.index, host: index.hosts[position]!.name, text: reasonText(query, position), shortfall: unevenness(query) };
    }
    const key = slot.avoid.join(" ");
    const rejected = rejections.get(key) ?? countRejections(query);
    rejections.set(key, rejected);
    return { index: slot.index, host: null, rejected };
  });
  closeQuery(query);
  return results;
}

/** `zone a, then 41% of cpu and 38% of memory reserved`. */
function reasonText({ index }: Query, position: number): string {
  const used = (share: number): number => Math.round(100 * share);
  const cpu = used(1 - index.free.cpuMillis[position]! * index.perCpu[position]!);
  const memory = used(1 - index.free.memoryBytes[position]! * index.perMemory[position]!);
  return `zone ${index.zones[index.zone[position]!]}, then ${cpu}% of cpu and ${memory}% of memory reserved`;
}
