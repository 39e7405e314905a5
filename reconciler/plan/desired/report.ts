import type { DESIRED_ERRORS } from "../../core/errors/desired.ts";
import type { SourcePosition } from "../../core/desired.ts";
import type { Loaded, ManifestProblem } from "../../core/manifests.ts";
import { suggest } from "../../core/suggest.ts";
import {
  parseByteRate,
  parseBytes,
  parseCpu,
  parseDuration,
  parsePercent,
  parseRate,
  parseTimeOfDay,
  UNIT_FORMS,
} from "../../core/units.ts";

export type ProblemCode = keyof typeof DESIRED_ERRORS;
export type Path = readonly (string | number)[];

/** Collects what is wrong in one document. `message` says what is wrong and what is allowed, `hint` what to do. */
export interface Report {
  readonly problems: ManifestProblem[];
  error(code: ProblemCode, path: Path, message: string, hint?: string): void;
  warning(code: ProblemCode, path: Path, message: string, hint?: string): void;
}

export function createReport(loaded: Loaded<unknown>): Report {
  const problems: ManifestProblem[] = [];
  function add(severity: "error" | "warning", code: ProblemCode, path: Path, message: string, hint: string): void {
    const position = loaded.at(path);
    problems.push({ code, severity, position, message, hint, frame: loaded.frame(position) });
  }
  return {
    problems,
    error: (code, path, message, hint = "") => add("error", code, path, message, hint),
    warning: (code, path, message, hint = "") => add("warning", code, path, message, hint),
  };
}

const PARSERS = {
  cpu: parseCpu,
  bytes: parseBytes,
  rate: parseRate,
  byteRate: parseByteRate,
  duration: (written: string | number) => parseDuration(String(written)),
  percent: (written: string | number) => parsePercent(String(written)),
  timeOfDay: (written: string | number) => parseTimeOfDay(String(written)),
} as const satisfies Record<keyof typeof UNIT_FORMS, (written: string | number) => number | null>;

/** The quantity in its base unit. One the schema let through but that has no exact value is reported and counts as 0. */
export function readQuantity(report: Report, path: Path, kind: keyof typeof PARSERS, written: string | number): number {
  const value = PARSERS[kind](written);
  if (value !== null) return value;
  report.error(
    "bad-quantity",
    path,
    `\`${written}\` can't be used here: it must be ${UNIT_FORMS[kind]}, and come out as a whole number below 2^53.`,
  );
  return 0;
}

/** As readQuantity; null when nothing is written. */
export function readOptional(report: Report, path: Path, kind: keyof typeof PARSERS, written: string | number | undefined): number | null {
  return written === undefined ? null : readQuantity(report, path, kind, written);
}

/** `sets/web.yaml:3:9`. */
export function positionText(position: SourcePosition): string {
  return `${position.file}:${position.line}:${position.column}`;
}

/** Names for a sentence: `a`, `b` and 3 more. */
export function listed(names: readonly string[], limit = 8): string {
  if (names.length === 0) return "none";
  const shown = names.slice(0, limit).map((name) => `\`${name}\``);
  return names.length > limit ? `${shown.join(", ")} and ${names.length - limit} more` : shown.join(", ");
}

/** A hint: the near name if there is one, else what to do instead. */
export function didYouMean(wrong: string, allowed: readonly string[], otherwise: string): string {
  const near = suggest(wrong, allowed);
  return near === null ? otherwise : `Did you mean \`${near}\`?`;
}
