import type { ApartRule, Desired, DesiredHost, DesiredPool, DesiredSet } from "../../core/desired.ts";
import { canonicalJson } from "../../core/hash.ts";
import type { ManifestProblem, Manifests } from "../../core/manifests.ts";
import { sortedBy } from "../../core/order.ts";
import { compareProblems } from "../../core/problems.ts";
import { sameApart, symmetricApart } from "./apart.ts";
import { checkAddresses } from "./check-addresses.ts";
import { checkFit } from "./check-fit.ts";
import { byName, checkNeighbours, checkPools } from "./check-names.ts";
import { checkPolicy, checkScaling, checkSelection, findConflicts, reportConflicts } from "./check-policy.ts";
import { withHashes } from "./hashes.ts";
import type { SetDraft } from "./hashes.ts";
import { createListMemo, createMemo, sameItems } from "./memo.ts";
import { applyPolicies, createPolicyIndex } from "./policies.ts";
import type { LoadedPolicy, LoadedSet } from "./policies.ts";
import { readPool } from "./pool.ts";
import type { ReadPool } from "./pool.ts";
import { readSet } from "./set.ts";

export interface BuiltDesired {
  /** null when a problem is an error. */
  readonly desired: Desired | null;
  /** Errors and warnings by position. */
  readonly problems: readonly ManifestProblem[];
}

/**
 * Turns Manifests into Desired, Revision after Revision. What did not change (the same Loaded objects, under the same
 * policies and neighbours) is not computed again and keeps its object identity. The answer never depends on earlier calls, only
 * the identities in it do.
 */
export interface DesiredBuilder {
  build(manifests: Manifests): BuiltDesired;
}

/** One Revision by itself. */
export function buildDesired(manifests: Manifests): BuiltDesired {
  return createDesiredBuilder().build(manifests);
}

export function createDesiredBuilder(): DesiredBuilder {
  /** The last one without errors: its objects are handed out again where nothing differs. */
  let last: Desired | null = null;
  const pools = createPoolReader(() => last);
  const sets = createSetReader(() => last);
  return {
    build(manifests) {
      const pool = pools(manifests);
      const set = sets(manifests, pool.byName);
      const problems = [...pool.problems, ...set.problems].sort(compareProblems);
      if (problems.some(({ severity }) => severity === "error")) return { desired: null, problems };
      const ordered = keepMap(last?.sets, set.sets);
      last = { revision: manifests.revision, pools: keepMap(last?.pools, pool.pools), hosts: pool.hosts, sets: ordered };
      return { desired: last, problems };
    },
  };
}

interface PoolPart {
  readonly byName: ReadonlyMap<string, ReadPool>;
  /** Sorted by name. */
  readonly pools: readonly DesiredPool[];
  readonly hosts: readonly DesiredHost[];
  readonly problems: readonly ManifestProblem[];
}

/** All pools and hosts; computed again only when some pool's document changed. */
function createPoolReader(last: () => Desired | null): (manifests: Manifests) => PoolPart {
  const read = createMemo(readPool);
  const readAll = createListMemo((documents: Manifests["pools"]): PoolPart => {
    const names = byName(documents);
    const readPools = documents.map((document) => read(document));
    const first = readPools.filter(({ loaded }) => names.first.get(loaded.manifest.metadata.name) === loaded);
    const knownHosts = new Map(last()?.hosts.map((host) => [host.name, host]));
    const hosts = first.flatMap((pool) => pool.hosts.map((host) => keep(knownHosts.get(host.name), host, sameHost)));
    const desired = first.map(({ pool }) => keep(last()?.pools.get(pool.name), pool, sameContent));
    return {
      byName: new Map(first.map((pool) => [pool.pool.name, pool])),
      pools: sortedBy(desired, ({ name }) => name),
      hosts: sortedBy(hosts, ({ name }) => name),
      problems: [...names.problems, ...checkPools(first), ...readPools.flatMap(({ problems }) => problems)],
    };
  });
  return ({ pools }) => readAll(pools);
}

/** One Set on its way through a build. */
interface Member {
  readonly loaded: LoadedSet;
  readonly draft: SetDraft;
  readonly policies: readonly LoadedPolicy[];
}

interface SetPart {
  /** Sorted by name. */
  readonly sets: readonly DesiredSet[];
  readonly problems: readonly ManifestProblem[];
}

const NOT_APART: readonly ApartRule[] = [];

