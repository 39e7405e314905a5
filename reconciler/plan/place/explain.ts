import type { DesiredSet } from "../../core/desired.ts";
import { type Filter, FILTERS, poolFilter } from "./filters.ts";
import type { HostIndex } from "./host-index.ts";
import { closeQuery, openQuery, type Query } from "./query.ts";
import { SCORERS, totalScore } from "./scores.ts";

/** Why no host of a Set's pools takes a slot: each host is counted once, at the first filter it fails. */
export interface RejectionCounts {
  /** Hosts in the Set's pools. */
  readonly hosts: number;
  /** Hosts that pass every filter. */
  readonly fit: number;
  /** Most hosts first. */
  readonly rejections: readonly Rejection[];
  /** All in one sentence: `of 20 hosts: 12 lack memory (need 4Gi, most free 2Gi on a-003), 7 in other zones, 1 cordoned`. */
  readonly text: string;
}

export interface Rejection {
  readonly filter: string;
  readonly hosts: number;
  readonly text: string;
}

/** Why one host would do for the Set, or would not. */
export interface HostExplanation {
  readonly host: string;
  readonly fits: boolean;
  /** One per filter it fails, e.g. `lacks memory (need 4Gi, most free 2Gi on a-003)`. */
  readonly rejections: readonly string[];
  /** Each 0..100; the total is the sum of score times weight, less what evenness over zones takes off. */
  readonly scores: readonly { readonly name: string; readonly score: number; readonly weight: number }[];
  readonly total: number;
  readonly text: string;
}

/** The sentence for a slot of the Set that may not go to the hosts of `avoid`. */
export function explainPlacement(index: HostIndex, set: DesiredSet, avoid: readonly string[]): string {
  const query = openQuery(index, set);
  query.excluded = new Set(avoid.flatMap((host) => index.positions.get(host) ?? []));
  const { text } = countRejections(query);
  closeQuery(query);
  return text;
}

/** null for a host that the index does not have. */
export function explainHost(index: HostIndex, set: DesiredSet, host: string): HostExplanation | null {
  const position = index.positions.get(host);
  if (position === undefined) return null;
  const query = openQuery(index, set);
  const failed = FILTERS.filter((filter) => !filter.check(query, position));
  const rejections = failed.map((filter) => filter.explain(query, [position]).replace(/^1 /, ""));
  const scores = SCORERS.map((scorer) => ({ name: scorer.name, weight: scorer.weight, score: scorer.score(query, position) }));
  const total = totalScore(query, position);
  closeQuery(query);
  const parts = scores.map(({ name, score, weight }) => `${name} ${score}×${weight}`).join(" + ");
  const text = failed.length === 0 ? `fits, score ${total} (${parts})` : rejections.join(", ");
  return { host, fits: failed.length === 0, rejections, scores, total, text };
}

/** Asks every host of the Set's pools. */
export function countRejections(query: Query): RejectionCounts {
  const { index } = query;
  const rejected = new Map<Filter, number[]>();
  let hosts = 0;
  let fit = 0;
  for (const position of index.positions.values()) {
    if (!poolFilter.check(query, position)) continue;
    hosts++;
    const filter = FILTERS.find((filter) => !filter.check(query, position));
    if (filter === undefined) {
      fit++;
      continue;
    }
    const positions = rejected.get(filter);
    if (positions === undefined) rejected.set(filter, [position]);
    else positions.push(position);
  }
  const rejections = FILTERS.flatMap((filter) => {
    const positions = rejected.get(filter);
    return positions === undefined ? [] : [{ filter: filter.name, hosts: positions.length, text: filter.explain(query, positions) }];
  }).sort((a, b) => b.hosts - a.hosts);
  return { hosts, fit, rejections, text: rejectionText(query, hosts, fit, rejections) };
}

function rejectionText(query: Query, hosts: number, fit: number, rejections: readonly Rejection[]): string {
  if (hosts === 0) return `no host in pool ${query.set.pools.join(", ")}`;
  const parts = rejections.map((rejection) => rejection.text);
  if (fit > 0) parts.unshift(fit === 1 ? "1 fits" : `${fit} fit`);
  return `of ${hosts} ${hosts === 1 ? "host" : "hosts"}: ${parts.join(", ")}`;
}
