import fc from "fast-check";
import { describe, expect, it } from "vitest";
import * as order from "../../reconciler/core/order.ts";
import { editDistance, suggest } from "../../reconciler/core/suggest.ts";

describe("orders", () => {
  it("sort text by code unit, whatever the locale, and slots by number", () => {
    expect(order.sortedUnique(["b", "a", "B", "ä", "a"])).toEqual(["B", "a", "b", "ä"]);
    const slots = [10, 2, 1].map((index) => ({ set: "web", index }));
    expect([...slots, { set: "api", index: 99 }].sort(order.compareSlots).map(({ set, index }) => `${set}/${index}`)).toEqual([
      "api/99",
      "web/1",
      "web/2",
      "web/10",
    ]);
  });

  it("keep records that are in order and sort the others", () => {
    const sorted = { a: 1, b: 2 };
    expect(order.sortedRecord(sorted)).toBe(sorted);
    fc.assert(
      fc.property(fc.dictionary(fc.stringMatching(/^[A-Za-z_]{1,4}$/), fc.nat()), (record) => {
        const result = order.sortedRecord(record);
        expect(result).toEqual(record);
        expect(Object.keys(result)).toEqual(Object.keys(record).sort());
      }),
    );
  });
});

describe("suggestions", () => {
  it.each([
    ["mian", "main"],
    ["mainn", "main"],
    ["order-ap", "order-api"],
    ["x", null],
    ["payments", null],
  ])("%s -> %s", (wrong, expected) => {
    expect(suggest(wrong, ["main", "order-api", "web"])).toBe(expected);
  });

  it("distance is symmetric and 0 only for equal texts", () => {
    const word = fc.stringMatching(/^[abc]{0,6}$/);
    fc.assert(fc.property(word, word, (a, b) => editDistance(a, b) === editDistance(b, a) && (editDistance(a, b) === 0) === (a === b)));
  });
});
