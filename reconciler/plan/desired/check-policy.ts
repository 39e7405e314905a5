import type * as written from "../../core/manifest-types.ts";
import type { ManifestProblem } from "../../core/manifests.ts";
import { compareText, sortedUnique } from "../../core/order.ts";
import { formatDuration, parseDuration } from "../../core/units.ts";

import type { SetDraft } from "./hashes.ts";
import type { LoadedPolicy, LoadedSet } from "./policies.ts";
import { createReport, didYouMean, listed, positionText } from "./report.ts";
import type { Path, ProblemCode, Report } from "./report.ts";
import { isTimezone } from "./schedule.ts";

const MINUTE_MS = 60_000;
const LONGEST_WINDOW_MS = 7 * 24 * 60 * MINUTE_MS;
/** Every pair gets a rule: 200 Sets make 39,800. */
const MOST_APART_SETS = 200;

/** What is wrong with a policy by itself. */
export function checkPolicy(policy: LoadedPolicy): readonly ManifestProblem[] {
  const report = createReport(policy);
  const names = new Set<string>();
  for (const [index, schedule] of (policy.manifest.spec.scaling?.schedules ?? []).entries()) {
    const path = ["spec", "scaling", "schedules", index];
    if (names.has(schedule.name)) {
      const message = `Two schedules are named \`${schedule.name}\`; names are unique within a Policy.`;
      report.error("duplicate-schedule", [...path, "name"], message, "Rename one of them.");
    }
    names.add(schedule.name);
    checkSchedule(schedule, path, report);
  }
  return report.problems;
}

function checkSchedule({ name, timezone, duration, floor, ceiling }: written.Schedule, path: Path, report: Report): void {
  if (!isTimezone(timezone)) {
    const message = `\`${timezone}\` is not a time zone; allowed are the names of the IANA time zone database, such as Europe/Berlin or UTC.`;
    report.error("bad-timezone", [...path, "timezone"], message, "Correct the name.");
  }
  if (floor === undefined && ceiling === undefined) {
    report.error("bad-schedule", path, `Schedule \`${name}\` has neither floor nor ceiling, so it does nothing.`, "Add one of them.");
  } else if (floor !== undefined && ceiling !== undefined && floor > ceiling) {
    const message = `Schedule \`${name}\` has floor ${floor} above ceiling ${ceiling}; the floor must not be larger.`;
    report.error("bad-schedule", [...path, "floor"], message, "Lower the floor or raise the ceiling.");
  }
  const durationMs = parseDuration(duration);
  if (durationMs === null || durationMs % MINUTE_MS !== 0 || durationMs < MINUTE_MS || durationMs > LONGEST_WINDOW_MS) {
    const message = `Schedule \`${name}\` lasts \`${duration}\`; it must be whole minutes, from 1m to ${formatDuration(LONGEST_WINDOW_MS)}.`;
    report.error("bad-schedule", [...path, "duration"], message, "Correct the duration.");
  }
}

/** What is wrong between a policy and the Sets it names or selects. `sets` are those it selects. */
export function checkSelection(policy: LoadedPolicy, sets: readonly string[], known: ReadonlySet<string>): readonly ManifestProblem[] {
  const report = createReport(policy);
  const { metadata, spec } = policy.manifest;
  checkSetNames(spec.sets ?? [], ["spec", "sets"], known, report);
  checkSetNames(spec.placement?.near ?? [], ["spec", "placement", "near"], known, report);
  if (spec.selector !== undefined && sets.length === 0) {
    const labels = Object.entries(spec.selector.labels).map(([key, value]) => `${key}: ${value}`);
    const message = `Policy \`${metadata.name}\` selects nothing: no Set carries the labels ${listed(labels)}.`;
    report.error("selects-nothing", ["spec", "selector", "labels"], message, "Correct the labels, label a Set, or remove the Policy.");
  }
  if (spec.placement?.apart !== undefined) checkApartGroup(metadata.name, sets.length, report);
  return report.problems;
}

function checkApartGroup(policy: string, sets: number, report: Report): void {
  const path = ["spec", "placement", "apart"];
  if (sets > MOST_APART_SETS) {
    const message = `Policy \`${policy}\` keeps ${sets} Sets apart from each other; at most ${MOST_APART_SETS} are allowed.`;
    report.error("apart-too-many", path, message, "Select fewer Sets.");
  } else if (sets === 1) {
    const message = `Policy \`${policy}\` keeps Sets apart from each other but selects only one, so this rule does nothing.`;
    report.warning("selects-nothing", path, message, "Select at least two Sets; within one Set use placement.maxPerHost.");
  }
}

/** Every name must be a Set's. */
export function checkSetNames(names: readonly string[], path: Path, known: ReadonlySet<string>, report: Report): void {
  for (const [index, name] of names.entries()) {
    if (known.has(name)) continue;
    const allowed = sortedUnique(known);
    const message = `There is no Set \`${name}\`; Sets: ${listed(allowed)}.`;
    report.error("unknown-set", [...path, index], message, didYouMean(name, allowed, "Correct the name or remove it."));
  }
}

