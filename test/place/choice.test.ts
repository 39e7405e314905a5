import * as fc from "fast-check";
import { expect, test } from "vitest";
import type { DesiredSet } from "../../reconciler/core/desired.ts";
import { RESOURCE_NAMES } from "../../reconciler/core/resources.ts";
import { type Blocks, createBlocks, measureSizes, refreshBlock, refreshBlocks } from "../../reconciler/plan/place/blocks.ts";
import { hasBit } from "../../reconciler/plan/place/columns.ts";
import { FILTERS, passes } from "../../reconciler/plan/place/filters.ts";
import { createHostIndex, type HostIndex } from "../../reconciler/plan/place/host-index.ts";
import { placeSlots } from "../../reconciler/plan/place/place-slots.ts";
import { closeQuery, openQuery } from "../../reconciler/plan/place/query.ts";
import { type Mark, mark, release, reserve, rollback, setHostFacts, setHostUsable } from "../../reconciler/plan/place/reservations.ts";
import { totalScore } from "../../reconciler/plan/place/scores.ts";
import { lookInto, openSearch } from "../../reconciler/plan/place/search.ts";
import { type PlainFleet, plainFleet, plainPlace, reserved } from "./reference.ts";
import { type FleetCase, fleetCases, poolsOf, setCases } from "./world.ts";

type Step =
  | { readonly kind: "place"; readonly set: DesiredSet; readonly slots: readonly { readonly avoid: readonly number[] }[] }
  | { readonly kind: "release"; readonly which: number }
  | { readonly kind: "reserve"; readonly set: DesiredSet; readonly host: number }
  | { readonly kind: "cordon"; readonly host: number; readonly on: boolean }
  | { readonly kind: "shrink"; readonly host: number; readonly share: number }
  | { readonly kind: "mark" | "rollback" };

const hostNumbers = fc.nat({ max: 400 });
const steps: fc.Arbitrary<Step> = fc.oneof(
  { weight: 6, arbitrary: fc.record({ kind: fc.constant("place" as const), set: setCases(), slots: slotLists() }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant("release" as const), which: fc.nat({ max: 200 }) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("reserve" as const), set: setCases(), host: hostNumbers }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("cordon" as const), host: hostNumbers, on: fc.boolean() }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("shrink" as const), host: hostNumbers, share: fc.constantFrom(0, 0.5, 1) }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constantFrom("mark" as const, "rollback" as const) }) },
);

function slotLists(): fc.Arbitrary<readonly { readonly avoid: readonly number[] }[]> {
  const slot = fc.record({ avoid: fc.oneof({ weight: 4, arbitrary: fc.constant([]) }, fc.array(hostNumbers, { maxLength: 3 })) });
  return fc.array(slot, { minLength: 1, maxLength: 12 });
}

test("every choice is the one a full scan makes, through any history", () => {
  fc.assert(
    fc.property(fleetCases(150), fc.array(steps, { minLength: 1, maxLength: 14 }), (fleet, history) => {
      const pair = openPair(fleet);
      for (const step of history) take(pair, fleet, step);
      expectSameState(pair);
      expectBounds(pair.index);
    }),
    { numRuns: 100 },
  );
});

test("no host beats what is promised, and looking finds what all filters and scorers, asked one by one, say", () => {
  fc.assert(
    fc.property(fleetCases(150), fc.array(steps, { maxLength: 6 }), setCases(), (fleet, history, set) => {
      const pair = openPair(fleet);
      const { index } = pair;
      for (const step of history) take(pair, fleet, step);
      const query = openQuery(index, set);
      const search = openSearch(query);
      const promised = search.score.slice();
      for (const part of search.parts) lookInto(search, part);
      const best = new Map<number, number>();
      const order = (a: number, b: number): number => totalScore(query, b) - totalScore(query, a) || index.rank[a]! - index.rank[b]!;
      for (const position of [...index.positions.values()].filter((at) => passes(query, FILTERS, at)).sort(order)) {
        const part = 2 * Math.floor(position / 64) + (hasBit(search.extras, position) ? 1 : 0);
        if (!best.has(part)) best.set(part, position);
      }
      expect([...best.keys()].filter((part) => !search.parts.includes(part))).toEqual([]);
      for (const part of search.parts) {
        expect(search.found[part]).toBe(best.get(part) ?? -1);
        expect(search.score[part]).toBeLessThanOrEqual(promised[part]!);
        if (!best.has(part)) continue;
        expect(search.score[part]! + search.zoneScores[index.blocks.zone[part >> 1]!]!).toBe(totalScore(query, best.get(part)!));
      }
      closeQuery(query);
      expect([...index.scratch.inHost, ...index.scratch.inRack, ...index.scratch.inZone].every((count) => count === 0)).toBe(true);
    }),
    { numRuns: 60 },
  );
});

