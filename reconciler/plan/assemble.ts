import { hash } from "node:crypto";
import type { EventBody } from "../core/events.ts";
import { compareInstances, compareText } from "../core/order.ts";
import type { Action, Change, ConfirmedDestroys, HeldDestroys, Plan, PlanInput, Problem } from "../core/plan.ts";
import { formatDuration, formatPercent } from "../core/units.ts";
import type { HostTable } from "./fleet/host-table.ts";
import { DEFAULT_FAILURE, engineText, nextReachInMs, type HostStatus } from "./fleet/host-status.ts";
import type { HostIndex } from "./place/host-index.ts";
import type { StepList } from "./steps/step-list.ts";

/** What a pass made of one Set. */
export interface SetResult {
  readonly name: string;
  readonly changes: readonly Change[];
  readonly events: readonly EventBody[];
  readonly problems: readonly Problem[];
  /** Wall clock; null: nothing to wait for. */
  readonly wakeAtMs: number | null;
  /** Slots, where all are kept as they are; 0 otherwise. */
  readonly unchanged: number;
}

/** What all Sets of the fleet come to, those of earlier passes too. */
export interface SetTotals {
  readonly unchanged: number;
  readonly problems: readonly Problem[];
  /** Wall clock; in no order. */
  readonly wakesAtMs: readonly number[];
}

/** Puts the Plan together from its parts; everything sorted, so equal decisions read equal. */
export function assemble(parts: {
  readonly input: PlanInput;
  readonly hosts: HostTable;
  readonly index: HostIndex;
  readonly steps: StepList;
  readonly held: readonly HeldDestroys[];
  readonly confirmed: readonly ConfirmedDestroys[];
  readonly purgeInMs: number | null;
  readonly wishEvents: readonly EventBody[];
  readonly wishProblems: readonly Problem[];
  /** Of the Sets that this pass worked on. */
  readonly fresh: readonly SetResult[];
  readonly totals: SetTotals;
}): Plan {
  const { input, hosts, steps, held, fresh, totals } = parts;
  const changes = fresh.flatMap((result) => (result.unchanged > 0 ? [] : result.changes)).sort(compareInstances);
  const problems = [...fleetProblems(input, hosts, parts.index, held), ...parts.wishProblems, ...totals.problems];
  return {
    hash: planHash(changes, steps.actions),
    commit: input.desired.revision.commit,
    changes,
    unchanged: totals.unchanged,
    actions: steps.actions,
    intents: [...parts.wishEvents, ...fresh.flatMap((result) => result.events)],
    problems: problems.sort((a, b) => compareText(a.subject, b.subject) || compareText(a.code, b.code)),
    held,
    confirmed: parts.confirmed,
    wakeAtMs: wakeAt(input, hosts, parts.purgeInMs, totals),
  };
}

/** Over what will be done where, without reasons, ids of Tasks or times; as one text, since a cold plan has 100,000 lines of it. */
function planHash(changes: readonly Change[], actions: readonly Action[]): string {
  const lines: string[] = [];
  for (const { set, index, kind, host, generation, what } of changes) {
    if (kind !== "keep") lines.push(`${kind} ${set}/${index}@${generation} ${host ?? "-"} ${what}`);
  }
  for (const { kind, host, set, index, generation, input } of actions) lines.push(`${kind} ${host} ${set}/${index}@${generation} ${input}`);
  return hash("sha256", lines.join("\n"), "hex").slice(0, 16);
}

