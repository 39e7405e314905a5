import type { Desired, DesiredHost, DesiredPool } from "../../core/desired.ts";
import type { ManifestProblem, Manifests } from "../../core/manifests.ts";
import { sortedBy } from "../../core/order.ts";
import { byName, checkPools } from "./check-names.ts";
import { keep, sameContent, sameHost } from "./keep.ts";
import { createListMemo, createMemo } from "./memo.ts";
import { readPool } from "./pool.ts";
import type { ReadPool } from "./pool.ts";

export interface PoolPart {
  readonly byName: ReadonlyMap<string, ReadPool>;
  /** Sorted by name. */
  readonly pools: readonly DesiredPool[];
  readonly hosts: readonly DesiredHost[];
  readonly problems: readonly ManifestProblem[];
}

/** All pools and hosts of a Revision; computed again only when some pool's document changed. */
export function createPoolsReader(last: () => Desired | null): (pools: Manifests["pools"]) => PoolPart {
  const read = createMemo(readPool);
  return createListMemo((documents): PoolPart => {
    const names = byName(documents);
    const all = documents.map((document) => read(document));
    const first = all.filter(({ loaded }) => names.first.get(loaded.manifest.metadata.name) === loaded);
    const knownHosts = new Map(last()?.hosts.map((host) => [host.name, host]));
    const hosts = first.flatMap((pool) => pool.hosts.map((host) => keep(knownHosts.get(host.name), host, sameHost)));
    const pools = first.map(({ pool }) => keep(last()?.pools.get(pool.name), pool, sameContent));
    return {
      byName: new Map(first.map((pool) => [pool.pool.name, pool])),
      pools: sortedBy(pools, ({ name }) => name),
      hosts: sortedBy(hosts, ({ name }) => name),
      problems: [...names.problems, ...checkPools(first), ...all.flatMap(({ problems }) => problems)],
    };
  });
}
