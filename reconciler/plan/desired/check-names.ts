import type * as written from "../../core/manifest-types.ts";
import type { Loaded, ManifestProblem } from "../../core/manifests.ts";
import { containsRange, formatCidr, overlaps } from "../../core/addresses.ts";
import { compareText, sortedBy } from "../../core/order.ts";
import type { SourcePosition } from "../../core/desired.ts";
import { checkSetNames } from "./check-policy.ts";
import type { LoadedSet } from "./policies.ts";
import type { ReadPool } from "./pool.ts";
import { createReport, listed, positionText } from "./report.ts";

type Named = Loaded<{ readonly kind: string; readonly metadata: written.Metadata }>;

/** By name; of several with one name the first in the repository, the others are reported. */
export function byName<Document extends Named>(
  documents: readonly Document[],
): { readonly first: ReadonlyMap<string, Document>; readonly problems: ManifestProblem[] } {
  const first = new Map<string, Document>();
  const repeated: Document[] = [];
  for (const document of documents) {
    const { name } = document.manifest.metadata;
    const known = first.get(name);
    if (known === undefined) {
      first.set(name, document);
    } else if (comparePositions(document.position, known.position) < 0) {
      first.set(name, document);
      repeated.push(known);
    } else {
      repeated.push(document);
    }
  }
  return { first, problems: repeated.flatMap((document) => repeatedName(document, first.get(document.manifest.metadata.name)!)) };
}

function comparePositions(a: SourcePosition, b: SourcePosition): number {
  return compareText(a.file, b.file) || a.line - b.line || a.column - b.column;
}

function repeatedName(document: Named, first: Named): readonly ManifestProblem[] {
  const { kind, metadata } = document.manifest;
  const report = createReport(document);
  const where = positionText(first.at(["metadata", "name"]));
  const message = `There is another ${kind} named \`${metadata.name}\` at ${where}; names are unique within a kind.`;
  report.error("duplicate-name", ["metadata", "name"], message, "Rename or remove one of them.");
  return report.problems;
}

/** What is wrong between pools: one host in two of them, or networks that share addresses. */
export function checkPools(pools: readonly ReadPool[]): ManifestProblem[] {
  const inOrder = sortedBy(pools, ({ pool }) => pool.name);
  return [...sharedHosts(inOrder), ...sharedNetworks(inOrder)];
}

function sharedHosts(pools: readonly ReadPool[]): ManifestProblem[] {
  const owner = new Map<string, ReadPool>();
  const shared = new Map<ReadPool, Map<ReadPool, string[]>>();
  for (const pool of pools) {
    for (const { name } of pool.hosts) {
      const first = owner.get(name);
      if (first === undefined) {
        owner.set(name, pool);
      } else {
        const others = shared.get(pool) ?? new Map<ReadPool, string[]>();
        others.set(first, [...(others.get(first) ?? []), name]);
        shared.set(pool, others);
      }
    }
  }
  return [...shared].flatMap(([pool, others]) => [...others].flatMap(([first, names]) => sharedHost(pool, first, names)));
}

function sharedHost(pool: ReadPool, first: ReadPool, names: readonly string[]): readonly ManifestProblem[] {
  const report = createReport(pool.loaded);
  const where = positionText(first.loaded.at(["spec", "hosts", first.entries.get(names[0]!)!, "name"]));
  const message = `Pool \`${pool.pool.name}\` lists ${listed(names, 3)}, which pool \`${first.pool.name}\` has too (${where}); a host belongs to one pool.`;
  report.error("duplicate-host", ["spec", "hosts", pool.entries.get(names[0]!)!, "name"], message, "Remove it from one of the pools.");
  return report.problems;
}

/** Pools on different VLANs may use the same addresses; on one VLAN two Instances could get the same one. */
function sharedNetworks(pools: readonly ReadPool[]): ManifestProblem[] {
  const problems: ManifestProblem[] = [];
  for (const [index, pool] of pools.entries()) {
    for (const other of pools.slice(0, index)) {
      if (pool.cidr === null || other.cidr === null || pool.pool.network.vlan !== other.pool.network.vlan) continue;
      if (!overlaps(pool.cidr, other.cidr)) continue;
      const report = createReport(pool.loaded);
      const larger = containsRange(pool.cidr, other.cidr) ? "contains" : "lies in";
      const message = `The network ${formatCidr(pool.cidr)} ${larger} that of pool \`${other.pool.name}\` (${formatCidr(other.cidr)}) on the same VLAN, so two Instances could get one address.`;
      report.warning(
        "shared-network",
        ["spec", "network", "cidr"],
        message,
        "Use separate ranges or VLANs, unless the pools are not connected.",
      );
      problems.push(...report.problems);
    }
  }
  return problems;
}

/** Sets that a Set names and that do not exist. */
export function checkNeighbours(set: LoadedSet, known: ReadonlySet<string>): readonly ManifestProblem[] {
  const { apart = [], near = [] } = set.manifest.spec.placement ?? {};
  if (apart.every((rule) => known.has(rule.set)) && near.every((name) => known.has(name))) return [];
  const report = createReport(set);
  checkSetNames(
    apart.map((rule) => rule.set),
    ["spec", "placement", "apart"],
    known,
    report,
  );
  checkSetNames(near, ["spec", "placement", "near"], known, report);
  return report.problems;
}
