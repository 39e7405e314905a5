import type { ManifestProblem } from "./manifests.ts";
import { compareText } from "./order.ts";

/** Problems printed before the rest is only counted. */
const MAX_PRINTED_PROBLEMS = 20;

/** One problem as plain text, several lines, no newline at the end. */
export function printProblem(problem: ManifestProblem): string {
  const { position } = problem;
  const where = position === null ? "" : `${position.file}:${position.line}:${position.column}: `;
  const lines = [printable(`${where}${problem.severity}: ${problem.message.replace(/\.$/, "")} [${problem.code}]`)];
  if (problem.frame !== "") lines.push(problem.frame);
  if (problem.hint !== "") lines.push(`  hint: ${printable(problem.hint)}`);
  return lines.join("\n");
}

/** All problems as plain text, a blank line between them; the first `limit`, and how many more there are. */
export function printProblems(problems: readonly ManifestProblem[], limit: number = MAX_PRINTED_PROBLEMS): string {
  const printed = problems.slice(0, limit).map(printProblem);
  const more = problems.length - printed.length;
  if (more > 0) printed.push(`and ${more} more ${more === 1 ? "problem" : "problems"}`);
  return printed.join("\n\n");
}

/** Total order: by file, line, column, message; problems without a position first. */
export function compareProblems(a: ManifestProblem, b: ManifestProblem): number {
  return (
    compareText(a.position?.file ?? "", b.position?.file ?? "") ||
    (a.position?.line ?? 0) - (b.position?.line ?? 0) ||
    (a.position?.column ?? 0) - (b.position?.column ?? 0) ||
    compareText(a.message, b.message)
  );
}

/** A text with control characters (line ends, tabs and terminal escapes included) replaced one for one. */
export function printable(text: string): string {
  return text.replaceAll("\t", " ").replace(/[\p{Cc}\u2028\u2029\u202a-\u202e\u2066-\u2069]/gu, "\u00b7");
}
