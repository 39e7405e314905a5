import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { Desired } from "../../reconciler/core/desired.ts";
import type { Manifest, Policy, Set as SetManifest } from "../../reconciler/core/manifest-types.ts";
import type { Loaded } from "../../reconciler/core/manifests.ts";
import { buildDesired, createDesiredBuilder } from "../../reconciler/plan/desired/builder.ts";
import { gather, loaded, policy, pool, set } from "./documents.ts";

function changedSets(before: Desired | null, after: Desired | null): string[] {
  return [...after!.sets.values()].filter((set) => before!.sets.get(set.name) !== set).map(({ name }) => name);
}

describe("identity", () => {
  const documents: Loaded<Manifest>[] = [
    loaded(pool("main")),
    loaded(pool("edge", { network: { cidr: "10.30.0.0/16", gateway: "10.30.0.1" } })),
    loaded(set("a", {}, { team: "red" })),
    loaded(set("b", {}, { team: "red" })),
    loaded(set("c", { placement: { apart: [{ set: "a" }] } })),
    loaded(set("d", { scaling: { min: 1, max: 3 } })),
    loaded(policy("blue", { sets: ["d"], config: { env: { LANE: "blue" } } })),
  ];

  function afterChange(change: (documents: Loaded<Manifest>[]) => Loaded<Manifest>[]): { before: Desired; after: Desired } {
    const builder = createDesiredBuilder();
    const before = builder.build(gather(documents, "one")).desired;
    const after = builder.build(gather(change(documents), "two")).desired;
    return { before: before!, after: after! };
  }

  function replaced(manifest: Manifest): (documents: Loaded<Manifest>[]) => Loaded<Manifest>[] {
    return (documents) =>
      documents.map((document) => (document.position.file === loaded(manifest).position.file ? loaded(manifest) : document));
  }

  it("of everything is kept when only the commit changed", () => {
    const { before, after } = afterChange((documents) => documents);
    expect(after.revision.commit).toBe("two");
    expect(after.sets).toBe(before.sets);
    expect(after.pools).toBe(before.pools);
    expect(after.hosts).toBe(before.hosts);
  });

  it("is kept when documents are loaded anew with the same content, in another order", () => {
    const { before, after } = afterChange((documents) => documents.map(({ manifest }) => loaded(structuredClone(manifest))).toReversed());
    expect(after.sets).toBe(before.sets);
    expect(after.pools).toBe(before.pools);
    expect(after.hosts.every((host, index) => host === before.hosts[index])).toBe(true);
  });

  it("of one Set changes with that Set", () => {
    const { before, after } = afterChange(replaced(set("b", { replicas: 5 }, { team: "red" })));
    expect(changedSets(before, after)).toEqual(["b"]);
    expect(after.hosts).toBe(before.hosts);
  });

  it("changes with a policy for the Sets it selects", () => {
    const { before, after } = afterChange(replaced(policy("blue", { sets: ["d"], config: { env: { LANE: "green" } } })));
    expect(changedSets(before, after)).toEqual(["d"]);
    const selector = afterChange((documents) => [
      ...documents,
      loaded(policy("reds", { selector: { labels: { team: "red" } }, placement: { maxCorePerHost: 2 } })),
    ]);
    expect(changedSets(selector.before, selector.after)).toEqual(["a", "b"]);
  });

  it("changes on both sides of a new apart rule, and only there", () => {
    const { before, after } = afterChange(replaced(set("d", { scaling: { min: 1, max: 3 }, placement: { apart: [{ set: "b" }] } })));
    expect(changedSets(before, after)).toEqual(["b", "d"]);
  });

  it("of hosts changes one by one, and Sets don't mind", () => {
    const spec = pool("main").spec;
    const hosts = [
      ...spec.hosts.slice(1),
      { ...spec.hosts[0]!, name: "main-a-[01-09]" },
      { ...spec.hosts[0]!, name: "main-a-10", state: "draining" as const },
    ];
    const { before, after } = afterChange(replaced(pool("main", { hosts })));
    const known = new Set(before.hosts);
    expect(after.hosts.filter((host) => !known.has(host)).map(({ name, state }) => `${name} ${state}`)).toEqual(["main-a-10 draining"]);
    expect(after.sets).toBe(before.sets);
    expect(after.pools).toBe(before.pools);
  });

  it("survives a Revision with mistakes", () => {
    const builder = createDesiredBuilder();
    const before = builder.build(gather(documents)).desired!;
    expect(builder.build(gather([...documents, loaded(set("e", { pool: "nowhere" }))])).desired).toBeNull();
    expect(builder.build(gather(documents)).desired!.sets).toBe(before.sets);
  });
});

