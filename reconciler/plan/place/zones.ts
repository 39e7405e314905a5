import type { DesiredSet } from "../../core/desired.ts";
import { compareText } from "../../core/order.ts";
import type { HostIndex } from "./host-index.ts";
import { closeQuery, openQuery, type Query } from "./query.ts";

/**
 * How many slots, even over `zones` zones, still leave `wished` when the fullest zone is lost: the smallest t with
 * t - ceil(t / zones) >= wished. With one zone nothing survives its loss: `wished` is returned.
 */
export function slotsToSurvive(wished: number, zones: number): number {
  return zones < 2 ? wished : Math.ceil((wished * zones) / (zones - 1));
}

/** Zones, sorted, that have a host taking new slots in the Set's pools and that the Set may use. */
export function usableZones(index: HostIndex, set: DesiredSet): string[] {
  const query = openQuery(index, set);
  closeQuery(query);
  return query.zones.map((zone) => index.zones[zone]!).sort(compareText);
}

/**
 * In which way the Set, as reserved now, breaks its zone rules: too few zones, or fewer than `wished` Instances
 * left after the loss of its fullest zone. null when it keeps them.
 */
export function zoneShortfall(index: HostIndex, set: DesiredSet, wished: number): string | null {
  const { zonesMin, zonesSurvive } = set.placement;
  if (zonesMin <= 1 && zonesSurvive === 0) return null;
  const query = openQuery(index, set);
  const counts = [...query.inZone].map((count, zone) => ({ count, name: index.zones[zone]! })).filter(({ count }) => count > 0);
  const { count: total } = query;
  closeQuery(query);
  const fullest = counts.reduce((most, zone) => (zone.count > most.count ? zone : most), { count: 0, name: "" });
  const parts: string[] = [];
  if (counts.length < Math.min(zonesMin, total)) parts.push(`in ${zonesText(counts.length)} of at least ${zonesMin}`);
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
