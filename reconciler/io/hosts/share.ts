import type { HostObservation } from "../../core/observation.ts";

/**
 * The new observation, built of the parts of the one before wherever they are equal: an Instance that did not change keeps its
 * object identity, and so does a list in which nothing did. Only the content of `after` shows in the result. Looks at each value once.
 */
export function shareObservation(before: HostObservation | null, after: HostObservation): HostObservation {
  if (before === null) return after;
  const shared: HostObservation = {
    ...after,
    capacity: share(before.capacity, after.capacity),
    capabilities: share(before.capabilities, after.capabilities),
    instances: shareList(before.instances, after.instances, (one) => `${one.set}/${one.index}@${one.generation}`),
    volumes: shareList(before.volumes, after.volumes, (one) => `${one.set}/${one.index} ${one.name}`),
    trash: shareList(before.trash, after.trash, (one) => one.id),
    ports: shareList(before.ports, after.ports, (one) => `${one.set}/${one.index}`),
    images: share(before.images, after.images),
    floors: share(before.floors, after.floors),
    foreign: share(before.foreign, after.foreign),
  };
  return (Object.keys(after) as (keyof HostObservation)[]).every((key) => shared[key] === before[key]) ? before : shared;
}

/** Items are matched by key, so that one more in front does not make all others new. */
function shareList<Item>(before: readonly Item[], after: readonly Item[], keyOf: (item: Item) => string): readonly Item[] {
  let known: Map<string, Item> | null = null;
  let same = before.length === after.length;
  const shared = after.map((item, position) => {
    const beside = before[position];
    const key = keyOf(item);
    const match = beside !== undefined && keyOf(beside) === key ? beside : (known ??= byKey(before, keyOf)).get(key);
    const result = match === undefined ? item : share<Item>(match, item);
    if (result !== beside) same = false;
    return result;
  });
  return same ? before : shared;
}

function byKey<Item>(items: readonly Item[], keyOf: (item: Item) => string): Map<string, Item> {
  return new Map(items.map((item) => [keyOf(item), item]));
}

/** `before` when both are deeply equal, else `after` with the equal parts of `before` in it. Values are of JSON. */
export function share<Value>(before: Value, after: Value): Value {
  if (before === after || typeof after !== "object" || after === null || typeof before !== "object" || before === null) return after;
  if (Array.isArray(after)) return Array.isArray(before) ? (shareArray(before, after) as Value) : after;
  if (Array.isArray(before)) return after;
  const [old, fresh] = [before as Readonly<Record<string, unknown>>, after as Readonly<Record<string, unknown>>];
  const keys = Object.keys(fresh);
  let same = keys.length === Object.keys(old).length;
  const shared: Record<string, unknown> = {};
  for (const key of keys) {
    const value = Object.hasOwn(old, key) ? share(old[key], fresh[key]) : fresh[key];
    if (value !== old[key] || !Object.hasOwn(old, key)) same = false;
    // A plain assignment to this name would set the prototype instead.
    if (key === "__proto__") return after;
    shared[key] = value;
  }
  return same ? before : (shared as Value);
}

function shareArray(before: readonly unknown[], after: readonly unknown[]): readonly unknown[] {
  let same = before.length === after.length;
  const shared = after.map((item, position) => {
    const value = position < before.length ? share(before[position], item) : item;
    if (value !== before[position]) same = false;
    return value;
  });
  return same ? before : shared;
}
