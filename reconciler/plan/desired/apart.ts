import type { ApartRule } from "../../core/desired.ts";
import { compareText } from "../../core/order.ts";

/** Strictest last: Sets that share no zone share no rack and no host. */
const STRICTNESS = ["host", "rack", "zone"] as const;

type Within = ApartRule["within"];

/** One rule per Set, the strictest; sorted by Set. */
export function canonicalApart(rules: readonly ApartRule[]): ApartRule[] {
  const strictest = new Map<string, Within>();
  for (const { set, within } of rules) strictest.set(set, stricter(strictest.get(set), within));
  return [...strictest].map(([set, within]) => ({ set, within })).sort((a, b) => compareText(a.set, b.set));
}

/** Sets that a policy keeps away from each other. */
export interface ApartGroup {
  readonly sets: readonly string[];
  readonly within: Within;
}

/**
 * Every Set's apart rules after all was said: its own, the other Sets' about it, and the groups'. Only Sets that have any.
 */
export function symmetricApart(
  own: readonly { readonly name: string; readonly apart: readonly ApartRule[] }[],
  groups: readonly ApartGroup[],
): Map<string, readonly ApartRule[]> {
  const rules = new Map<string, ApartRule[]>();
  function add(set: string, other: string, within: Within): void {
    const list = rules.get(set);
    if (list === undefined) rules.set(set, [{ set: other, within }]);
    else list.push({ set: other, within });
  }
  for (const { name, apart } of own) {
    for (const { set, within } of apart) {
      add(name, set, within);
      add(set, name, within);
    }
  }
  for (const { sets, within } of groups) {
    for (const set of sets) for (const other of sets) if (set !== other) add(set, other, within);
  }
  return new Map([...rules].map(([set, list]) => [set, canonicalApart(list)]));
}

export function sameApart(a: readonly ApartRule[], b: readonly ApartRule[]): boolean {
  return a === b || (a.length === b.length && a.every((rule, index) => rule.set === b[index]!.set && rule.within === b[index]!.within));
}

function stricter(a: Within | undefined, b: Within): Within {
  return a !== undefined && STRICTNESS.indexOf(a) > STRICTNESS.indexOf(b) ? a : b;
}
