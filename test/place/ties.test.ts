import * as fc from "fast-check";
import { expect, test } from "vitest";
import { explainHost } from "../../reconciler/plan/place/explain.ts";
import { createHostIndex } from "../../reconciler/plan/place/host-index.ts";
import { placeSlots } from "../../reconciler/plan/place/place-slots.ts";
import { reserve, setHostFacts } from "../../reconciler/plan/place/reservations.ts";
import { plainFleet, plainPlace } from "./reference.ts";
import { makeHost, makeSet, poolsOf, resources } from "./world.ts";

/** Choices that random fleets seldom come to. */

test("long gangs on a few unbalanced hosts: a host may gain by what it takes, and hosts left out come back", () => {
  const host = fc.record({ zone: fc.constantFrom("a", "b"), rack: fc.constantFrom("1", "2"), memory: fc.integer({ min: 0, max: 14 }) });
  const slot = fc.oneof({ weight: 3, arbitrary: fc.constant([]) }, fc.array(fc.nat({ max: 5 }), { maxLength: 3 }));
  fc.assert(
    fc.property(
      fc.array(host, { minLength: 1, maxLength: 6 }),
      fc.array(slot, { minLength: 10, maxLength: 80, size: "max" }),
      fc.constantFrom(20, 60, 100),
      fc.constantFrom("spread" as const, "pack" as const),
      (drawn, avoided, cpu, strategy) => {
        const hosts = drawn.map(({ zone, rack }, number) => makeHost(`h${number}`, { zone, rack }));
        const index = createHostIndex(hosts, poolsOf("main"));
        const plain = plainFleet(hosts, () => Infinity);
        for (const [number, { memory }] of drawn.entries()) {
          const filling = makeSet("filling", { resources: resources(0, memory) });
          reserve(index, `h${number}`, "filling", { resources: filling.resources, hostPorts: [], core: false });
          plain.hosts[number]!.instances.push({ set: filling });
        }
        const set = makeSet("web", { resources: resources(cpu, 0), placement: { strategy } });
        const slots = avoided.map((numbers, number) => ({ index: number, avoid: numbers.map((at) => `h${at}`) }));
        expect(placeSlots(index, set, { slots }).map((result) => result.host)).toEqual(plainPlace(plain, set, slots));
      },
    ),
    { numRuns: 60 },
  );
});

test("of equals the first by name, also when another holds an image and is that much fuller", () => {
  const index = createHostIndex([makeHost("a"), makeHost("b")], poolsOf("main"));
  setHostFacts(index, "b", { capacity: null, capabilities: [], images: ["i1"], trashBytes: 0 });
  reserve(index, "b", "filling", { resources: resources(0.16 * 8000, 0.16 * 16), hostPorts: [], core: false });
  const set = makeSet("web", { resources: resources(0, 0), images: ["i1", "i2", "i3"] });
  expect(explainHost(index, set, "b")!.total).toBe(explainHost(index, set, "a")!.total);
  expect(placeSlots(index, set, { slots: [{ index: 0, avoid: [] }] })).toMatchObject([{ host: "a" }]);
});
