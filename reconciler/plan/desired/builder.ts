import type { Desired } from "../../core/desired.ts";
import type { ManifestProblem, Manifests } from "../../core/manifests.ts";
import { compareProblems } from "../../core/problems.ts";
import { keepMap } from "./keep.ts";
import { createPoolsReader } from "./pools.ts";
import { createSetsReader } from "./sets.ts";

export interface BuiltDesired {
  /** null when a problem is an error. */
  readonly desired: Desired | null;
  /** Errors and warnings by position. */
  readonly problems: readonly ManifestProblem[];
}

/**
 * Turns Manifests into Desired, Revision after Revision. What did not change (the same Loaded objects, under the same
 * policies and neighbours) is not computed again and keeps its object identity. The content of an answer never depends on
 * earlier calls, only the identities in it do.
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
  const readPools = createPoolsReader(() => last);
  const readSets = createSetsReader(() => last);
  return {
    build(manifests) {
      const pools = readPools(manifests.pools);
      const sets = readSets(manifests, pools.byName);
      const problems = [...pools.problems, ...sets.problems].sort(compareProblems);
      if (problems.some(({ severity }) => severity === "error")) return { desired: null, problems };
      last = {
        revision: manifests.revision,
        pools: keepMap(last?.pools, pools.pools),
        hosts: pools.hosts,
        sets: keepMap(last?.sets, sets.sets),
      };
      return { desired: last, problems };
    },
  };
}
