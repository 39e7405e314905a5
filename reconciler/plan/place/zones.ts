import type { DesiredSet } from "../../core/desired.ts";
import { compareText } from "../../core/order.ts";
import type { HostIndex } from "./host-index.ts";
import { closeQuery, openQuery, type Query } from "./query.ts";

/** In which way the Set, as reserved now, breaks its zone rules; null when it keeps them. */
export function zoneShortfall(index: HostIndex, set: DesiredSet, wished: number): string | null {
  if (!hasZoneRules(set)) return null;
  const query = openQuery(index, set);
  const counts = new Map([...query.inZone].flatMap((count, zone) => (count > 0 ? [[index.zones[zone]!, count] as const] : [])));
  closeQuery(query);
  return describeShortfall(set, counts, wished);
}

/** True for a Set that promises anything about zones. */
export function hasZoneRules({ placement }: DesiredSet): boolean {
  return placement.zonesMin > 1 || placement.zonesSurvive > 0;
}

/**
 * Too few zones, or fewer than `wished` Instances left after the loss of the fullest zone, by the number of Instances in each
 * zone that has any. null when the Set keeps its rules.
 */
export function describeShortfall({ placement }: DesiredSet, counts: ReadonlyMap<string, number>, wished: number): string | null {
  let total = 0;
  let fullest = { name: "", count: 0 };
  for (const [name, count] of [...counts].sort(([a], [b]) => compareText(a, b))) {
    total += count;
    if (count > fullest.count) fullest = { name, count };
  }
  const { zonesMin, zonesSurvive } = placement;
  const parts: string[] = [];
  if (counts.size < Math.min(zonesMin, total)) parts.push(`in ${zonesText(counts.size)} of at least ${zonesMin}`);
  if (zonesSurvive > 0 && total - fullest.count < wished && fullest.count > 0) {
    parts.push(`the loss of zone ${fullest.name} would leave ${total - fullest.count} of ${wished}`);
  }
  return parts.length === 0 ? null : parts.join("; ");
}

/** For a Set that must be even over its zones: which hold more than one Instance more than another. null when even. */
export function unevenness(query: Query): string | null {
  if (!query.even) return null;
  let fullest = query.zones[0]!;
  let emptiest = query.zones[0]!;
  for (const zone of query.zones) {
    if (query.inZone[zone]! > query.inZone[fullest]!) fullest = zone;
    if (query.inZone[zone]! < query.inZone[emptiest]!) emptiest = zone;
  }
  const most = query.inZone[fullest]!;
  const fewest = query.inZone[emptiest]!;
  if (most - fewest <= 1) return null;
  return `uneven: ${most} in zone ${query.index.zones[fullest]}, ${fewest} in zone ${query.index.zones[emptiest]}`;
}

function zonesText(count: number): string {
  return count === 1 ? "1 zone" : `${count} zones`;
}
