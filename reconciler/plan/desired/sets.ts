import type { ApartRule, Desired, DesiredSet } from "../../core/desired.ts";
import type { ManifestProblem, Manifests } from "../../core/manifests.ts";
import { compareText } from "../../core/order.ts";
import { sameApart, symmetricApart } from "./apart.ts";
import { checkAddresses } from "./check-addresses.ts";
import { checkFit } from "./check-fit.ts";
import type { Fit } from "./check-fit.ts";
import { byName, checkNeighbours } from "./check-names.ts";
import { checkPolicy, checkScaling, checkSelection, findConflicts, reportConflicts } from "./check-policy.ts";
import type { Conflict } from "./check-policy.ts";
import { withHashes } from "./hashes.ts";
import type { SetDraft } from "./hashes.ts";
import { keep, sameContent } from "./keep.ts";
import { createListMemo, createMap, createMemo, sameItems } from "./memo.ts";
import { applyPolicies, createPolicyIndex } from "./policies.ts";
import type { LoadedPolicy, LoadedSet, PolicyIndex } from "./policies.ts";
import type { ReadPool } from "./pool.ts";
import { readSet } from "./set.ts";

export interface SetPart {
  /** Sorted by name. */
  readonly sets: readonly DesiredSet[];
  readonly problems: readonly ManifestProblem[];
}

/** A Set and its policies: all that its own document and theirs say. */
interface Member {
  readonly loaded: LoadedSet;
  readonly draft: SetDraft;
  readonly policies: readonly LoadedPolicy[];
  readonly problems: readonly ManifestProblem[];
  readonly conflicts: readonly Conflict[];
}

/** A Set among its neighbours and pools. */
interface Finished {
  readonly set: DesiredSet;
  readonly fit: Fit;
  readonly problems: readonly ManifestProblem[];
}

/** What a Set meets beside itself; each part keeps its identity while its content stays. */
interface Surroundings {
  readonly apartOf: ApartOf;
  readonly pools: ReadonlyMap<string, ReadPool>;
  readonly known: ReadonlySet<string>;
}

type Selected = ReadonlyMap<LoadedPolicy, readonly string[]>;
type ApartOf = ReadonlyMap<string, readonly ApartRule[]>;

const NOT_APART: readonly ApartRule[] = [];

/** All Sets of a Revision with their policies. A Set that did not change costs a few comparisons. */
export function createSetsReader(last: () => Desired | null): (manifests: Manifests, pools: ReadonlyMap<string, ReadPool>) => SetPart {
  const indexPolicies = createListMemo(createPolicyIndex);
  const readMembers = createMembersReader();
  const finishAll = createFinisher(last);
  const readNames = createListMemo(namesOf);
  const selectSets = createSelector();
  const apartRules = createApartReader();
  const checkOnePolicy = createMemo(checkPolicy);

  return (manifests, pools) => {
    const members = readMembers(manifests.sets, indexPolicies(manifests.policies));
    const names = readNames(members.map(({ draft }) => draft.name));
    const selected = selectSets(manifests.policies, members);
    const finished = finishAll(members, { apartOf: apartRules(members, selected), pools, known: names.known });
    const problems = [...byName(manifests.policies).problems];
    if (names.known.size < members.length) problems.push(...byName(manifests.sets).problems);
    for (const [policy, sets] of selected) problems.push(...checkOnePolicy(policy), ...checkSelection(policy, sets, names.known));
    for (const member of members) if (member.problems.length > 0) problems.push(...member.problems);
    for (const { problems: around } of finished) if (around.length > 0) problems.push(...around);
    problems.push(...reportConflicts(members.filter(({ conflicts }) => conflicts.length > 0).flatMap(({ conflicts }) => conflicts)));
    problems.push(...checkAddresses(finished.map(({ fit }) => fit)));
    return { sets: names.order.map((index) => finished[index]!.set), problems };
  };
}

interface Names {
  readonly known: ReadonlySet<string>;
  /** Positions of the names in sorted order. */
  readonly order: readonly number[];
}

function namesOf(names: readonly string[]): Names {
  const order = names.map((_, index) => index).sort((a, b) => compareText(names[a]!, names[b]!));
  return { known: new Set(names), order };
}

