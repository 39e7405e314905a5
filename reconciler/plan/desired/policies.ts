import type { ApartRule, ScheduleRule } from "../../core/desired.ts";
import type * as written from "../../core/manifest-types.ts";
import type { Loaded } from "../../core/manifests.ts";
import { compareNumbers, sortedBy, sortedRecord, sortedUnique } from "../../core/order.ts";
import { parseDuration, parseTimeOfDay } from "../../core/units.ts";
import { canonicalApart } from "./apart.ts";
import type { SetDraft } from "./hashes.ts";
import { readEnv } from "./template.ts";

export type LoadedPolicy = Loaded<written.Policy>;
export type LoadedSet = Loaded<written.Set>;

const DAYS = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"] as const;

/** Which policies select a Set. One index per list of policies; the same Set always gets the same array back. */
export interface PolicyIndex {
  /** Sorted by policy name. A selector looks at the labels in the Set's own manifest. */
  select(set: LoadedSet): readonly LoadedPolicy[];
}

export function createPolicyIndex(policies: readonly LoadedPolicy[]): PolicyIndex {
  const bySetName = new Map<string, LoadedPolicy[]>();
  const byFirstLabel = new Map<string, LoadedPolicy[]>();
  for (const policy of sortedBy(policies, ({ manifest }) => manifest.metadata.name)) {
    const { sets, selector } = policy.manifest.spec;
    for (const set of sets ?? []) append(bySetName, set, policy);
    const first = Object.entries(selector?.labels ?? {})[0];
    if (first !== undefined) append(byFirstLabel, labelKey(...first), policy);
  }
  const selected = new WeakMap<LoadedSet, readonly LoadedPolicy[]>();
  return {
    select(set) {
      let policies = selected.get(set);
      if (policies === undefined) {
        policies = selectFor(set, bySetName, byFirstLabel);
        selected.set(set, policies);
      }
      return policies;
    },
  };
}

/** Shared, so that the many Sets without a policy compare equal by identity. */
const NO_POLICIES: readonly LoadedPolicy[] = [];

function selectFor(
  { manifest }: LoadedSet,
  bySetName: ReadonlyMap<string, readonly LoadedPolicy[]>,
  byFirstLabel: ReadonlyMap<string, readonly LoadedPolicy[]>,
): readonly LoadedPolicy[] {
  const { name, labels = {} } = manifest.metadata;
  const found = [...(bySetName.get(name) ?? [])];
  for (const [key, value] of Object.entries(labels)) {
    for (const policy of byFirstLabel.get(labelKey(key, value)) ?? []) if (matches(policy, labels)) found.push(policy);
  }
  return found.length === 0 ? NO_POLICIES : sortedBy(found, ({ manifest }) => manifest.metadata.name);
}

function matches(policy: LoadedPolicy, labels: Readonly<Record<string, string>>): boolean {
  return Object.entries(policy.manifest.spec.selector?.labels ?? {}).every(([key, value]) => labels[key] === value);
}

function labelKey(key: string, value: string): string {
  return `${key}=${value}`;
}

function append<Item>(map: Map<string, Item[]>, key: string, item: Item): void {
  const list = map.get(key);
  if (list === undefined) map.set(key, [item]);
  else list.push(item);
}

/** The Set with what its policies add. `apart` is the symmetric list for this Set; conflicts are check-policies'. */
export function applyPolicies(draft: SetDraft, policies: readonly LoadedPolicy[], apart: readonly ApartRule[]): SetDraft {
  if (policies.length === 0 && apart.length === 0) return draft;
  const specs = policies.map(({ manifest }) => manifest.spec);
  const env = readEnv(Object.assign({}, ...specs.map(({ config }) => config?.env)) as written.Env);
  const labels = Object.assign({}, ...specs.map(({ config }) => config?.labels), draft.labels) as Record<string, string>;
  const schedules = sortedBy(policies.flatMap(schedulesOf), ({ name }) => name);
  const containers = draft.template.containers.map((container) => ({ ...container, env: sortedRecord({ ...env, ...container.env }) }));
  return {
    ...draft,
    labels: sortedRecord(labels),
    count: draft.count.kind === "elastic" ? { ...draft.count, schedules } : draft.count,
    template: { ...draft.template, containers },
    placement: mergePlacement(draft, specs, apart),
  };
}

/** The stricter of everything said. */
function mergePlacement(
  { name, placement }: SetDraft,
  specs: readonly written.Policy["spec"][],
  apart: readonly ApartRule[],
): SetDraft["placement"] {
  const rules = specs.flatMap((spec) => spec.placement ?? []);
  const maxCore = rules.flatMap(({ maxCorePerHost }) => maxCorePerHost ?? []);
  return {
    ...placement,
    zonesMin: Math.max(placement.zonesMin, ...rules.map(({ zones }) => zones?.min ?? 1)),
    zonesSurvive: Math.max(placement.zonesSurvive, ...rules.map(({ zones }) => zones?.survive ?? 0)),
    hostLabels: sortedRecord(
      Object.assign({}, ...rules.map(({ hostLabels }) => hostLabels), placement.hostLabels) as Record<string, string>,
    ),
    near: sortedUnique([...placement.near, ...rules.flatMap(({ near }) => near ?? [])]).filter((set) => set !== name),
    apart: canonicalApart(apart),
    maxCorePerHost: maxCore.length === 0 ? null : Math.min(...maxCore),
  };
}

/** One list per policy, so that all its Sets share the rules and what schedule.ts remembers about them. */
const schedules = new WeakMap<LoadedPolicy, readonly ScheduleRule[]>();

function schedulesOf(policy: LoadedPolicy): readonly ScheduleRule[] {
  let rules = schedules.get(policy);
  if (rules === undefined) {
    rules = (policy.manifest.spec.scaling?.schedules ?? []).map((schedule) => readSchedule(policy.manifest.metadata.name, schedule));
    schedules.set(policy, rules);
  }
  return rules;
}

/** A window that can't be read is check-policy's to report. */
function readSchedule(policy: string, schedule: written.Schedule): ScheduleRule {
  return {
    name: `${policy}/${schedule.name}`,
    timezone: schedule.timezone,
    startMinute: parseTimeOfDay(schedule.start) ?? 0,
    durationMinutes: Math.floor((parseDuration(schedule.duration) ?? 0) / 60_000),
    days: schedule.days === undefined ? [0, 1, 2, 3, 4, 5, 6] : schedule.days.map((day) => DAYS.indexOf(day)).sort(compareNumbers),
    floor: schedule.floor ?? null,
    ceiling: schedule.ceiling ?? null,
  };
}
