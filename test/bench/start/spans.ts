import { request } from "node:http";
import { DatabaseSync } from "node:sqlite";

/** What happened to a slot, and when; milliseconds since 1970. */
interface Moment {
  readonly slot: string;
  readonly what: string;
  readonly atMs: number;
}

/** One stage of bringing Instances up; milliseconds. */
export interface Span {
  readonly stage: string;
  readonly medianMs: number;
  readonly p90Ms: number;
  readonly longestMs: number;
}

/** Beginning and end of each stage, in order. */
const STAGES: readonly (readonly [stage: string, from: string, to: string])[] = [
  ["decide", "committed", "planned"],
  ["queue", "planned", "started attachPort"],
  ["attach", "started attachPort", "ended attachPort"],
  ["wait for the start step", "ended attachPort", "started startInstance"],
  ["turn, create infra", "started startInstance", "create infra"],
  ["create app", "create infra", "create app"],
  ["start infra", "create app", "start infra"],
  ["start app", "start infra", "start app"],
  ["seen and reported", "start app", "ended startInstance"],
  ["wait for the health step", "ended startInstance", "started awaitHealthy"],
  ["healthy", "started awaitHealthy", "ended awaitHealthy"],
];

/** Hears what an engine does to the containers of Setpoint until it is closed. */
export interface EngineRecorder {
  readonly moments: readonly Moment[];
  close(): void;
}

export function recordEngine(socketPath: string): EngineRecorder {
  const moments: Moment[] = [];
  const filters = encodeURIComponent(JSON.stringify({ type: ["container"], event: ["create", "start"] }));
  let rest = "";
  const asked = request({ socketPath, path: `/events?filters=${filters}` }, (answer) => {
    answer.on("data", (chunk: Buffer) => {
      const lines = `${rest}${chunk.toString()}`.split("\n");
      rest = lines.pop()!;
      moments.push(...lines.filter((line) => line.trim() !== "").flatMap(momentOf));
    });
    answer.on("error", () => undefined);
  });
  asked.on("error", () => undefined);
  asked.end();
  return { moments, close: () => void asked.destroy() };
}

function momentOf(line: string): Moment[] {
  const event = JSON.parse(line) as { Action: string; timeNano: number; Actor: { Attributes: Readonly<Record<string, string>> } };
  const labels = event.Actor.Attributes;
  if (labels["setpoint.set"] === undefined) return [];
  const slot = `${labels["setpoint.set"]}/${labels["setpoint.index"]}`;
  return [{ slot, what: `${event.Action} ${labels["setpoint.role"]}`, atMs: event.timeNano / 1e6 }];
}

/** The stages of all Instances that were started for a commit made then, from the reconciler's journal and the engine's own events. */
export function readSpans(journal: string, engine: readonly Moment[], committedAtMs: number): readonly Span[] {
  const moments = [...engine, ...readJournal(journal, committedAtMs)].filter(({ atMs }) => atMs >= committedAtMs);
  const plannedAtMs = Math.min(...moments.filter(({ what }) => what === "planned").map(({ atMs }) => atMs));
  const slots = Map.groupBy(moments, ({ slot }) => slot);
  const samples = [...slots].filter(([slot]) => slot !== "").map(([, own]) => timesOf(own, committedAtMs, plannedAtMs));
  return STAGES.flatMap(([stage, from, to]) => {
    const lengths = samples.map((times) => (times.get(to) ?? NaN) - (times.get(from) ?? NaN)).filter((ms) => !Number.isNaN(ms));
    lengths.sort((a, b) => a - b);
    if (lengths.length === 0) return [];
    const at = (share: number): number => lengths[Math.min(lengths.length - 1, Math.floor(lengths.length * share))]!;
    return [{ stage, medianMs: at(0.5), p90Ms: at(0.9), longestMs: at(1) }];
  });
}

/** The first time of each thing that happened to one slot. */
function timesOf(moments: readonly Moment[], committedAtMs: number, plannedAtMs: number): ReadonlyMap<string, number> {
  const times = new Map([
    ["committed", committedAtMs],
    ["planned", plannedAtMs],
  ]);
  for (const { what, atMs } of moments) times.set(what, Math.min(atMs, times.get(what) ?? Infinity));
  return times;
}

/** How many steps failed since then, by code. */
export function readFailures(journal: string, sinceMs: number): ReadonlyMap<string, number> {
  const codes = new Map<string, number>();
  for (const { body } of readEvents(journal, "action.ended", sinceMs)) {
    const { outcome, code, message } = JSON.parse(body) as { outcome: string; code: string; message: string };
    if (outcome === "done") continue;
    const text = `${code}: ${message.replaceAll(/\d+/g, "N")}`;
    codes.set(text, (codes.get(text) ?? 0) + 1);
  }
  return codes;
}

function readJournal(journal: string, sinceMs: number): Moment[] {
  const started = readEvents(journal, "action.started", sinceMs).map(({ atMs, body }) => {
    const { id, kind, set, index } = JSON.parse(body) as { id: string; kind: string; set: string; index: number };
    return { id, kind, slot: `${set}/${index}`, atMs };
  });
  const byId = new Map(started.map((step) => [step.id, step]));
  const ended = readEvents(journal, "action.ended", sinceMs).flatMap(({ atMs, body }) => {
    const step = byId.get((JSON.parse(body) as { id: string }).id);
    return step === undefined ? [] : [{ slot: step.slot, what: `ended ${step.kind}`, atMs }];
  });
  const planned = readEvents(journal, "plan.started", sinceMs).map(({ atMs }) => ({ slot: "", what: "planned", atMs }));
  return [...planned, ...started.map(({ slot, kind, atMs }) => ({ slot, what: `started ${kind}`, atMs })), ...ended];
}

function readEvents(journal: string, type: string, sinceMs: number): { readonly atMs: number; readonly body: string }[] {
  const database = new DatabaseSync(journal, { readOnly: true });
  try {
    const rows = database.prepare("SELECT at_ms, body FROM events WHERE type = ? AND at_ms >= ? ORDER BY sequence").all(type, sinceMs);
    return rows.map((row) => ({ atMs: Number(row["at_ms"]), body: String(row["body"]) }));
  } finally {
    database.close();
  }
}

/** A table for people; seconds. */
export function formatSpans(spans: readonly Span[]): string {
  const row = (stage: string, ...figures: readonly string[]): string => stage.padEnd(28) + figures.map((it) => it.padStart(10)).join("");
  const seconds = (ms: number): string => (ms / 1000).toFixed(3);
  const rows = spans.map(({ stage, medianMs, p90Ms, longestMs }) => row(stage, ...[medianMs, p90Ms, longestMs].map(seconds)));
  return [row("per-stage spans", "median", "90 %", "longest"), ...rows].join("\n");
}
