import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { ApartRule, DesiredSet } from "../../reconciler/core/desired.ts";
import { explainHost, explainPlacement } from "../../reconciler/plan/place/explain.ts";
import { createHostIndex } from "../../reconciler/plan/place/host-index.ts";
import { placeSlots } from "../../reconciler/plan/place/place-slots.ts";
import { reserve, setHostFacts, setHostUsable } from "../../reconciler/plan/place/reservations.ts";
import { fleetCases, makeHost, makePool, makeSet, poolsOf, resources, setCases } from "./world.ts";

const GIB = 2 ** 30;
const CLAIM = { resources: resources(1000, 2), hostPorts: [], core: false };

describe("the sentence of a blocked slot", () => {
  test("counts each host at the first filter it fails, most hosts first", () => {
    const index = createHostIndex(
      [
        ...Array.from({ length: 12 }, (_, number) => makeHost(`a-${String(number).padStart(3, "0")}`, { capacity: resources(8000, 1) })),
        ...Array.from({ length: 7 }, (_, number) => makeHost(`b-${number}`, { zone: "b" })),
        makeHost("a-100", { state: "cordoned" }),
        makeHost("elsewhere", { pool: "other" }),
      ],
      poolsOf("main", "other"),
    );
    reserve(index, "a-000", "db", { resources: resources(0, 0.5), hostPorts: [], core: false });
    const set = makeSet("web", { resources: resources(1000, 4), placement: { zones: ["a"] } });
    const text = "of 20 hosts: 12 lack memory (need 4Gi, most free 1Gi on a-001), 7 in other zones, 1 cordoned";
    expect(explainPlacement(index, set, [])).toBe(text);
    const [result] = placeSlots(index, set, { slots: [{ index: 3, avoid: [] }] });
    expect(result).toMatchObject({ index: 3, host: null, rejected: { hosts: 20, fit: 0, text } });
  });

  const cases: readonly [string, Parameters<typeof makeSet>[1], string][] = [
    ["cpu", { resources: resources(8500, 1) }, "1 lacks cpu (need 8.5, most free 7 on a)"],
    ["disk", { resources: resources(1, 1, { diskBytes: 200 * GIB }) }, "1 lacks disk (need 200Gi, most free 100Gi on a)"],
    ["ingress", { resources: resources(1, 1, { ingressBps: 2e9 }) }, "1 lacks ingress bandwidth (need 2gbit, most free 1gbit on a)"],
    ["egress", { resources: resources(1, 1, { egressBps: 2e9 }) }, "1 lacks egress bandwidth (need 2gbit, most free 1gbit on a)"],
    ["capability", { needs: ["docker", "lvm", "ovs"] }, "1 without lvm or ovs"],
    ["label", { placement: { hostLabels: { disk: "ssd" } } }, "1 without label disk=ssd"],
    ["labels", { placement: { hostLabels: { disk: "ssd", gpu: "yes" } } }, "1 without labels disk=ssd, gpu=yes"],
    ["zone", { placement: { zones: ["b"] } }, "1 in another zone"],
    ["core", { priority: "core", placement: { maxCorePerHost: 1 } }, "1 with 1 core Instances already (the most allowed)"],
    ["maxPerHost", { placement: { maxPerHost: 1 } }, "1 with 1 of this Set already (maxPerHost)"],
    ["apart", { placement: { apart: [{ set: "db", within: "zone" }] } }, "1 too near to db"],
    ["ports", { hostPorts: [80, 443] }, "1 with host port 443 taken"],
  ];
  test.each(cases)("says what is missing: %s", (_, more, expected) => {
    const index = createHostIndex([makeHost("a")], poolsOf("main"));
    setHostFacts(index, "a", { capacity: null, capabilities: ["docker"], images: [], trashBytes: 0 });
    reserve(index, "a", "db", { resources: resources(0, 0), hostPorts: [443], core: true });
    reserve(index, "a", "web", CLAIM);
    expect(explainPlacement(index, makeSet("web", more), [])).toBe(`of 1 host: ${expected}`);
  });

  test("says why hosts take nothing, where a slot failed before, that a pool is out of addresses, and that there is no host", () => {
    const reasons = ["cordoned", "draining", "held", "unheard", "unreachable", "dead"] as const;
    const index = createHostIndex(
      reasons.map((reason) => makeHost(reason)),
      poolsOf("main"),
    );
    for (const reason of reasons) setHostUsable(index, reason, reason);
    const counts = "1 cordoned, 1 draining, 1 held, 1 unheard, 1 unreachable, 1 dead";
    expect(explainPlacement(index, makeSet("web"), [])).toBe(`of 6 hosts: ${counts}`);
    setHostUsable(index, "dead", null);
    expect(explainPlacement(index, makeSet("web"), ["dead", "no-such-host"])).toContain("1 where it failed before");
    expect(explainPlacement(index, makeSet("web", { pools: ["empty"] }), [])).toBe("no host in pool empty");
    const dry = createHostIndex([makeHost("a")], poolsOf("main"), () => 0);
    expect(explainPlacement(dry, makeSet("web"), [])).toBe("of 1 host: 1 in a pool without a free address");
  });

  test("counts the hosts that would do", () => {
    const index = createHostIndex([makeHost("a"), makeHost("b")], poolsOf("main"));
    setHostUsable(index, "a", "held");
    expect(explainPlacement(index, makeSet("web"), [])).toBe("of 2 hosts: 1 fits, 1 held");
  });

  test("its numbers add up to the hosts of the Set's pools", () => {
    fc.assert(
      fc.property(fleetCases(60), setCases(), (fleet, set) => {
        const index = createHostIndex(fleet.hosts, poolsOf("main", "other"), () => fleet.addresses);
        for (const [number, host] of fleet.hosts.entries()) {
          setHostFacts(index, host.name, { ...fleet.facts[number]!, capacity: null });
          if (fleet.facts[number]!.held) setHostUsable(index, host.name, "held");
        }
        const text = explainPlacement(index, set, []);
        const [, hosts = "0", rest = ""] = /^of (\d+) hosts?: (.*)$/.exec(text) ?? [];
        // Details in brackets carry commas of their own.
        const counts = rest.replace(/\([^)]*\)/g, "").match(/(?<=^|, )\d+(?= )/g) ?? [];
        expect(counts.reduce((sum, count) => sum + Number(count), 0)).toBe(Number(hosts));
        expect(Number(hosts)).toBe(fleet.hosts.filter((host) => set.pools.includes(host.pool)).length);
      }),
      { numRuns: 60 },
    );
  });
});