function createMembersReader(): (sets: readonly LoadedSet[], index: PolicyIndex) => readonly Member[] {
  const read = createMemo(readSet);
  const join = createMemo((loaded: LoadedSet, policies: readonly LoadedPolicy[]): Member => {
    const { draft, problems } = read(loaded);
    const conflicts = findConflicts(draft, policies);
    return { loaded, draft, policies, problems: [...problems, ...checkScaling(loaded, policies)], conflicts };
  });
  return createMap((loaded, index) => join(loaded, index.select(loaded)));
}

/** Applies policies and apart rules, hashes, and checks the result against its surroundings. */
function createFinisher(last: () => Desired | null): (members: readonly Member[], surroundings: Surroundings) => readonly Finished[] {
  const finish = createMemo(({ draft, policies }: Member, apart: readonly ApartRule[]): DesiredSet => {
    const set = withHashes(applyPolicies(draft, policies, apart));
    return keep(last()?.sets.get(set.name), set, sameContent);
  });
  const join = createMemo(({ loaded }: Member, set: DesiredSet, { pools, known }: Surroundings): Finished => {
    const fit = checkFit(loaded, set, pools);
    return { set, fit, problems: [...fit.problems, ...checkNeighbours(loaded, known)] };
  });
  const finishAll = createMap((member: Member, around: Surroundings): Finished => {
    return join(member, finish(member, around.apartOf.get(member.draft.name) ?? NOT_APART), around);
  });
  let surroundings: Surroundings | null = null;
  return (members, now) => {
    const { apartOf, pools, known } = now;
    if (surroundings?.apartOf !== apartOf || surroundings.pools !== pools || surroundings.known !== known) surroundings = now;
    return finishAll(members, surroundings);
  };
}

/** The names of the Sets each policy selects, in the order of the documents. */
function createSelector(): (policies: readonly LoadedPolicy[], members: readonly Member[]) => Selected {
  let last: { readonly policies: readonly LoadedPolicy[]; readonly members: readonly Member[]; readonly selected: Selected } | null = null;
  return (policies, members) => {
    const same = last !== null && sameItems(last.policies, policies) && sameSelection(last.members, members);
    last = { policies, members, selected: same ? last!.selected : selectedSets(policies, members) };
    return last.selected;
  };
}

function sameSelection(a: readonly Member[], b: readonly Member[]): boolean {
  return a.length === b.length && a.every((member, index) => member === b[index] || selectsAlike(member, b[index]!));
}

function selectsAlike(a: Member, b: Member): boolean {
  return a.policies === b.policies && a.draft.name === b.draft.name;
}

function selectedSets(policies: readonly LoadedPolicy[], members: readonly Member[]): Selected {
  const selected = new Map<LoadedPolicy, string[]>(policies.map((policy) => [policy, []]));
  for (const { draft, policies } of members) for (const policy of policies) selected.get(policy)!.push(draft.name);
  return selected;
}

/** Symmetric apart rules per Set; the same lists, and the same map, as before where nothing about them changed. */
function createApartReader(): (members: readonly Member[], selected: Selected) => ApartOf {
  let inputs: readonly unknown[] = [];
  let rules: ApartOf = new Map();
  return (members, selected) => {
    const own = members.filter(({ draft }) => draft.placement.apart.length > 0).map(({ draft }) => draft);
    const now = [selected, ...own];
    if (sameItems(inputs, now)) return rules;
    const groups = [...selected].filter(([policy]) => policy.manifest.spec.placement?.apart !== undefined);
    const fresh = symmetricApart(
      own.map(({ name, placement }) => ({ name, apart: placement.apart })),
      groups.map(([policy, sets]) => ({ sets, within: policy.manifest.spec.placement?.apart?.within ?? "host" })),
    );
    const kept = new Map([...fresh].map(([set, list]) => [set, keep(rules.get(set), list, sameApart)]));
    const same = kept.size === rules.size && [...kept].every(([set, list]) => rules.get(set) === list);
    rules = same ? rules : kept;
    inputs = now;
    return rules;
  };
}