test("the order of hosts and of reservations does not matter", () => {
  fc.assert(
    fc.property(
      fleetCases(100),
      fc.array(fc.record({ set: setCases(), host: hostNumbers }), { maxLength: 20 }),
      setCases(),
      fc.infiniteStream(fc.nat()),
      (fleet, claims, set, order) => {
        const numbered = fleet.hosts.map((host, number) => ({ host, facts: fleet.facts[number]! }));
        const shuffled = shuffle(numbered, order);
        const other = { ...fleet, hosts: shuffled.map(({ host }) => host), facts: shuffled.map(({ facts }) => facts) };
        const named = claims.map((claim) => ({ ...claim, host: hostAt(fleet, claim.host) }));
        const slots = Array.from({ length: 8 }, (_, index) => ({ index, avoid: [] }));
        const results = [
          { fleet, claims: named },
          { fleet: other, claims: shuffle(named, order) },
        ].map(({ fleet, claims }) => {
          const { index } = openPair(fleet);
          for (const { set, host } of claims) reserve(index, host, set.name, claimOf(set));
          return placeSlots(index, set, { slots });
        });
        expect(results[1]).toEqual(results[0]);
      },
    ),
    { numRuns: 40 },
  );
});

test("placing never reserves more than a host has", () => {
  fc.assert(
    fc.property(fleetCases(40), fc.array(setCases(), { minLength: 1, maxLength: 8 }), (fleet, sets) => {
      const { index } = openPair(fleet);
      for (const set of sets) placeSlots(index, set, { slots: Array.from({ length: 30 }, (_, number) => ({ index: number, avoid: [] })) });
      for (const resource of RESOURCE_NAMES) expect(Math.min(...index.free[resource])).toBeGreaterThanOrEqual(0);
    }),
    { numRuns: 40 },
  );
});

/** The index and the plain fleet, with what is needed to go back to a mark in both. */
interface Pair {
  readonly index: HostIndex;
  readonly plain: PlainFleet;
  readonly marks: { readonly mark: Mark; readonly instances: readonly (readonly { readonly set: DesiredSet }[])[] }[];
}

function openPair(fleet: FleetCase): Pair {
  const addresses = (): number => fleet.addresses;
  const index = createHostIndex(fleet.hosts, poolsOf("main", "other"), addresses);
  const plain = plainFleet(fleet.hosts, addresses);
  for (const [number, host] of fleet.hosts.entries()) {
    const { capabilities, images, held, trashBytes } = fleet.facts[number]!;
    const twin = plain.hosts.find((candidate) => candidate.host === host)!;
    setHostFacts(index, host.name, { capacity: null, capabilities, images, trashBytes });
    twin.trashBytes = trashBytes;
    twin.capabilities = capabilities;
    twin.images = images;
    if (!held) continue;
    setHostUsable(index, host.name, "held");
    twin.usable = false;
  }
  return { index, plain, marks: [] };
}

function take(pair: Pair, fleet: FleetCase, step: Step): void {
  const { index, plain } = pair;
  switch (step.kind) {
    case "place":
      return place(pair, fleet, step);
    case "release": {
      const occupied = plain.hosts.filter((host) => host.instances.length > 0);
      const twin = occupied[step.which % Math.max(1, occupied.length)];
      const [gone] = twin?.instances.splice(step.which % twin.instances.length, 1) ?? [];
      if (twin !== undefined && gone !== undefined) release(index, twin.host.name, gone.set.name, claimOf(gone.set));
      return;
    }
    case "reserve": {
      const name = hostAt(fleet, step.host);
      reserve(index, name, step.set.name, claimOf(step.set));
      plain.hosts.find(({ host }) => host.name === name)!.instances.push({ set: step.set });
      return;
    }
    case "cordon": {
      const name = hostAt(fleet, step.host);
      setHostUsable(index, name, step.on ? "cordoned" : null);
      plain.hosts.find(({ host }) => host.name === name)!.usable = !step.on;
      return;
    }
    case "shrink":
      return shrink(pair, hostAt(fleet, step.host), step.share);
    case "mark":
      pair.marks.push({ mark: mark(index), instances: plain.hosts.map((host) => [...host.instances]) });
      return;
    case "rollback": {
      const to = pair.marks.pop();
      if (to === undefined) return;
      rollback(index, to.mark);
      for (const [number, instances] of to.instances.entries()) plain.hosts[number]!.instances = [...instances];
      return;
    }
    default:
      step satisfies never;
  }
}

