import { hash } from "node:crypto";

/** SHA-256 of the canonical JSON, 64 hex digits. Equal values (whatever the order of their keys) have equal hashes. */
export function contentHash(value: unknown): string {
  return hash("sha256", canonicalJson(value), "hex");
}

/** First 16 hex digits of contentHash: for names and labels people see; 64 bits, no proof against an attacker. */
export function shortHash(value: unknown): string {
  return contentHash(value).slice(0, 16);
}

/** A W3C trace id (32 hex digits) derived from what it stands for, e.g. Set, its task count and the commit. */
export function traceId(...parts: readonly (string | number)[]): string {
  return contentHash(parts).slice(0, 32);
}

/**
 * JSON with sorted keys and no white space. A key whose value is `undefined` counts as absent.
 * Throws a TypeError for what JSON can't say exactly: NaN, Infinity, bigint, functions, Maps, class instances.
 */
export function canonicalJson(value: unknown): string {
  return JSON.stringify(inOrder(value));
}

/** The value with the keys of every object in order; itself, not a copy, where they already are. */
function inOrder(value: unknown): unknown {
  if (typeof value === "string" || typeof value === "boolean" || value === null) return value;
  if (typeof value === "number" && Number.isFinite(value)) return value;
  if (Array.isArray(value)) return arrayInOrder(value);
  if (typeof value === "object") return objectInOrder(value as Record<string, unknown>);
  throw new TypeError(`a ${typeof value} such as this has no canonical form`);
}

function arrayInOrder(items: readonly unknown[]): readonly unknown[] {
  let copy: unknown[] | null = null;
  for (let index = 0; index < items.length; index++) {
    const ordered = inOrder(items[index]);
    if (ordered === items[index]) continue;
    copy ??= items.slice();
    copy[index] = ordered;
  }
  return copy ?? items;
}

function objectInOrder(object: Record<string, unknown>): Record<string, unknown> {
  const prototype: unknown = Object.getPrototypeOf(object);
  if (prototype !== Object.prototype && prototype !== null) throw new TypeError("only plain objects have a canonical form");
  const keys = Object.keys(object);
  let values: unknown[] | null = null;
  for (let index = 0; index < keys.length; index++) {
    const value = object[keys[index]!];
    const ordered = value === undefined ? undefined : inOrder(value);
    if (ordered !== value) values ??= keys.slice(0, index).map((key) => object[key]);
    values?.push(ordered);
  }
  return values === null && areSorted(keys) ? object : sortedCopy(keys, values ?? Object.values(object));
}

/** Object.fromEntries, because assigning to a key such as `__proto__` would not make a property. */
function sortedCopy(keys: readonly string[], values: readonly unknown[]): Record<string, unknown> {
  const entries = keys.map((key, index): [string, unknown] => [key, values[index]]);
  return Object.fromEntries(entries.sort(([a], [b]) => (a < b ? -1 : 1)));
}

function areSorted(texts: readonly string[]): boolean {
  for (let index = 1; index < texts.length; index++) if (texts[index]! < texts[index - 1]!) return false;
  return true;
}
