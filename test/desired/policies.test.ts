import { describe, expect, it } from "vitest";
import type { DesiredSet } from "../../reconciler/core/desired.ts";
import type { Manifest } from "../../reconciler/core/manifest-types.ts";
import { buildDesired } from "../../reconciler/plan/desired/builder.ts";
import { container, manifestsOf, policy, pool, set } from "./documents.ts";

function setsOf(...documents: readonly Manifest[]): Record<string, DesiredSet> {
  const { desired, problems } = buildDesired(manifestsOf(pool("main"), ...documents));
  if (desired === null) throw new Error(problems.map(({ message }) => message).join("\n"));
  return Object.fromEntries(desired.sets);
}

describe("config policies", () => {
  const template = { containers: [container("app", { env: { LANE: "own", A: "1" } }), container("log")] };

  it("give env to every container and labels to the Set; what the Set says itself wins", () => {
    const { web } = setsOf(
      set("web", { template }, { team: "shop", cell: "own" }),
      policy("lane", {
        selector: { labels: { team: "shop" } },
        config: { env: { LANE: "blue", ZED: "z" }, labels: { cell: "7", floor: "2" } },
      }),
    );
    expect(web!.template.containers.map(({ env }) => env)).toEqual([
      { A: "1", LANE: "own", ZED: "z" },
      { LANE: "blue", ZED: "z" },
    ]);
    expect(web!.labels).toEqual({ cell: "own", floor: "2", team: "shop" });
  });

  it("count in the hash exactly as if the Set had said it itself", () => {
    const env = { LANE: "blue" };
    const said = setsOf(set("web", { template: { containers: [container("app", { env })] } }));
    const given = setsOf(set("web"), policy("lane", { sets: ["web"], config: { env } }));
    expect(given["web"]!.specHash).toBe(said["web"]!.specHash);
  });

  it("agree when they say the same", () => {
    const config = { env: { LANE: "blue" } };
    const { web } = setsOf(set("web"), policy("p", { sets: ["web"], config }), policy("q", { sets: ["web"], config }));
    expect(web!.template.containers[0]!.env).toEqual({ LANE: "blue" });
  });

  it("select by labels of the manifest, not by labels other policies give", () => {
    const { problems } = buildDesired(
      manifestsOf(
        pool("main"),
        set("web"),
        policy("p", { sets: ["web"], config: { labels: { team: "shop" } } }),
        policy("q", { selector: { labels: { team: "shop" } }, config: { env: { A: "1" } } }),
      ),
    );
    expect(problems.map(({ code }) => code)).toEqual(["selects-nothing"]);
  });
});

describe("placement policies", () => {
  it("merge to the strictest", () => {
    const { web } = setsOf(
      set("web", { placement: { zones: { min: 2 }, near: ["db"] } }),
      set("db"),
      set("cache"),
      policy("p", { sets: ["web", "db"], placement: { maxCorePerHost: 5, zones: { min: 3 }, near: ["cache", "web"] } }),
      policy("q", { sets: ["web"], placement: { maxCorePerHost: 3, zones: { min: 1, survive: 1 } } }),
    );
    expect(web!.placement).toMatchObject({ maxCorePerHost: 3, zonesMin: 3, zonesSurvive: 1, near: ["cache", "db"] });
  });

  it("keep all selected Sets apart from each other, by the strictest rule of all", () => {
    const { a, b, c } = setsOf(
      set("a", { placement: { apart: [{ set: "b", within: "rack" }] } }),
      set("b"),
      set("c", { placement: { apart: [{ set: "b", within: "zone" }, { set: "b" }] } }),
      policy("p", { sets: ["a", "b"], placement: { apart: {} } }),
    );
    expect(a!.placement.apart).toEqual([{ set: "b", within: "rack" }]);
    expect(b!.placement.apart).toEqual([
      { set: "a", within: "rack" },
      { set: "c", within: "zone" },
    ]);
    expect(c!.placement.apart).toEqual([{ set: "b", within: "zone" }]);
  });

  it("refuse to keep more than 200 Sets apart", () => {
    const many = Array.from({ length: 201 }, (_, number) => set(`s${number}`, { replicas: 1 }, { kind: "x" }));
    const { problems } = buildDesired(
      manifestsOf(pool("main"), ...many, policy("p", { selector: { labels: { kind: "x" } }, placement: { apart: {} } })),
    );
    expect(problems.map(({ code, message }) => `${code}: ${message}`)).toEqual([
      "apart-too-many: Policy `p` keeps 201 Sets apart from each other; at most 200 are allowed.",
    ]);
  });
});

describe("scaling policies", () => {
  it("give their windows to elastic Sets", () => {
    const peak = {
      name: "peak",
      timezone: "Asia/Shanghai",
      start: "18:30",
      duration: "3h",
      days: ["sat", "sun", "fri"] as ("sat" | "sun" | "fri")[],
      floor: 4,
    };
    const night = { name: "night", timezone: "UTC", start: "00:00", duration: "1d", ceiling: 2 };
    const { web } = setsOf(
      set("web", { scaling: { min: 1, max: 9 } }),
      policy("p", { sets: ["web"], scaling: { schedules: [peak, night] } }),
    );
    expect(web!.count).toEqual({
      kind: "elastic",
      min: 1,
      max: 9,
      initial: 1,
      schedules: [
        { name: "p/night", timezone: "UTC", startMinute: 0, durationMinutes: 1440, days: [0, 1, 2, 3, 4, 5, 6], floor: null, ceiling: 2 },
        { name: "p/peak", timezone: "Asia/Shanghai", startMinute: 1110, durationMinutes: 180, days: [0, 5, 6], floor: 4, ceiling: null },
      ],
    });
  });
});
