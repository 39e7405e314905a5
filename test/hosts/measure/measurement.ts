/** One figure of conformance: what was asked of a host, and what it does. */
export interface Measurement {
  readonly required: number;
  readonly measured: number;
  readonly unit: string;
  /** How far off, of what was required; 0 for exact, negative below. */
  readonly errorPercent: number;
}

export function measurement(required: number, measured: number, unit: string): Measurement {
  const errorPercent = required === measured ? 0 : (100 * (measured - required)) / required;
  return { required, measured, unit, errorPercent };
}

/** A table for people: `name  required  measured  unit  error`. A sentence in place of a measurement says why there is none. */
export function formatMeasurements(rows: readonly (readonly [string, Measurement | string])[]): string {
  const cells = rows.map(([name, row]) => [name, ...(typeof row === "string" ? ["-", "-", row, ""] : cellsOf(row))]);
  const table = [["", "required", "measured", "unit", "error"], ...cells];
  const widths = table[0]!.map((_, column) => Math.max(...table.map((row) => row[column]!.length)));
  const line = (row: readonly string[]): string =>
    row.map((cell, column) => (column === 0 || column === 3 ? cell.padEnd(widths[column]!) : cell.padStart(widths[column]!))).join("  ");
  return table.map((row) => line(row).trimEnd()).join("\n");
}

function cellsOf({ required, measured, unit, errorPercent }: Measurement): readonly string[] {
  const error = Number.isFinite(errorPercent) ? `${errorPercent >= 0 ? "+" : ""}${errorPercent.toFixed(1)} %` : "";
  return [figure(required), figure(measured), unit, error];
}

/** Four digits that count. */
function figure(value: number): string {
  return Number.isInteger(value) ? String(value) : String(Number(value.toPrecision(4)));
}