describe("history", () => {
  const names = fc.constantFrom("a", "b", "c", "d");
  const label = fc.constantFrom({ team: "red" }, { team: "blue" });
  const setChange = fc.record({
    name: names,
    replicas: fc.nat({ max: 3 }),
    label,
    apart: fc.option(names),
    pool: fc.constantFrom("main", "main", "mian"),
  });
  const policyChange = fc.record({
    name: fc.constantFrom("p", "q"),
    team: fc.constantFrom("red", "blue"),
    apart: fc.boolean(),
    value: names,
  });
  const removal = fc.record({ remove: fc.constantFrom("Set/a.yaml", "Set/b.yaml", "Policy/p.yaml", "Policy/q.yaml") });

  function documentOf(change: {
    name: string;
    replicas: number;
    label: Record<string, string>;
    apart: string | null;
    pool: string;
  }): SetManifest {
    const placement = change.apart === null ? {} : { placement: { apart: [{ set: change.apart }] } };
    return set(change.name, { replicas: change.replicas, pool: change.pool, ...placement }, change.label);
  }

  function policyOf({ name, team, apart, value }: { name: string; team: string; apart: boolean; value: string }): Policy {
    const rule = apart ? { placement: { apart: {} } } : { config: { env: { KEY: value } } };
    return policy(name, { selector: { labels: { team } }, ...rule });
  }

  it("never shows: a builder with a past says what a fresh one says", () => {
    const changes = fc.array(fc.oneof(setChange, policyChange, removal), { minLength: 1, maxLength: 12 });
    fc.assert(
      fc.property(changes, (changes) => {
        const builder = createDesiredBuilder();
        const files = new Map<string, Loaded<Manifest>>([["main", loaded(pool("main"))]]);
        for (const change of changes) {
          if ("remove" in change) files.delete(change.remove);
          else {
            const document = loaded<Manifest>("team" in change ? policyOf(change) : documentOf(change));
            files.set(document.position.file, document);
          }
          const manifests = gather([...files.values()]);
          expect(builder.build(manifests)).toEqual(buildDesired(manifests));
        }
      }),
      { numRuns: 100 },
    );
  });
});

describe("cost", () => {
  it("of a one-Set change among 3,300 is a small share of a full build", () => {
    const documents: Loaded<Manifest>[] = [loaded(pool("main", { network: { cidr: "10.0.0.0/8", gateway: "10.0.0.1" } }))];
    for (let number = 0; number < 3300; number++) documents.push(loaded(set(`s${number}`, {}, { team: `t${number % 20}` })));
    const builder = createDesiredBuilder();
    const full = cpuMs(() => builder.build(gather(documents)));
    const changes = [1, 2, 3, 4, 5].map((replicas) =>
      cpuMs(() => {
        documents[100] = loaded(set("s99", { replicas }, { team: "t19" }));
        expect(builder.build(gather(documents)).desired!.sets.get("s99")).toMatchObject({ count: { replicas } });
      }),
    );
    expect(Math.min(...changes)).toBeLessThan(full / 10);
  });
});

/** CPU rather than wall-clock time, so that a busy machine does not fail the test. */
function cpuMs(work: () => void): number {
  const before = process.cpuUsage();
  work();
  const { user, system } = process.cpuUsage(before);
  return (user + system) / 1000;
}