describe("one host explained", () => {
  test("every filter it fails", () => {
    const index = createHostIndex([makeHost("a", { state: "draining" })], poolsOf("main"));
    const explanation = explainHost(index, makeSet("web", { resources: resources(9000, 1), placement: { zones: ["b"] } }), "a");
    expect(explanation).toMatchObject({ fits: false, text: "draining, in another zone, lacks cpu (need 9, most free 8 on a)" });
  });

  test("the scores of one that fits, of which the best host has the highest total", () => {
    const index = createHostIndex([makeHost("a"), makeHost("b")], poolsOf("main"));
    reserve(index, "a", "db", CLAIM);
    const set = makeSet("web", { resources: resources(4000, 4) });
    expect(explainHost(index, set, "b")).toMatchObject({
      fits: true,
      // cpu 50%, memory 25%: (2·50 + 75) / 3
      text: "fits, score 774 (load 58×3 + host 100×3 + rack 100×1 + near 0×2 + images 0×1 + zone 100×2)",
    });
    expect(explainHost(index, set, "a")!.total).toBeLessThan(774);
    expect(placeSlots(index, set, { slots: [{ index: 0, avoid: [] }] })).toMatchObject([{ host: "b" }]);
    expect(explainHost(index, set, "no-such-host")).toBeNull();
  });
});

describe("keeping apart", () => {
  test("from another Set within a host, a rack or a zone", () => {
    const index = createHostIndex([makeHost("a"), makeHost("b"), makeHost("c", { rack: "2" })], poolsOf("main"));
    reserve(index, "a", "web", CLAIM);
    const db = (within: ApartRule["within"]): DesiredSet => makeSet("db", { placement: { apart: [{ set: "web", within }] } });
    expect(explainPlacement(index, db("host"), [])).toBe("of 3 hosts: 2 fit, 1 too near to web");
    expect(explainPlacement(index, db("rack"), [])).toBe("of 3 hosts: 1 fits, 2 too near to web");
    expect(explainPlacement(index, db("zone"), [])).toBe("of 3 hosts: 3 too near to web");
    expect(explainPlacement(index, makeSet("db"), [])).toBe("of 3 hosts: 3 fit");
  });

  test("from itself holds within one call", () => {
    const hosts = ["a", "b", "c"].map((name) => makeHost(name, { rack: name === "c" ? "2" : "1" }));
    const index = createHostIndex(hosts, poolsOf("main"));
    const web = makeSet("web", { placement: { apart: [{ set: "web", within: "rack" }] } });
    const slots = [0, 1, 2].map((number) => ({ index: number, avoid: [] }));
    expect(placeSlots(index, web, { slots }).map((result) => result.host)).toEqual(["a", "c", null]);
  });
});

test("an observed capacity counts after overcommit and reserve, and never above the manifest's", () => {
  const pools = new Map([["main", makePool("main", { cpuOvercommit: 2, memoryReserveBytes: GIB })]]);
  const index = createHostIndex([makeHost("a")], pools);
  const position = index.positions.get("a")!;
  reserve(index, "a", "web", CLAIM);
  setHostFacts(index, "a", { capacity: resources(3000, 20), capabilities: ["docker"], images: [], trashBytes: 0 });
  expect([index.capacity.cpuMillis[position], index.free.cpuMillis[position]]).toEqual([6000, 5000]);
  expect([index.capacity.memoryBytes[position], index.free.memoryBytes[position]]).toEqual([16 * GIB, 14 * GIB]);
  setHostFacts(index, "a", { capacity: null, capabilities: ["docker"], images: [], trashBytes: 0 });
  expect(index.free.cpuMillis[position]).toBe(7000);
});
