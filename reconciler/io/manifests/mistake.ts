import type { MANIFEST_ERRORS } from "../../core/errors/manifests.ts";
import type { ManifestProblem } from "../../core/manifests.ts";
import { codeFrame, positionAt, type SourceText } from "./source-text.ts";

export type ManifestCode = keyof typeof MANIFEST_ERRORS;

/** Something wrong at one place of one text. */
export interface Mistake {
  readonly code: ManifestCode;
  /** Character offset from the start of the text. */
  readonly offset: number;
  readonly message: string;
  readonly hint: string;
}

/** The mistake as a problem with its position and code frame. */
export function problemOf(mistake: Mistake, source: SourceText): ManifestProblem {
  const position = positionAt(source, mistake.offset);
  const { code, message, hint } = mistake;
  return { code, severity: "error", position, message, hint, frame: codeFrame(source, position) };
}

/** A problem of a file as a whole. */
export function fileProblem(
  code: ManifestCode,
  file: string,
  message: string,
  hint: string,
  severity: "error" | "warning" = "error",
): ManifestProblem {
  return { code, severity, position: { file, line: 1, column: 1 }, message, hint, frame: "" };
}

/** A problem of the whole folder or repository. */
export function folderProblem(code: ManifestCode, message: string, hint: string): ManifestProblem {
  return { code, severity: "error", position: null, message, hint, frame: "" };
}
