import type { ScheduleRule } from "../../core/desired.ts";

const MINUTE_MS = 60_000;
const DAY_MS = 1440 * MINUTE_MS;
/** Longest wait for the next opening: a rule names at least one day of the week; one day more for time zones. */
const DAYS_AHEAD = 8;

/**
 * A window opens at the first moment of its day at which the local clock shows its start or later, and stays open for its
 * duration of real time. So it opens exactly once a day: in the hour that a clock change skips, at the end of the gap; in
 * the hour that comes twice, the first time. It always lasts as long as it says.
 */
export interface WindowState {
  readonly open: boolean;
  /** When some window of the rule next opens or closes. */
  readonly nextChangeMs: number;
}

/** Answers by rule: each holds until its nextChangeMs, so a pass over an unchanged fleet computes no calendar at all. */
const answers = new WeakMap<ScheduleRule, { readonly fromMs: number; readonly state: WindowState }>();

/** Whether one of the rule's windows holds at `nowMs`. A pure function of its arguments; it remembers its last answer per rule. */
export function windowState(rule: ScheduleRule, nowMs: number): WindowState {
  const known = answers.get(rule);
  if (known !== undefined && known.fromMs <= nowMs && nowMs < known.state.nextChangeMs) return known.state;
  const state = computeState(rule, nowMs);
  answers.set(rule, { fromMs: nowMs, state });
  return state;
}

function computeState(rule: ScheduleRule, nowMs: number): WindowState {
  const today = Math.floor((nowMs + zoneOffset(rule.timezone, nowMs)) / DAY_MS);
  const daysBack = Math.ceil(rule.durationMinutes / 1440) + 1;
  let open = false;
  let nextChangeMs = Number.POSITIVE_INFINITY;
  for (let day = today - daysBack; day <= today + DAYS_AHEAD; day++) {
    if (!rule.days.includes(weekday(day))) continue;
    const opensMs = firstMoment(rule.timezone, day * DAY_MS + rule.startMinute * MINUTE_MS);
    const closesMs = opensMs + rule.durationMinutes * MINUTE_MS;
    if (opensMs <= nowMs && nowMs < closesMs) open = true;
    if (closesMs > nowMs) nextChangeMs = Math.min(nextChangeMs, closesMs);
    if (opensMs > nowMs) return { open, nextChangeMs: Math.min(nextChangeMs, opensMs) };
  }
  return { open, nextChangeMs };
}

/** 0 = Sunday; days are counted from Thursday, 1 January 1970. */
function weekday(day: number): number {
  return (((day + 4) % 7) + 7) % 7;
}

/**
 * The first moment at which the zone's clock shows `localMs` (wall-clock time written as if it were UTC) or later, to the
 * minute. Looks at the offsets one day before and after, so it takes at most one clock change into account.
 */
function firstMoment(timezone: string, localMs: number): number {
  const before = zoneOffset(timezone, localMs - DAY_MS);
  const after = zoneOffset(timezone, localMs + DAY_MS);
  let early = localMs - Math.max(before, after);
  if (before === after || early + zoneOffset(timezone, early) >= localMs) return early;
  let late = localMs - Math.min(before, after);
  while (late - early > MINUTE_MS) {
    const middle = early + Math.floor((late - early) / (2 * MINUTE_MS)) * MINUTE_MS;
    if (middle + zoneOffset(timezone, middle) >= localMs) late = middle;
    else early = middle;
  }
  return late;
}

const formatters = new Map<string, Intl.DateTimeFormat>();

/** The zone's offset from UTC at a moment, in milliseconds; east is positive. Throws a RangeError for a zone that Intl does not know. */
function zoneOffset(timezone: string, atMs: number): number {
  let formatter = formatters.get(timezone);
  if (formatter === undefined) {
    formatter = new Intl.DateTimeFormat("en-US", {
      timeZone: timezone,
      hourCycle: "h23",
      year: "numeric",
      month: "numeric",
      day: "numeric",
      hour: "numeric",
      minute: "numeric",
      second: "numeric",
    });
    formatters.set(timezone, formatter);
  }
  const parts: Record<string, number> = {};
  for (const { type, value } of formatter.formatToParts(atMs)) parts[type] = Number(value);
  const local = Date.UTC(parts["year"]!, parts["month"]! - 1, parts["day"], parts["hour"], parts["minute"], parts["second"]);
  return local - Math.floor(atMs / 1000) * 1000;
}

/** Whether Intl knows the zone. */
export function isTimezone(name: string): boolean {
  try {
    zoneOffset(name, 0);
    return true;
  } catch (error) {
    if (error instanceof RangeError) return false;
    throw error;
  }
}
