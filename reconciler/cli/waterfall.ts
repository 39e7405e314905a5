import type { TaskTrace, TraceSpan } from "../api/types.ts";
import { roughDuration } from "./columns.ts";
import { shorten, textWidth } from "./table.ts";

/** The steps of a Task, one line each, with a bar where on the Task's time line each lies. */
export function waterfall(trace: TaskTrace, nowMs: number, columns: number): string[] {
  const { task, spans } = trace;
  if (spans.length === 0) return ["  no steps yet"];
  const beginMs = Math.min(task.openedAtMs, ...spans.map((span) => span.startedAtMs));
  const endMs = Math.max(beginMs + 1, ...spans.map((span) => span.endedAtMs ?? nowMs));
  const rows = spans.map((span) => [span.slot, span.host, span.kind, roughDuration((span.endedAtMs ?? nowMs) - span.startedAtMs)]);
  const widths = [0, 1, 2, 3].map((column) => Math.max(...rows.map((row) => textWidth(row[column]!))));
  const left = widths.reduce((sum, width) => sum + width + 2, 2);
  const barWidth = Math.max(10, Math.min(60, columns - left - 1));
  return spans.map((span, index) => {
    const cells = rows[index]!.map((cell, column) => (column === 3 ? cell.padStart(widths[column]!) : cell.padEnd(widths[column]!)));
    const line = `  ${cells.join("  ")}  ${bar(span, beginMs, endMs, nowMs, barWidth)}${trouble(span)}`;
    return shorten(line.trimEnd(), Number.isFinite(columns) ? columns : Infinity);
  });
}

/** At least one mark, however short the step was. */
function bar(span: TraceSpan, beginMs: number, endMs: number, nowMs: number, width: number): string {
  const scale = width / (endMs - beginMs);
  const from = Math.min(width - 1, Math.floor((span.startedAtMs - beginMs) * scale));
  const to = Math.max(from + 1, Math.round(((span.endedAtMs ?? nowMs) - beginMs) * scale));
  const mark = span.outcome === "done" ? "█" : span.outcome === null ? "▒" : "░";
  return " ".repeat(from) + mark.repeat(Math.min(width, to) - from);
}

function trouble(span: TraceSpan): string {
  if (span.outcome === "done") return "";
  return span.outcome === null ? "  under way" : `  ${span.outcome}: ${span.message}`;
}
