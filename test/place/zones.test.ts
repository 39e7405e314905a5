import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { createHostIndex } from "../../reconciler/plan/place/host-index.ts";
import { placeSlots } from "../../reconciler/plan/place/place-slots.ts";
import { setHostUsable } from "../../reconciler/plan/place/reservations.ts";
import { zoneShortfall } from "../../reconciler/plan/place/zones.ts";
import { makeHost, makeSet, poolsOf, resources } from "./world.ts";

const slotsOf = (count: number): { index: number; avoid: string[] }[] =>
  Array.from({ length: count }, (_, index) => ({ index, avoid: [] }));

/** Hosts `a-0`, `a-1`… by zone. */
function hostsIn(sizes: Readonly<Record<string, number>>): ReturnType<typeof makeHost>[] {
  return Object.entries(sizes).flatMap(([zone, count]) =>
    Array.from({ length: count }, (_, number) => makeHost(`${zone}-${number}`, { zone })),
  );
}

describe("a Set with zone rules", () => {
  const web = makeSet("web", { resources: resources(2000, 1), placement: { zonesMin: 2, zonesSurvive: 1 } });

  test("is even over its zones, however unequal these are, as long as there is room", () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 8 }),
        fc.integer({ min: 1, max: 8 }),
        fc.integer({ min: 1, max: 8 }),
        fc.nat({ max: 60 }),
        (a, b, c, count) => {
          const index = createHostIndex(hostsIn({ a, b, c }), poolsOf("main"));
          const results = placeSlots(index, web, { slots: slotsOf(count) });
          // Four Instances fill a host.
          const room = { a: 4 * a, b: 4 * b, c: 4 * c };
          const placed = { a: 0, b: 0, c: 0 };
          for (const result of results) {
            if (result.host === null) continue;
            placed[result.host[0] as "a"]++;
            const open = (["a", "b", "c"] as const).filter((zone) => placed[zone] < room[zone]).map((zone) => placed[zone]);
            expect(Math.max(...Object.values(placed)) - Math.min(...open, Infinity)).toBeLessThanOrEqual(1);
            const uneven = Math.max(...Object.values(placed)) - Math.min(...Object.values(placed)) > 1;
            expect(result.shortfall === null).toBe(!uneven);
          }
          expect(results.filter((result) => result.host !== null)).toHaveLength(Math.min(count, 4 * (a + b + c)));
        },
      ),
      { numRuns: 40 },
    );
  });

  test("says in what it falls short", () => {
    const index = createHostIndex(hostsIn({ a: 2, b: 1 }), poolsOf("main"));
    setHostUsable(index, "b-0", "cordoned");
    placeSlots(index, web, { slots: slotsOf(3) });
    expect(zoneShortfall(index, web, 3)).toBe("in 1 zone of at least 2; the loss of zone a would leave 0 of 3");
    setHostUsable(index, "b-0", null);
    const more = placeSlots(index, web, { slots: slotsOf(6) });
    expect(more.filter((result) => result.host === "b-0")).toHaveLength(4);
    expect(zoneShortfall(index, web, 4)).toBeNull();
    expect(zoneShortfall(index, makeSet("web"), 99)).toBeNull();
  });
});

test("without zone rules a Set still spreads, first over zones, then racks, then hosts", () => {
  const hosts = ["a", "b"].flatMap((zone) =>
    ["1", "2"].flatMap((rack) => ["x", "y"].map((name) => makeHost(`${zone}${rack}${name}`, { zone, rack }))),
  );
  const index = createHostIndex(hosts, poolsOf("main"));
  const set = makeSet("web", { resources: resources(500, 1) });
  expect(placeSlots(index, set, { slots: slotsOf(8) }).map((result) => result.host)).toEqual([
    "a1x",
    "b1x",
    "a2x",
    "b2x",
    "a1y",
    "b1y",
    "a2y",
    "b2y",
  ]);
});

test("a packing Set fills a host before it takes the next", () => {
  const index = createHostIndex(hostsIn({ a: 3, b: 3 }), poolsOf("main"));
  const set = makeSet("batch", { resources: resources(2000, 1), placement: { strategy: "pack" } });
  expect(placeSlots(index, set, { slots: slotsOf(6) }).map((result) => result.host)).toEqual(["a-0", "a-0", "a-0", "a-0", "a-1", "a-1"]);
});
