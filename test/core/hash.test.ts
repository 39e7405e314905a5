import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { canonicalJson, contentHash, shortHash, traceId } from "../../reconciler/core/hash.ts";

/** The same value with the keys of every object in reverse order of writing. */
function reversed(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(reversed);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(
    Object.entries(value)
      .toReversed()
      .map(([key, item]) => [key, reversed(item)]),
  );
}

describe("canonical JSON", () => {
  it("does not depend on the order of keys, and says the whole value", () => {
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        expect(canonicalJson(reversed(value))).toBe(canonicalJson(value));
        expect(JSON.parse(canonicalJson(value))).toEqual(JSON.parse(JSON.stringify(value)));
      }),
    );
  });

  it("does not change what it is given", () => {
    const value = { b: [{ d: 1, c: 2 }], a: null };
    canonicalJson(value);
    expect(JSON.stringify(value)).toBe('{"b":[{"d":1,"c":2}],"a":null}');
  });

  it("leaves out undefined and keeps __proto__", () => {
    expect(canonicalJson({ b: undefined, a: 1 })).toBe('{"a":1}');
    expect(canonicalJson(JSON.parse('{"b":1,"__proto__":{"x":1}}'))).toBe('{"__proto__":{"x":1},"b":1}');
  });

  it.each([[Number.NaN], [Number.POSITIVE_INFINITY], [1n], [undefined], [[undefined]], [new Map()], [() => 1]])("refuses %s", (value) => {
    expect(() => canonicalJson(value)).toThrow(TypeError);
  });
});

describe("hashes", () => {
  it("are fixed: a change of the canonical form would recreate every container of every fleet", () => {
    expect(contentHash({ image: "web", env: { B: "2", A: "1" } })).toBe("c84d5e8510e4541c8d47dd5d80232af226f9e9368b855bfc2ebc64d15ba0744b");
  });

  it("tell values apart and have fixed lengths", () => {
    expect(contentHash(["a", "b"])).not.toBe(contentHash(["ab"]));
    expect(shortHash({})).toBe(contentHash({}).slice(0, 16));
    expect(traceId("web", 1)).toMatch(/^[0-9a-f]{32}$/);
    expect(traceId("web", 1)).not.toBe(traceId("web", 11));
  });
});