function place({ index, plain }: Pair, fleet: FleetCase, step: Extract<Step, { kind: "place" }>): void {
  const slots = step.slots.map(({ avoid }, number) => ({ index: number, avoid: avoid.map((host) => hostAt(fleet, host)) }));
  const results = placeSlots(index, step.set, { slots });
  expect(results.map((result) => result.host)).toEqual(plainPlace(plain, step.set, slots));
  for (const result of results) {
    if (result.host !== null) continue;
    const { hosts, fit, rejections } = result.rejected;
    expect(hosts).toBe(fleet.hosts.filter((host) => step.set.pools.includes(host.pool)).length);
    expect(fit).toBe(0);
    expect(rejections.reduce((sum, rejection) => sum + rejection.hosts, 0)).toBe(hosts);
  }
}

function shrink({ index, plain }: Pair, name: string, share: number): void {
  const twin = plain.hosts.find(({ host }) => host.name === name)!;
  const capacity = {
    ...twin.host.capacity,
    cpuMillis: twin.host.capacity.cpuMillis * share,
    memoryBytes: twin.host.capacity.memoryBytes * 2,
  };
  setHostFacts(index, name, { capacity, capabilities: ["docker"], images: ["i2"], trashBytes: 0 });
  twin.capacity = { ...twin.host.capacity, cpuMillis: capacity.cpuMillis };
  twin.capabilities = ["docker"];
  twin.images = ["i2"];
  twin.trashBytes = 0;
}

function expectSameState({ index, plain }: Pair): void {
  for (const twin of plain.hosts) {
    const position = index.positions.get(twin.host.name)!;
    for (const resource of RESOURCE_NAMES) {
      expect(index.capacity[resource][position]! - index.free[resource][position]!).toBe(reserved(twin, resource));
    }
    expect(index.instanceCount[position]).toBe(twin.instances.length);
    expect(index.coreCount[position]).toBe(twin.instances.filter(({ set }) => set.priority === "core").length);
  }
  const ports = plain.hosts.flatMap((host) => [...new Set(host.instances.flatMap(({ set }) => set.hostPorts))]);
  expect(index.hostPorts.size).toBe(ports.length);
}

/** The bounds that were kept hold, and are those computed anew when they are refreshed. */
function expectBounds(index: HostIndex): void {
  refreshBlocks(index.blocks, index);
  const anew: Blocks = createBlocks(index.pool, index.zone, index.rack, index.zones.length, index.racks.length);
  for (let block = 0; block < anew.count; block++) measureSizes(anew, index, block);
  refreshBlocks(anew, index);
  const { blocks } = index;
  expect(blocks.lowestRank).toEqual(anew.lowestRank);
  const notAbove = (a: Float64Array | Int32Array, b: Float64Array | Int32Array): boolean => a.every((value, at) => value <= b[at]!);
  expect(notAbove(blocks.leastCpu, anew.leastCpu) && notAbove(blocks.leastMemory, anew.leastMemory)).toBe(true);
  expect(notAbove(blocks.firstBalance, anew.firstBalance) && notAbove(anew.lastBalance, blocks.lastBalance)).toBe(true);
  expect(notAbove(anew.mostLoad, blocks.mostLoad)).toBe(true);
  for (let block = 0; block < anew.count; block++) refreshBlock(blocks, index, block);
  expect(blocks).toEqual(anew);
}

function claimOf(set: DesiredSet): { resources: DesiredSet["resources"]; hostPorts: readonly number[]; core: boolean } {
  return { resources: set.resources, hostPorts: set.hostPorts, core: set.priority === "core" };
}

function hostAt(fleet: FleetCase, number: number): string {
  return fleet.hosts[number % fleet.hosts.length]!.name;
}

function shuffle<Item>(items: readonly Item[], order: Iterator<number>): Item[] {
  return items
    .map((item) => ({ item, key: order.next().value as number }))
    .sort((a, b) => a.key - b.key)
    .map(({ item }) => item);
}
