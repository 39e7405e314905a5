/** Writes docs/ERRORS.md from the catalogue; run by `npm run docs`. */
import { writeFileSync } from "node:fs";
import { ERRORS } from "../reconciler/core/errors/catalogue.ts";
import { sortedBy } from "../reconciler/core/order.ts";

const INTRODUCTION = `# Messages and what to do

Whatever Setpoint says about a mistake or a trouble that a person can mend carries one of these codes, in brackets at
the end of a message or in the field \`code\` of JSON. The list is made from \`reconciler/core/errors/\` by
\`npm run docs\`.
`;

/** The text of docs/ERRORS.md. */
export function errorsMarkdown(): string {
  const entries = sortedBy(Object.entries(ERRORS), ([code]) => code);
  return [INTRODUCTION, ...entries.map(([code, { what, fix }]) => `## \`${code}\`\n\n${what}\n\n**What to do.** ${fix}\n`)].join("\n");
}

if (import.meta.main) writeFileSync(new URL("ERRORS.md", import.meta.url), errorsMarkdown());
