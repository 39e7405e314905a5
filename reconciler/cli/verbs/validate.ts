import { resolve } from "node:path";
import { printProblem } from "../../core/problems.ts";
import type { ManifestProblem } from "../../core/manifests.ts";
import { plural } from "../../plan/render.ts";
import { desiredFromFolder } from "../folder.ts";
import { printValue } from "../table.ts";
import { paint, type Channel, type Terminal } from "../terminal.ts";

/** `setpoint validate DIR`: every problem, not just the first. */
export async function validate(terminal: Terminal, dir: string, options: { readonly output: "text" | "json" }): Promise<number> {
  const { commit, desired, problems } = await desiredFromFolder(resolve(terminal.cwd, dir));
  const errors = problems.filter((problem) => problem.severity === "error").length;
  if (options.output === "json") {
    await printValue(terminal.out, { valid: desired !== null, commit, errors, warnings: problems.length - errors, problems }, "json");
    return desired === null ? 1 : 0;
  }
  printManifestProblems(terminal.err, problems);
  if (desired === null) {
    terminal.err.write(`${paint(terminal.err, "red", `not valid: ${plural(errors, "error")}`)}\n`);
    return 1;
  }
  const { pools, hosts, sets } = desired;
  terminal.out.write(
    `${paint(terminal.out, "green", "valid:")} ${plural(sets.size, "Set")}, ${plural(pools.size, "pool")}, ${plural(hosts.length, "host")}\n`,
  );
  return 0;
}

/** Each with its code frame, a blank line between them. */
export function printManifestProblems(channel: Channel, problems: readonly ManifestProblem[]): void {
  for (const problem of problems) channel.write(`${printProblem(problem)}\n\n`);
}