/** What is wrong between one Set and the scaling policies that select it. */
export function checkScaling(set: LoadedSet, policies: readonly LoadedPolicy[]): readonly ManifestProblem[] {
  const report = createReport(set);
  const { metadata, spec } = set.manifest;
  for (const policy of policies) {
    const schedules = policy.manifest.spec.scaling?.schedules;
    if (schedules === undefined) continue;
    const name = policy.manifest.metadata.name;
    if (spec.scaling === undefined) {
      const message = `Set \`${metadata.name}\` has a fixed number of replicas, but scaling Policy \`${name}\` (${positionText(policy.position)}) selects it; only one of them may decide the number.`;
      const hint = "Replace replicas with scaling: {min, max, initial}, or take the Set out of the Policy.";
      report.error("scaling-conflict", ["spec", "replicas"], message, hint);
      continue;
    }
    const { min, max } = spec.scaling;
    for (const { name: schedule, floor, ceiling } of schedules) {
      if (floor !== undefined && floor > max) {
        const message = `Set \`${metadata.name}\` never goes above max ${max}, so the floor ${floor} of schedule \`${name}/${schedule}\` is not reached.`;
        report.warning("schedule-out-of-bounds", ["spec", "scaling", "max"], message, "Raise max or lower the floor.");
      }
      if (ceiling !== undefined && ceiling < min) {
        const message = `Set \`${metadata.name}\` never goes below min ${min}, so the ceiling ${ceiling} of schedule \`${name}/${schedule}\` is not reached.`;
        report.warning("schedule-out-of-bounds", ["spec", "scaling", "min"], message, "Lower min or raise the ceiling.");
      }
    }
  }
  return report.problems;
}

/** Two sources that want different values of one key for the same Set. */
export interface Conflict {
  readonly kind: "env" | "labels" | "hostLabels";
  readonly key: string;
  readonly set: string;
  /** The policy it is reported at. */
  readonly policy: LoadedPolicy;
  /** The other one; null: the Set itself. */
  readonly other: LoadedPolicy | null;
}

/** Keys on which a Set's policies disagree. A Set's own env and labels settle the matter; host labels must all hold, so there nothing does. */
export function findConflicts(draft: SetDraft, policies: readonly LoadedPolicy[]): readonly Conflict[] {
  const { containers } = draft.template;
  const ownHostLabels = draft.placement.hostLabels;
  const conflicts: Conflict[] = [];
  for (const kind of ["env", "labels", "hostLabels"] as const) {
    const seen = new Map<string, { readonly value: string; readonly policy: LoadedPolicy | null }>();
    if (kind === "hostLabels") for (const [key, value] of Object.entries(ownHostLabels)) seen.set(key, { value, policy: null });
    for (const policy of policies) {
      for (const [key, value] of Object.entries(valuesOf(policy, kind))) {
        const settled = (kind === "env" && containers.every(({ env }) => key in env)) || (kind === "labels" && key in draft.labels);
        const first = seen.get(key);
        if (first === undefined) seen.set(key, { value, policy });
        else if (first.value !== value && !settled) conflicts.push({ kind, key, set: draft.name, policy, other: first.policy });
      }
    }
  }
  return conflicts;
}

function valuesOf({ manifest: { spec } }: LoadedPolicy, kind: Conflict["kind"]): Readonly<Record<string, string>> {
  if (kind === "hostLabels") return spec.placement?.hostLabels ?? {};
  if (kind === "labels") return spec.config?.labels ?? {};
  return Object.fromEntries(Object.entries(spec.config?.env ?? {}).map(([name, value]) => [name, textOf(value)]));
}

/** Tells two values apart, whichever way they are written. */
function textOf(value: written.EnvValue): string {
  return typeof value === "string" ? value : `${value.as ?? "value"} of ${value.secret}/${value.key}`;
}

const CONFLICTS: Readonly<
  Record<Conflict["kind"], { readonly code: ProblemCode; readonly what: string; readonly why: string; readonly hint: string }>
> = {
  env: {
    code: "config-conflict",
    what: "environment variable",
    why: "it can have one value",
    hint: "Set it in one Policy only, or in the Set itself, which wins.",
  },
  labels: {
    code: "config-conflict",
    what: "label",
    why: "it can have one value",
    hint: "Set it in one Policy only, or in the Set itself, which wins.",
  },
  hostLabels: {
    code: "host-label-conflict",
    what: "host label",
    why: "no host carries both",
    hint: "Ask for it in one place only.",
  },
};

/** One problem per pair and key, however many Sets it concerns. */
export function reportConflicts(conflicts: readonly Conflict[]): ManifestProblem[] {
  const problems: ManifestProblem[] = [];
  for (const group of Map.groupBy(conflicts, ({ kind, key, policy, other }) =>
    [kind, key, nameOf(policy), nameOf(other)].join(" "),
  ).values()) {
    const { kind, key, policy, other } = group[0]!;
    const { code, what, why, hint } = CONFLICTS[kind];
    const partner = other === null ? "the Set itself" : `Policy \`${nameOf(other)}\` (${positionText(other.position)})`;
    const report = createReport(policy);
    const message = `Policy \`${nameOf(policy)}\` and ${partner} disagree on ${what} \`${key}\` of ${listed(group.map(({ set }) => set).sort(compareText), 3)}; ${why}.`;
    report.error(code, ["spec", kind === "hostLabels" ? "placement" : "config", kind, key], message, hint);
    problems.push(...report.problems);
  }
  return problems;
}

function nameOf(policy: LoadedPolicy | null): string {
  return policy?.manifest.metadata.name ?? "";
}