/** All Sets with their policies. Cost of what did not change: a few look-ups per Set. */
function createSetReader(last: () => Desired | null): (manifests: Manifests, poolByName: ReadonlyMap<string, ReadPool>) => SetPart {
  const read = createMemo(readSet);
  const indexPolicies = createListMemo(createPolicyIndex);
  const apartRules = createApartReader();
  const checkOnePolicy = createMemo(checkPolicy);
  const checkScalingOf = createMemo(checkScaling);
  const conflictsOf = createMemo((draft: SetDraft, policies: readonly LoadedPolicy[]) => findConflicts(draft, policies));
  const fitOf = createMemo(checkFit);
  const finish = createMemo((draft: SetDraft, policies: readonly LoadedPolicy[], apart: readonly ApartRule[]): DesiredSet => {
    const set = withHashes(applyPolicies(draft, policies, apart));
    return keep(last()?.sets.get(set.name), set, sameContent);
  });

  return (manifests, poolByName) => {
    const names = byName(manifests.sets);
    const policyNames = byName(manifests.policies);
    const index = indexPolicies(manifests.policies);
    const problems = [...names.problems, ...policyNames.problems];
    const members: Member[] = [];
    for (const loaded of manifests.sets) {
      const { draft, problems: own } = read(loaded);
      const policies = index.select(loaded);
      members.push({ loaded, draft, policies });
      problems.push(...own, ...checkNeighbours(loaded, names.first), ...checkScalingOf(loaded, policies));
    }
    const selected = selectedSets(manifests.policies, members);
    for (const [policy, sets] of selected) problems.push(...checkOnePolicy(policy), ...checkSelection(policy, sets, names.first));
    problems.push(...reportConflicts(members.flatMap(({ draft, policies }) => conflictsOf(draft, policies))));
    const apart = apartRules(members, selected);
    const sets = members.map(({ draft, policies }) => finish(draft, policies, apart.get(draft.name) ?? NOT_APART));
    const fits = members.map(({ loaded }, position) => fitOf(loaded, sets[position]!, poolByName));
    problems.push(...fits.flatMap((fit) => fit.problems), ...checkAddresses(fits));
    return { sets: sortedBy(sets, ({ name }) => name), problems };
  };
}

/** The names of the Sets each policy selects. */
function selectedSets(policies: readonly LoadedPolicy[], members: readonly Member[]): ReadonlyMap<LoadedPolicy, readonly string[]> {
  const selected = new Map<LoadedPolicy, string[]>(policies.map((policy) => [policy, []]));
  for (const { draft, policies } of members) for (const policy of policies) selected.get(policy)!.push(draft.name);
  return selected;
}

/** Symmetric apart rules per Set; the same lists as before where nothing about them changed. */
function createApartReader(): (
  members: readonly Member[],
  selected: ReadonlyMap<LoadedPolicy, readonly string[]>,
) => ReadonlyMap<string, readonly ApartRule[]> {
  let inputs: readonly unknown[] = [];
  let rules: ReadonlyMap<string, readonly ApartRule[]> = new Map();
  return (members, selected) => {
    const own = members.map(({ draft }) => draft).filter(({ placement }) => placement.apart.length > 0);
    const groups = [...selected].filter(([policy]) => policy.manifest.spec.placement?.apart !== undefined);
    const now = [...own, ...groups.flat(2)];
    if (sameItems(inputs, now)) return rules;
    const fresh = symmetricApart(
      own.map(({ name, placement }) => ({ name, apart: placement.apart })),
      groups.map(([policy, sets]) => ({ sets, within: policy.manifest.spec.placement?.apart?.within ?? "host" })),
    );
    rules = new Map([...fresh].map(([set, list]) => [set, keep(rules.get(set), list, sameApart)]));
    inputs = now;
    return rules;
  };
}

/** The object known already when nothing differs. */
function keep<Value>(known: Value | undefined, fresh: Value, same: (a: Value, b: Value) => boolean): Value {
  return known !== undefined && same(known, fresh) ? known : fresh;
}

function sameContent(a: DesiredPool | DesiredSet, b: DesiredPool | DesiredSet): boolean {
  return canonicalJson(a) === canonicalJson(b);
}

/** Cheaper than sameContent: there are thousands. */
function sameHost(a: DesiredHost, b: DesiredHost): boolean {
  const plain = a.pool === b.pool && a.zone === b.zone && a.rack === b.rack && a.agent === b.agent && a.state === b.state;
  return (
    plain &&
    (a.capacity === b.capacity || canonicalJson(a.capacity) === canonicalJson(b.capacity)) &&
    canonicalJson(a.labels) === canonicalJson(b.labels)
  );
}

/** A map by name in the order given; the known one when it holds just these objects. */
function keepMap<Item extends { readonly name: string }>(
  known: ReadonlyMap<string, Item> | undefined,
  items: readonly Item[],
): ReadonlyMap<string, Item> {
  if (known !== undefined && known.size === items.length && items.every((item) => known.get(item.name) === item)) return known;
  return new Map(items.map((item) => [item.name, item]));
}
