import { isAlias, isCollection, isMap, isScalar, isSeq } from "yaml";
import type { Node } from "yaml";
import type { YamlDocument } from "./yaml-structure.ts";

export type Path = readonly (string | number)[];

/** A place in a document: where its key (or list item) and its value start. */
export interface Place {
  readonly keyOffset: number;
  readonly valueOffset: number;
  readonly value: Node | null;
}

/** Offset at which a message about a path points: a single value, or the key of a map or list; the nearest parent that is written. */
export function offsetOf(document: YamlDocument, path: Path): number {
  const place = placeOf(document, path);
  return place.value === null || isCollection(place.value) ? place.keyOffset : place.valueOffset;
}

/** Follows a path through maps, lists and aliases as far as it is written. */
export function placeOf(document: YamlDocument, path: Path): Place {
  const start = startOf(document.contents) ?? document.range[0];
  let place: Place = { keyOffset: start, valueOffset: start, value: document.contents };
  for (const step of path) {
    const next = childOf(document, place.value, step);
    if (next === null) return place;
    place = next;
  }
  return place;
}

function childOf(document: YamlDocument, parent: Node | null, step: string | number): Place | null {
  const node = isAlias(parent) ? (parent.resolve(document) ?? null) : parent;
  if (isSeq(node)) {
    const item = (node.items as (Node | null)[])[Number(step)];
    const offset = startOf(item ?? null);
    return item === undefined || item === null || offset === null ? null : { keyOffset: offset, valueOffset: offset, value: item };
  }
  if (!isMap(node)) return null;
  const pair = node.items.find(({ key }) => isScalar(key) && String(key.value) === String(step));
  if (pair === undefined) return null;
  const value = pair.value as Node | null;
  const keyOffset = startOf(pair.key as Node) ?? 0;
  return { keyOffset, valueOffset: startOf(value) ?? keyOffset, value };
}

function startOf(node: Node | null): number | null {
  return node?.range?.[0] ?? null;
}
