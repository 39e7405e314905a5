import type { DesiredHost, DesiredSet } from "../../reconciler/core/desired.ts";
import { symmetricApart } from "../../reconciler/plan/desired/apart.ts";
import { hasBit } from "../../reconciler/plan/place/columns.ts";
import { BITMAP_FILTERS, FILTERS, passes } from "../../reconciler/plan/place/filters.ts";
import { createHostIndex, type HostIndex } from "../../reconciler/plan/place/host-index.ts";
import { placeSlots } from "../../reconciler/plan/place/place-slots.ts";
import { closeQuery, countIn, openQuery } from "../../reconciler/plan/place/query.ts";
import { reserve, reserveAt, setHostFacts } from "../../reconciler/plan/place/reservations.ts";
import { totalScore } from "../../reconciler/plan/place/scores.ts";
import { openSearch } from "../../reconciler/plan/place/search.ts";
import { makeHost, makeSet, poolsOf, resources } from "../place/world.ts";

/**
 * Placements per second into a fleet that is about a third full at random, up to about two thirds, with every filter
 * and scorer in use. The baseline asks the same filters and scorers for every host and slot; its choices must
 * be the same.
 */
export interface PlacementFigures {
  readonly hosts: number;
  readonly sets: "mixed" | "one-off";
  readonly placed: number;
  readonly perSecond: number;
  readonly baselinePerSecond: number;
}

/** Medians of `runs` fresh fleets each. Throws when the baseline chooses otherwise. */
export function benchPlacement(hosts: number, sets: PlacementFigures["sets"], runs = 3): PlacementFigures {
  const instances = Math.round(hosts * 6.6);
  const wanted = makeSets(sets === "mixed" ? 10 : 1, instances);
  const baselineSets = firstSlots(wanted, 1000);
  const times: number[] = [];
  const baselineTimes: number[] = [];
  let placed = 0;
  for (let run = 0; run < runs; run++) {
    const index = makeFleet(hosts);
    const started = performance.now();
    const choices = placeAll(index, wanted, placeSlotsOf);
    times.push(choices.length / (performance.now() - started));
    placed = choices.filter((host) => host !== null).length;
    const baselineIndex = makeFleet(hosts);
    const baselineStarted = performance.now();
    const baselineChoices = placeAll(baselineIndex, baselineSets, scanOf);
    baselineTimes.push(baselineChoices.length / (performance.now() - baselineStarted));
    const differs = baselineChoices.findIndex((host, slot) => host !== choices[slot]);
    if (differs >= 0) throw new Error(`placement ${differs}: ${choices[differs]}, the baseline says ${baselineChoices[differs]}`);
  }
  return { hosts, sets, placed, perSecond: Math.round(1000 * median(times)), baselinePerSecond: Math.round(1000 * median(baselineTimes)) };
}

export interface SizedSet {
  readonly set: DesiredSet;
  readonly count: number;
}

type Placer = (index: HostIndex, sized: SizedSet) => (string | null)[];

function placeAll(index: HostIndex, sets: readonly SizedSet[], place: Placer): (string | null)[] {
  return sets.flatMap((sized) => place(index, sized));
}

function placeSlotsOf(index: HostIndex, { set, count }: SizedSet): (string | null)[] {
  const slots = Array.from({ length: count }, (_, slot) => ({ index: slot, avoid: [] }));
  return placeSlots(index, set, { slots }).map((result) => result.host);
}

/** The plain loop: every host is filtered and scored for every slot. */
export function scanOf(index: HostIndex, { set, count }: SizedSet): (string | null)[] {
  const query = openQuery(index, set);
  const { candidates } = openSearch(query);
  const filters = FILTERS.filter((filter) => !BITMAP_FILTERS.some((asked) => asked === filter));
  const claim = { resources: set.resources, hostPorts: set.hostPorts, core: set.priority === "core" };
  const choices: (string | null)[] = [];
  for (let slot = 0; slot < count; slot++) {
    let best = -1;
    let highest = -Infinity;
    for (let position = 0; position < index.hosts.length; position++) {
      if (!hasBit(candidates, position) || !passes(query, filters, position)) continue;
      const score = totalScore(query, position);
      if (score < highest || (score === highest && index.rank[position]! > index.rank[best]!)) continue;
      best = position;
      highest = score;
    }
    if (best >= 0) {
      reserveAt(index, best, set.name, claim);
      countIn(query, best, 1);
    }
    choices.push(best < 0 ? null : index.hosts[best]!.name);
  }
  closeQuery(query);
  return choices;
}

