import { test as propertyTest } from "@fast-check/vitest";
import * as fc from "fast-check";
import { expect, test } from "vitest";
import type { HostObservation, ObservedInstance } from "../../reconciler/core/observation.ts";
import { NO_RESOURCES } from "../../reconciler/core/resources.ts";
import { share, shareObservation } from "../../reconciler/io/hosts/share.ts";
import { emptyObservation } from "./fake-agent.ts";

const WORD = fc.constantFrom("a", "b", "c");

const INSTANCE: fc.Arbitrary<ObservedInstance> = fc
  .record({ set: WORD, index: fc.nat(2), generation: fc.nat(2), healthy: fc.boolean(), message: WORD, image: WORD })
  .map(({ image, ...rest }) => ({
    ...rest,
    phase: "running",
    infraHash: "i",
    containerHashes: { app: image },
    specHash: image,
    live: { containers: {}, volumes: {}, ingressBps: null, egressBps: null },
    liveHash: "l",
    resources: { ...NO_RESOURCES },
    hostPorts: [80],
    ip: "10.0.0.2",
    images: { app: image },
    exclusive: false,
    priority: "normal",
    taskId: "t",
  }));

const keyOf = ({ set, index, generation }: ObservedInstance): string => `${set}/${index}@${generation}`;

const OBSERVATION: fc.Arbitrary<HostObservation> = fc
  .record({
    version: fc.nat(3),
    instances: fc.uniqueArray(INSTANCE, { selector: keyOf, maxLength: 6 }),
    images: fc.uniqueArray(WORD),
    floors: fc.dictionary(WORD, fc.nat(3)),
    foreign: fc.uniqueArray(WORD),
  })
  .map((more) => emptyObservation("h", more));

function copy<Value>(value: Value): Value {
  return JSON.parse(JSON.stringify(value)) as Value;
}

propertyTest.prop([OBSERVATION, OBSERVATION])(
  "what is shared says what came, and is the same object wherever nothing changed",
  (before, after) => {
    const shared = shareObservation(before, copy(after));
    expect(shared).toEqual(after);
    for (const instance of shared.instances) {
      const known = before.instances.find((one) => keyOf(one) === keyOf(instance));
      if (known !== undefined) expect(instance === known).toBe(JSON.stringify(instance) === JSON.stringify(known));
    }
    for (const list of ["instances", "images", "floors", "foreign", "capacity", "capabilities", "volumes"] as const) {
      expect(shared[list] === before[list], list).toBe(JSON.stringify(canonical(after[list])) === JSON.stringify(canonical(before[list])));
    }
  },
);

propertyTest.prop([OBSERVATION])("the same again is the same object", (observation) => {
  expect(shareObservation(observation, copy(observation))).toBe(observation);
});

propertyTest.prop([fc.jsonValue(), fc.jsonValue()])("any two values: the content is that of the newer one", (before, after) => {
  const fresh = copy(after);
  expect(share(before, fresh)).toEqual(copy(after));
});

test("an Instance keeps its identity when others come before it or go", () => {
  const [one, two] = fc.sample(INSTANCE, { numRuns: 2, seed: 1 }).map((instance, index) => ({ ...instance, set: `s${index}` }));
  const before = emptyObservation("h", { instances: [two!] });
  const after = shareObservation(before, copy(emptyObservation("h", { version: 2, instances: [one!, two!] })));
  expect(after.instances[1]).toBe(two);
});

/** Maps in the order of their keys. */
function canonical(value: unknown): unknown {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return value;
  return Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)));
}