/** What concerns whole hosts and pools. */
function fleetProblems(input: PlanInput, hosts: HostTable, index: HostIndex, held: readonly HeldDestroys[]): Problem[] {
  const problems: Problem[] = [];
  if (input.destroysFrozen !== null) problems.push({ code: "frozen", severity: "warning", subject: "source", text: input.destroysFrozen });
  for (const [pool, { silent, hosts: all }] of hosts.braked) {
    const text = `${silent} of ${all} hosts are silent at once: nothing is moved or removed until they are heard or confirmed dead`;
    problems.push({ code: "brake", severity: "error", subject: `pool/${pool}`, text });
  }
  for (const { pool, zone, destroys, budget, hash } of held) {
    const text = `${destroys} destroys are over the budget of ${budget}: held until 'setpoint confirm ${hash}'`;
    problems.push({ code: "over-budget", severity: "error", subject: `zone/${pool}/${zone}`, text });
  }
  for (const name of hosts.silent) {
    const host = hosts.statuses.get(name)!;
    if (host.reach !== "lost" && host.reach !== "suspect") continue;
    const severity = host.reach === "lost" ? "error" : "warning";
    problems.push({ code: `host-${host.reach}`, severity, subject: `host/${host.name}`, text: silentText(host) });
  }
  for (const name of hosts.engineless) {
    const text = `${engineText(hosts.statuses.get(name)!)}; see there: setpoint agent check`;
    problems.push({ code: "host-engine", severity: "error", subject: `host/${name}`, text });
  }
  for (const name of hosts.troubledStorage) {
    const text = `storage of ${name}: ${hosts.statuses.get(name)!.observation!.storageProblem}`;
    problems.push({ code: "host-storage", severity: "error", subject: `host/${name}`, text });
  }
  return [...problems, ...watermarkProblems(input, index)];
}

/** What the silence of a host means, without the time it has lasted: the same state gives the same plan. */
function silentText({ name, reach, pool }: HostStatus): string {
  const { suspectAfterMs, lostAfterMs } = pool?.failure ?? DEFAULT_FAILURE;
  return reach === "lost"
    ? `lost: silent for more than ${formatDuration(lostAfterMs)}; see: setpoint explain host/${name}`
    : `silent for more than ${formatDuration(suspectAfterMs)}; counts as lost after ${formatDuration(lostAfterMs)}`;
}

/** Pools whose reserved cpu or memory is over the watermark. */
function watermarkProblems(input: PlanInput, index: HostIndex): Problem[] {
  const problems: Problem[] = [];
  for (const resource of ["cpuMillis", "memoryBytes"] as const) {
    for (const [name, used] of usedShares(index, resource)) {
      const pool = input.desired.pools.get(name);
      if (pool === undefined || used <= pool.watermark) continue;
      const word = resource === "cpuMillis" ? "cpu" : "memory";
      const text = `${formatPercent(Math.round(used * 100) / 100)} of ${word} is reserved, over the watermark of ${formatPercent(pool.watermark)}`;
      problems.push({ code: "watermark", severity: "warning", subject: `pool/${name}`, text });
    }
  }
  return problems;
}

/** Reserved share of a resource, by pool. */
function usedShares(index: HostIndex, resource: "cpuMillis" | "memoryBytes"): Map<string, number> {
  const capacity = new Float64Array(index.pools.length);
  const free = new Float64Array(index.pools.length);
  for (let position = 0; position < index.hosts.length; position++) {
    const pool = index.pool[position]!;
    if (pool < 0) continue;
    capacity[pool]! += index.capacity[resource][position]!;
    free[pool]! += index.free[resource][position]!;
  }
  return new Map(index.pools.map((name, id) => [name, capacity[id] === 0 ? 0 : (capacity[id]! - free[id]!) / capacity[id]!]));
}

/** The earliest moment at which time alone changes what a pass decides. */
function wakeAt(input: PlanInput, hosts: HostTable, purgeInMs: number | null, totals: SetTotals): number | null {
  const moments = [...totals.wakesAtMs];
  if (purgeInMs !== null) moments.push(input.nowMs + purgeInMs);
  for (const name of hosts.silent) {
    const inMs = nextReachInMs(hosts.statuses.get(name)!);
    if (inMs !== null) moments.push(input.nowMs + inMs);
  }
  for (const hold of input.memory.holds.values()) {
    if (hold.untilMs !== null && hold.untilMs > input.nowMs) moments.push(hold.untilMs);
  }
  return moments.length === 0 ? null : moments.reduce((a, b) => Math.min(a, b));
}
