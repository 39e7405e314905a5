import { explain as explainSubject } from "../../plan/explain.ts";
import type { Explanation } from "../../api/types.ts";
import { readFleet } from "../read.ts";
import { stateFolder } from "../state-folder.ts";
import { printValue } from "../table.ts";
import type { Terminal } from "../terminal.ts";
import { wrap } from "../wrap.ts";

/** `setpoint explain SUBJECT`. */
export async function explain(
  terminal: Terminal,
  subject: string,
  options: { readonly output: "text" | "json"; readonly state?: string },
): Promise<number> {
  const state = stateFolder(terminal, options.state);
  const path = `/v1/explain?subject=${encodeURIComponent(subject)}`;
  const explanation = await readFleet<Explanation>(terminal, state, path, ({ picture }) => ({
    subject,
    lines: explainSubject(picture.input, picture.plan, subject),
  }));
  if (options.output === "json") await printValue(terminal.out, explanation, "json");
  else for (const line of explanation.lines) terminal.out.write(`${wrap(line, terminal.out.columns())}\n`);
  return 0;
}
