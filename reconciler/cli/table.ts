import { paint, type Channel } from "./terminal.ts";

/** One column of a table over rows of one kind. */
export interface Column<Row> {
  readonly title: string;
  readonly cell: (row: Row) => string;
  /** Shown only by `-o wide`. */
  readonly wide?: true;
  readonly right?: true;
  /** Never shortened: names people copy. */
  readonly whole?: true;
}

export type TableFormat = "text" | "wide" | "json" | "yaml";

/** Rows as a table that fits the terminal, or whole as JSON or YAML. */
export async function printRows<Row>(
  channel: Channel,
  rows: readonly Row[],
  columns: readonly Column<Row>[],
  format: TableFormat,
): Promise<void> {
  if (format === "json" || format === "yaml") return await printValue(channel, rows, format);
  const shown = columns.filter((column) => format === "wide" || column.wide !== true);
  const lines = tableLines(rows, shown, format === "wide" ? Infinity : channel.columns());
  for (const [index, line] of lines.entries()) channel.write(`${index === 0 ? paint(channel, "bold", line) : line}\n`);
}

/** Any value as JSON or YAML. */
export async function printValue(channel: Channel, value: unknown, format: "json" | "yaml"): Promise<void> {
  if (format === "json") return channel.write(`${JSON.stringify(value, null, 2)}\n`);
  // Imported late: most runs print a table and should start at once.
  const { stringify } = await import("yaml");
  channel.write(stringify(value, { aliasDuplicateObjects: false }));
}

/**
 * Aligned lines, the titles first. What is too wide gives way: first the widest columns that may be shortened, then the
 * last of them altogether; names are kept whole.
 */
export function tableLines<Row>(rows: readonly Row[], columns: readonly Column<Row>[], maxWidth: number): string[] {
  const cells = [
    columns.map((column) => column.title.toUpperCase()),
    ...rows.map((row) => columns.map((column) => oneLine(column.cell(row)))),
  ];
  const widths = columns.map((_, index) => cells.reduce((widest, line) => Math.max(widest, textWidth(line[index]!)), 0));
  if (!shrink(widths, columns, maxWidth)) {
    const last = columns.findLastIndex((column) => column.whole !== true);
    if (last > 0) return tableLines(rows, columns.toSpliced(last, 1), maxWidth);
  }
  return cells.map((line) =>
    line
      .map((cell, index) => pad(shorten(cell, widths[index]!), widths[index]!, columns[index]!.right === true))
      .join(GAP)
      .trimEnd(),
  );
}

const GAP = "  ";
const NARROWEST = 6;

/** Takes characters from the widest column that may be shortened, one at a time, in place. False: it still does not fit. */
function shrink(widths: number[], columns: readonly Column<never>[], maxWidth: number): boolean {
  let total = widths.reduce((sum, width) => sum + width, 0) + GAP.length * (widths.length - 1);
  while (total > maxWidth) {
    let widest = -1;
    for (const [index, width] of widths.entries()) {
      if (columns[index]!.whole !== true && width > NARROWEST && (widest === -1 || width > widths[widest]!)) widest = index;
    }
    if (widest === -1) return false;
    widths[widest]! -= 1;
    total -= 1;
  }
  return true;
}

/** Cut to a width, with `…` where something is missing. */
export function shorten(text: string, width: number): string {
  if (textWidth(text) <= width) return text;
  let kept = "";
  let used = 0;
  for (const character of text) {
    const next = characterWidth(character);
    if (used + next > width - 1) break;
    kept += character;
    used += next;
  }
  return `${kept.trimEnd()}…`;
}

function pad(text: string, width: number, right: boolean): string {
  const space = " ".repeat(Math.max(0, width - textWidth(text)));
  return right ? space + text : text + space;
}

function oneLine(text: string): string {
  return text.replaceAll(/\s+/g, " ");
}

/** Columns on a terminal: East Asian wide characters take two. */
export function textWidth(text: string): number {
  let width = 0;
  for (const character of text) width += characterWidth(character);
  return width;
}

function characterWidth(character: string): number {
  return /[\u1100-\u115f\u2e80-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6]|[\u{1f300}-\u{1faff}]/u.test(
    character,
  )
    ? 2
    : 1;
}
