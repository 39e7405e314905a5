import { LineCounter } from "yaml";
import type { SourcePosition } from "../../core/desired.ts";
import { printable } from "../../core/problems.ts";

const MAX_SHOWN_COLUMNS = 100;

/** The text of one file and where its lines start. */
export interface SourceText {
  readonly file: string;
  readonly text: string;
  /** Filled while the text is parsed. */
  readonly lines: LineCounter;
}

export function createSourceText(file: string, text: string): SourceText {
  return { file, text, lines: new LineCounter() };
}

/** Line and column of a character offset; offsets outside the text are moved to its nearest end. */
export function positionAt(source: SourceText, offset: number): SourcePosition {
  const { line, col } = source.lines.linePos(Math.max(0, Math.min(offset, source.text.length)));
  return { file: source.file, line: Math.max(1, line), column: Math.max(1, col) };
}

/** The line before a position, its line, and a caret below its column; long lines are cut around the caret. */
export function codeFrame(source: SourceText, position: SourcePosition): string {
  const width = String(position.line).length;
  const start = position.column <= MAX_SHOWN_COLUMNS ? 0 : position.column - 1 - MAX_SHOWN_COLUMNS / 2;
  const shown = [position.line - 1, position.line]
    .filter((line) => line === position.line || (line >= 1 && start === 0))
    .map((line) => `  ${String(line).padStart(width)} | ${lineText(source, line).slice(start, start + MAX_SHOWN_COLUMNS)}`);
  const caret = `  ${" ".repeat(width)} | ${" ".repeat(position.column - 1 - start)}^`;
  return [...shown, caret].map((line) => line.trimEnd()).join("\n");
}

/** One line, from 1, with anything a terminal could act on replaced. */
function lineText(source: SourceText, line: number): string {
  const start = source.lines.lineStarts[line - 1] ?? source.text.length;
  const end = source.text.indexOf("\n", start);
  return printable(source.text.slice(start, end === -1 ? undefined : end).replace(/\r$/, ""));
}