/** Ten zones with racks of 25; half the hosts have 16 cores and 64 GiB, half 32 and 96. A third of all is in use. */
function makeFleet(count: number): HostIndex {
  const random = randomFrom(1);
  const hosts = Array.from({ length: count }, (_, number): DesiredHost => {
    const zone = "abcdefghij"[number % 10]!;
    const inZone = Math.floor(number / 10);
    const big = Math.floor(inZone / 25) % 2 === 1;
    return makeHost(`host-${zone}-${String(inZone).padStart(4, "0")}`, {
      zone,
      rack: `r${Math.floor(inZone / 25)}`,
      labels: { disk: inZone % 3 === 0 ? "hdd" : "ssd", size: big ? "big" : "small" },
      capacity: resources(big ? 32_000 : 16_000, big ? 96 : 64, { diskBytes: 2 ** 40, ingressBps: 1e10, egressBps: 1e10 }),
    });
  });
  const index = createHostIndex(hosts, poolsOf("main"), () => 100_000);
  for (const host of hosts) {
    const images = [
      "infra:1",
      ...(random() < 0.8 ? ["log-agent:2"] : []),
      ...Array.from({ length: 12 }, () => `app:${Math.floor(random() * 1000)}`),
    ];
    setHostFacts(index, host.name, {
      capacity: null,
      capabilities: random() < 0.7 ? ["docker", "lvm", "ovs", "tc"] : ["docker", "ovs", "tc"],
      images,
      trashBytes: 0,
    });
    const share = 0.1 + 0.45 * random();
    const filling = resources(Math.round(host.capacity.cpuMillis * share), 0, {
      memoryBytes: Math.round(host.capacity.memoryBytes * Math.min(1, share * (0.7 + 0.6 * random()))),
    });
    reserve(index, host.name, "filling", { resources: filling, hostPorts: [], core: random() < 0.2 });
  }
  return index;
}

/** Sets of 1 to 100 replicas, `mean` on average, with `instances` replicas in all. */
function makeSets(mean: number, instances: number): SizedSet[] {
  const random = randomFrom(2);
  const sets: SizedSet[] = [];
  for (let left = instances; left > 0;) {
    const count = Math.min(left, mean === 1 ? 1 : Math.min(100, 1 + Math.floor(-(mean - 1) * Math.log(1 - random()))));
    sets.push({ set: randomSet(`set-${String(sets.length).padStart(5, "0")}`, sets.length, random), count });
    left -= count;
  }
  // As in Desired: each rule on both sides.
  const apart = symmetricApart(
    sets.map(({ set }) => ({ name: set.name, apart: set.placement.apart })),
    [],
  );
  return sets.map(({ set, count }) => ({
    set: { ...set, placement: { ...set.placement, apart: apart.get(set.name) ?? [] } },
    count,
  }));
}

function randomSet(name: string, number: number, random: () => number): DesiredSet {
  const chance = (share: number): boolean => random() < share;
  const lvm = chance(0.1);
  return makeSet(name, {
    priority: chance(0.2) ? "core" : "normal",
    resources: resources(250 * (1 + Math.floor(random() * 8)), 0.5 * (1 + Math.floor(random() * 10)), {
      diskBytes: lvm ? 20 * 2 ** 30 : 0,
      ingressBps: chance(0.5) ? 1e8 : 0,
      egressBps: chance(0.5) ? 1e8 : 0,
    }),
    needs: lvm ? ["docker", "lvm"] : ["docker"],
    images: [`app:${Math.floor(random() * 2000)}`, "infra:1", "log-agent:2"],
    hostPorts: chance(0.05) ? [8000 + Math.floor(random() * 100)] : [],
    placement: {
      zones: chance(0.1) ? ["a", "c", "e"] : [],
      zonesMin: chance(0.2) ? 3 : 1,
      zonesSurvive: chance(0.1) ? 1 : 0,
      hostLabels: chance(0.1) ? { disk: "ssd" } : {},
      strategy: chance(0.1) ? "pack" : "spread",
      maxPerHost: chance(0.2) ? 2 : null,
      maxCorePerHost: chance(0.3) ? 8 : null,
      apart: number > 0 && chance(0.05) ? [{ set: setName(number - 1), within: chance(0.5) ? "host" : "rack" }] : [],
      near: number > 0 && chance(0.05) ? [setName(number - 1)] : [],
    },
  });
}

function setName(number: number): string {
  return `set-${String(number).padStart(5, "0")}`;
}

/** The first Sets with at least this many slots in all. */
function firstSlots(sets: readonly SizedSet[], slots: number): SizedSet[] {
  let total = 0;
  return sets.filter(({ count }) => {
    const before = total;
    total += count;
    return before < slots;
  });
}

/** Numbers in 0..1 that are the same in every run (mulberry32). */
export function randomFrom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

export function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)]!;
}

if (import.meta.main) {
  for (const sets of ["mixed", "one-off"] as const) {
    for (const hosts of [1000, 2000, 5000]) {
      const figures = benchPlacement(hosts, sets);
      const times = (figures.perSecond / figures.baselinePerSecond).toFixed(0);
      console.log(
        `${sets.padEnd(8)} ${String(hosts).padStart(5)} hosts  ${String(figures.placed).padStart(6)} placed  ` +
          `${String(figures.perSecond).padStart(7)}/s  baseline ${String(figures.baselinePerSecond).padStart(6)}/s  ${times}×`,
      );
    }
  }
}
