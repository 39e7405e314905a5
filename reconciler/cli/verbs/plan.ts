import { readFileSync, writeFileSync } from "node:fs";
import { resolve } from "node:path";
import type { FolderPlan } from "../../api/target.ts";
import { UserError } from "../../core/errors/user-error.ts";
import type { ManifestProblem } from "../../core/manifests.ts";
import type { Plan, PlanInput } from "../../core/plan.ts";
import { createPlanner } from "../../plan/planner.ts";
import { plural, planVerdict, renderPlan, type PlanFormat } from "../../plan/render.ts";
import { bundleText, parseBundle } from "../bundle.ts";
import { postDaemon } from "../client.ts";
import { printNote } from "../fail.ts";
import { desiredFromFolder } from "../folder.ts";
import { EMPTY_STATE, offlineInput, readState } from "../offline.ts";
import { stateFolder, stateFolderExists, type StateFolder } from "../state-folder.ts";
import type { Terminal } from "../terminal.ts";
import { unaskedHosts } from "../unasked.ts";
import { whatIf } from "../what-if.ts";
import { printManifestProblems } from "./validate.ts";

export interface PlanOptions {
  readonly output: PlanFormat;
  readonly from?: string;
  readonly save?: string;
  readonly state?: string;
  readonly fleet: string;
}

const EXIT_CODES = { nothing: 0, changes: 2, stuck: 3 } as const;
const DAEMON_PLANS_WITHIN_MS = 60_000;

/** `setpoint plan DIR`: what would change, and nothing is changed. */
export async function plan(terminal: Terminal, dir: string | undefined, options: PlanOptions): Promise<number> {
  const found = await findPlan(terminal, dir, options);
  if (found.kind === "invalid") return refuse(terminal, found.problems);
  terminal.out.write(renderPlan(found.plan, options.output));
  return EXIT_CODES[planVerdict(found.plan)];
}

async function findPlan(terminal: Terminal, given: string | undefined, options: PlanOptions): Promise<FolderPlan> {
  if (options.from !== undefined) return { kind: "plan", plan: planned(terminal, readBundle(terminal, options.from), options) };
  if (given === undefined)
    throw new UserError(
      "usage",
      "plan needs a folder with manifests, or a bundle with --from",
      "For the folder you are in: setpoint plan .",
    );
  const dir = resolve(terminal.cwd, given);
  const state = stateFolder(terminal, options.state);
  // The daemon's picture can't be saved from here: a bundle is made of what the state folder holds.
  const fromDaemon = options.save === undefined ? await postDaemon<FolderPlan>(state, "/v1/plan", { dir }, DAEMON_PLANS_WITHIN_MS) : null;
  return fromDaemon ?? (await offlinePlan(terminal, dir, state, options));
}

async function offlinePlan(terminal: Terminal, dir: string, state: StateFolder, options: PlanOptions): Promise<FolderPlan> {
  const { desired, problems } = await desiredFromFolder(dir);
  if (desired === null) return { kind: "invalid", problems };
  const saved = stateFolderExists(state) ? readState(state) : null;
  const unasked = unaskedHosts(desired);
  if (unasked !== null)
    printNote(terminal.err, `${unasked}: this is a plan for empty hosts; to plan for what runs there start the daemon, or use apply`);
  else if (saved === null || saved.memory.sequence === 0)
    printNote(terminal.err, `nothing runs under the state folder ${state.dir} yet: this is a plan for empty hosts`);
  const input = whatIf(offlineInput(saved ?? EMPTY_STATE, desired), desired);
  return { kind: "plan", plan: planned(terminal, input, options) };
}

/** Plans, and saves what was decided from if that was asked for. */
function planned(terminal: Terminal, input: PlanInput, options: PlanOptions): Plan {
  if (options.save !== undefined) {
    try {
      writeFileSync(resolve(terminal.cwd, options.save), bundleText(input), { mode: 0o600 });
    } catch (error) {
      throw new UserError(
        "file-unreadable",
        `the bundle ${options.save} can't be written (${(error as NodeJS.ErrnoException).code})`,
        "Give a file in a folder you may write to.",
      );
    }
  }
  return createPlanner().plan(input);
}

function readBundle(terminal: Terminal, file: string): PlanInput {
  let text: string;
  try {
    text = readFileSync(resolve(terminal.cwd, file), "utf8");
  } catch (error) {
    throw new UserError(
      "file-unreadable",
      `the bundle ${file} can't be read (${(error as NodeJS.ErrnoException).code})`,
      "Give a file written by: setpoint plan DIR --save FILE",
    );
  }
  return parseBundle(text, file);
}

function refuse(terminal: Terminal, problems: readonly ManifestProblem[]): number {
  printManifestProblems(terminal.err, problems);
  const errors = problems.filter((problem) => problem.severity === "error").length;
  terminal.err.write(`not valid: ${plural(errors, "error")}; nothing is planned\n`);
  return 1;
}
