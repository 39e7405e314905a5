/**
 * Quantities as people write them, and back. Parsers are strict and exact: they return an integer in the base
 * unit, or null for anything else (a malformed text, a fraction of the base unit, more than 2^53 - 1). For every
 * formatter without `rounded` in its name, parse(format(x)) = x.
 */

/** What each parser accepts, for messages. */
export const UNIT_FORMS = {
  cpu: "cores (`2`, `0.5`) or thousandths of a core (`500m`)",
  bytes: "bytes (`1024`) or a number with Ki, Mi, Gi, Ti, Pi (powers of 1024) or k, M, G, T, P (powers of 1000)",
  rate: "a number with bit, kbit, mbit, gbit or tbit (per second, powers of 1000), such as `200mbit`",
  byteRate: "bytes per second, written as sizes are: `10Mi`, `500k`",
  duration: "whole numbers with d, h, m, s, ms from large to small, such as `90s`, `1h30m`, `500ms`",
  percent: "a number with %, such as `80%`",
  timeOfDay: "hours and minutes of a 24-hour clock, `00:00` to `23:59`",
} as const;

type UnitTable = readonly (readonly [suffix: string, size: bigint])[];

const CPU_UNITS: UnitTable = [
  ["", 1000n],
  ["m", 1n],
];

/** Largest first, binary before decimal: the order in which formatBytes prefers equally short forms. */
const BYTE_UNITS: UnitTable = [
  ["Pi", 1024n ** 5n],
  ["Ti", 1024n ** 4n],
  ["Gi", 1024n ** 3n],
  ["Mi", 1024n ** 2n],
  ["Ki", 1024n],
  ["P", 1000n ** 5n],
  ["T", 1000n ** 4n],
  ["G", 1000n ** 3n],
  ["M", 1000n ** 2n],
  ["k", 1000n],
  ["", 1n],
];

const RATE_UNITS: UnitTable = [
  ["tbit", 1000n ** 4n],
  ["gbit", 1000n ** 3n],
  ["mbit", 1000n ** 2n],
  ["kbit", 1000n],
  ["bit", 1n],
];

const DURATION_UNITS = [
  ["d", 86_400_000],
  ["h", 3_600_000],
  ["m", 60_000],
  ["s", 1000],
  ["ms", 1],
] as const;

/** Thousandths of a core: `2` → 2000, `500m` → 500. */
export function parseCpu(written: string | number): number | null {
  return parseScaled(written, CPU_UNITS);
}

/** 1500 → `1.5`, 250 → `250m`. */
export function formatCpu(millis: number): string {
  return millis === 0 || (millis >= 1000 && millis % 100 === 0) ? String(millis / 1000) : `${millis}m`;
}

/** Bytes: `1Gi` → 1073741824, `1G` → 1000000000. */
export function parseBytes(written: string | number): number | null {
  return parseScaled(written, BYTE_UNITS);
}

/** The shortest text that means exactly this many bytes: 1610612736 → `1.5Gi`, 1025 → `1025`. */
export function formatBytes(bytes: number): string {
  return formatScaled(bytes, BYTE_UNITS);
}

/** For people, one decimal at most: 1610612737 → `1.5Gi`. */
export function formatBytesRounded(bytes: number): string {
  for (const [suffix, size] of BYTE_UNITS.slice(0, 5)) {
    const inUnit = bytes / Number(size);
    if (Math.abs(inUnit) >= 1) return `${Number(inUnit.toFixed(1))}${suffix}`;
  }
  return String(bytes);
}

/** Bits per second: `200mbit` → 200000000. A bare number is refused: it could be bytes. */
export function parseRate(written: string | number): number | null {
  return parseScaled(written, RATE_UNITS);
}

/** 1500000000 → `1.5gbit`. */
export function formatRate(bps: number): string {
  return formatScaled(bps, RATE_UNITS);
}

/** Bytes per second of disk traffic, written as sizes are: `10Mi` → 10485760. */
export function parseByteRate(written: string | number): number | null {
  return parseScaled(written, BYTE_UNITS);
}

/** Milliseconds: `90s` → 90000, `1h30m` → 5400000, `7d` → 604800000. */
export function parseDuration(written: string): number | null {
  const match = /^(?=\d)(?:(\d+)d)?(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s)?(?:(\d+)ms)?$/.exec(written);
  if (match === null) return null;
  let totalMs = 0;
  for (const [index, [, sizeMs]] of DURATION_UNITS.entries()) totalMs += Number(match[index + 1] ?? 0) * sizeMs;
  return Number.isSafeInteger(totalMs) ? totalMs : null;
}

/** Largest units first, zero parts left out: 5400000 → `1h30m`, 0 → `0s`. */
export function formatDuration(durationMs: number): string {
  if (durationMs === 0) return "0s";
  let rest = durationMs;
  let text = "";
  for (const [suffix, sizeMs] of DURATION_UNITS) {
    const count = Math.floor(rest / sizeMs);
    if (count > 0) text += `${count}${suffix}`;
    rest -= count * sizeMs;
  }
  return text;
}

/** A share: `80%` → 0.8. Not limited to 100 %: the caller knows its range. */
export function parsePercent(written: string): number | null {
  if (!/^\d{1,6}(\.\d{1,3})?%$/.test(written)) return null;
  return Number(`${written.slice(0, -1)}e-2`);
}

/** 0.8 → `80%`; three decimals at most. */
export function formatPercent(share: number): string {
  return `${Number((share * 100).toFixed(3))}%`;
}

/** Minutes after midnight: `08:30` → 510. */
export function parseTimeOfDay(written: string): number | null {
  const match = /^([01]\d|2[0-3]):([0-5]\d)$/.exec(written);
  return match === null ? null : Number(match[1]) * 60 + Number(match[2]);
}

/** An unsigned decimal number and a suffix of the table, as an exact integer of the base unit; null when there is none. */
function parseScaled(written: string | number, units: UnitTable): number | null {
  const match = /^(\d{1,20})(?:\.(\d{1,20}))?([a-zA-Z]*)$/.exec(String(written));
  if (match === null) return null;
  const [, whole = "", fraction = "", suffix] = match;
  const unit = units.find(([name]) => name === suffix);
  if (unit === undefined) return null;
  if (fraction === "" && whole.length <= 15) {
    const product = Number(whole) * Number(unit[1]);
    return Number.isSafeInteger(product) ? product : null;
  }
  const scaled = BigInt(whole + fraction) * unit[1];
  const divisor = 10n ** BigInt(fraction.length);
  const value = scaled / divisor;
  return scaled % divisor === 0n && value <= BigInt(Number.MAX_SAFE_INTEGER) ? Number(value) : null;
}

/** The shortest exact form; of equally short ones the first in the table. At most three decimals. */
function formatScaled(value: number, units: UnitTable): string {
  let shortest: string | null = null;
  for (const [suffix, size] of units) {
    const thousandths = BigInt(value) * 1000n;
    if (thousandths % size !== 0n || (value !== 0 && BigInt(value) < size)) continue;
    const text = decimalText(thousandths / size) + suffix;
    if (shortest === null || text.length < shortest.length) shortest = text;
  }
  return shortest ?? String(value);
}

/** 1500n → `1.5`, 2000n → `2`. */
function decimalText(thousandths: bigint): string {
  const fraction = String(thousandths % 1000n)
    .padStart(3, "0")
    .replace(/0+$/, "");
  return fraction === "" ? String(thousandths / 1000n) : `${thousandths / 1000n}.${fraction}`;
}
