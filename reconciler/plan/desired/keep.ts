import type { DesiredHost, DesiredPool, DesiredSet } from "../../core/desired.ts";
import { canonicalJson } from "../../core/hash.ts";
import { sameResources } from "../../core/resources.ts";

/** The object known already when nothing differs, so that a pass sees by identity that nothing changed. */
export function keep<Value>(known: Value | undefined, fresh: Value, same: (a: Value, b: Value) => boolean): Value {
  return known !== undefined && same(known, fresh) ? known : fresh;
}

/** A map by name in the order given; the known one when it holds just these objects. */
export function keepMap<Item extends { readonly name: string }>(
  known: ReadonlyMap<string, Item> | undefined,
  items: readonly Item[],
): ReadonlyMap<string, Item> {
  if (known !== undefined && known.size === items.length && items.every((item) => known.get(item.name) === item)) return known;
  const map = new Map<string, Item>();
  for (const item of items) map.set(item.name, item);
  return map;
}

export function sameContent(a: DesiredPool | DesiredSet, b: DesiredPool | DesiredSet): boolean {
  return canonicalJson(a) === canonicalJson(b);
}

/** Field by field: there are thousands of hosts. */
export function sameHost(a: DesiredHost, b: DesiredHost): boolean {
  const plain = a.pool === b.pool && a.zone === b.zone && a.rack === b.rack && a.agent === b.agent && a.state === b.state;
  return plain && a.address === b.address && a.cpus === b.cpus && sameResources(a.capacity, b.capacity) && sameRecord(a.labels, b.labels);
}

function sameRecord(a: Readonly<Record<string, string>>, b: Readonly<Record<string, string>>): boolean {
  if (a === b) return true;
  const keys = Object.keys(a);
  return keys.length === Object.keys(b).length && keys.every((key) => a[key] === b[key]);
}
