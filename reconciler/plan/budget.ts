import { shortHash } from "../core/hash.ts";
import { slotKey } from "../core/ids.ts";
import { compareSlots, compareText } from "../core/order.ts";
import type { ConfirmedDestroys, HeldDestroys } from "../core/plan.ts";
import type { HostStatus } from "./fleet/host-status.ts";

/** One destroy a pass would like to do: an Instance nobody wants any more, or data that goes to the trash. */
export interface Destroy {
  readonly set: string;
  readonly index: number;
  readonly generation: number;
  readonly host: HostStatus;
}

/**
 * Destroys over budget (docs/SAFETY.md 7). The budget of a pool and zone is the smaller of `count` and `percent` of the slots living
 * there, never below one. Where any zone of a pool is over, all destroys of that pool are held under one hash: what a person
 * confirms is the whole list, and it does not change while the rest of the plan is carried out.
 */
export function weighDestroys(
  destroys: readonly Destroy[],
  liveSlots: (pool: string, zone: string) => number,
  confirmed: ReadonlyMap<string, number>,
): { readonly held: readonly HeldDestroys[]; readonly confirmed: readonly ConfirmedDestroys[] } {
  const held: HeldDestroys[] = [];
  const agreed: ConfirmedDestroys[] = [];
  for (const [pool, inPool] of groupedBy(destroys, ({ host }) => host.pool?.name ?? "")) {
    if (pool === "") continue;
    const slots = [...inPool].sort(compareSlots).map(({ set, index, generation }) => `${slotKey(set, index)}@${generation}`);
    const hash = destroysHash(pool, slots);
    if (confirmed.has(hash)) {
      agreed.push({ pool, slots });
      continue;
    }
    for (const [zone, inZone] of groupedBy(inPool, ({ host }) => host.desired?.zone ?? "")) {
      const budget = budgetOf(inZone[0]!.host, liveSlots(pool, zone));
      if (inZone.length > budget) held.push({ pool, zone, destroys: inZone.length, budget, hash });
    }
  }
  return { held: held.sort((a, b) => compareText(a.pool, b.pool) || compareText(a.zone, b.zone)), confirmed: agreed };
}

function budgetOf(host: HostStatus, live: number): number {
  const budget = host.pool?.budget ?? { percent: 0, count: 1 };
  return Math.max(1, Math.min(budget.count, Math.floor((live * budget.percent) / 100)));
}

/** Over the pool and its slots as `web/3@2`, not the commit: the same loss needs only one confirmation. */
export function destroysHash(pool: string, slots: readonly string[]): string {
  return shortHash([pool, slots]);
}

function groupedBy<Item>(items: readonly Item[], key: (item: Item) => string): [string, Item[]][] {
  const groups = new Map<string, Item[]>();
  for (const item of items) {
    const group = groups.get(key(item));
    if (group === undefined) groups.set(key(item), [item]);
    else group.push(item);
  }
  return [...groups].sort(([a], [b]) => compareText(a, b));
}
