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
  switch (typeof value) {
    case "string":
      return JSON.stringify(value);
    case "boolean":
      return value ? "true" : "false";
    case "number":
      if (!Number.isFinite(value)) throw new TypeError(`${value} has no canonical form`);
      return JSON.stringify(value);
    case "object":
      if (value === null) return "null";
      return Array.isArray(value) ? arrayJson(value) : objectJson(value as Record<string, unknown>);
    default:
      throw new TypeError(`a ${typeof value} has no canonical form`);
  }
}

function arrayJson(items: readonly unknown[]): string {
  let json = "[";
  for (let index = 0; index < items.length; index++) {
    if (index > 0) json += ",";
    json += canonicalJson(items[index]);
  }
  return json + "]";
}

function objectJson(object: Record<string, unknown>): string {
  const prototype: unknown = Object.getPrototypeOf(object);
  if (prototype !== Object.prototype && prototype !== null) throw new TypeError("only plain objects have a canonical form");
  let json = "{";
  for (const key of Object.keys(object).sort()) {
    const value = object[key];
    if (value === undefined) continue;
    if (json.length > 1) json += ",";
    json += JSON.stringify(key) + ":" + canonicalJson(value);
  }
  return json + "}";
}
