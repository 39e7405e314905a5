import type { Command } from "commander";
import { durationMs, fleetOption, outputOption, speedOption, stateOption } from "./options.ts";
import type { AddVerb, Finish } from "./finish.ts";
import type { Terminal } from "./terminal.ts";

/** Verbs that start from manifests, in the order of the help. */
export const FOLDER_VERBS: readonly AddVerb[] = [addInit, addValidate, addPlan, addApply, addDaemon, addDemo];

function addInit(program: Command, terminal: Terminal, finish: Finish): void {
  program
    .command("init")
    .usage("[DIR]")
    .description("write a small working set of manifests into an empty folder")
    .argument("[dir]", "an empty or new folder", ".")
    .action((dir: string) => finish(import("./verbs/init.ts").then(({ init }) => init(terminal, dir))));
}

function addValidate(program: Command, terminal: Terminal, finish: Finish): void {
  program
    .command("validate")
    .usage("DIR [options]")
    .description("check all manifests of a folder; exit 0: valid, 1: not")
    .argument("<dir>", "folder with manifests")
    .addOption(outputOption("text", "json"))
    .action((dir: string, options: { output: "text" | "json" }) =>
      finish(import("./verbs/validate.ts").then(({ validate }) => validate(terminal, dir, options))),
    );
}

function addPlan(program: Command, terminal: Terminal, finish: Finish): void {
  program
    .command("plan")
    .usage("DIR [options]")
    .description("show what would change; exit 0: nothing, 2: changes, 3: blocked or over budget, 1: error")
    .argument("[dir]", "folder with manifests")
    .addOption(outputOption("text", "json", "markdown", "mermaid"))
    .option("--from <file>", "plan from a saved bundle instead of a folder")
    .option("--save <file>", "also save everything the plan was decided from as a bundle")
    .addOption(stateOption())
    .addOption(fleetOption())
    .action((dir: string | undefined, options) => finish(import("./verbs/plan.ts").then(({ plan }) => plan(terminal, dir, options))));
}

function addApply(program: Command, terminal: Terminal, finish: Finish): void {
  program
    .command("apply")
    .usage("DIR [options]")
    .description("make the hosts match a folder once; exit 0: they do, 3: blocked, 1: error")
    .argument("[dir]", "folder with manifests")
    .option("--local", "on this machine's own Docker, with nothing else installed; a HostPool is made up where none is written")
    .option("--delete", "with --local: take away what was applied")
    .option("--once", "end when the fleet is as desired (the default; `setpoint daemon` keeps watching)")
    .option("--timeout <duration>", "give up after", durationMs, 600_000)
    .addOption(speedOption())
    .addOption(stateOption())
    .addOption(fleetOption())
    .action((dir: string | undefined, options, command: Command) => {
      if (options.local !== true) return finish(import("./verbs/apply.ts").then(({ apply }) => apply(terminal, dir, options)));
      // The fleet of this machine is its user's own, unless one is named.
      const fleet = command.getOptionValueSource("fleet") === "default" ? null : (options.fleet as string);
      const local = { ...options, fleet, delete: options.delete === true };
      return finish(import("./verbs/apply-local.ts").then(({ applyLocal }) => applyLocal(terminal, dir, local)));
    });
}

function addDaemon(program: Command, terminal: Terminal, finish: Finish): void {
  program
    .command("daemon")
    .usage("--repo PATH|URL [options]")
    .description("follow a git branch and keep the hosts as its newest valid commit says")
    .requiredOption("--repo <path|url>", "git repository that holds the manifests")
    .option("--branch <name>", "branch to follow", "main")
    .option("--path <folder>", "folder of the manifests within the repository", "")
    .option("--poll <duration>", "how often to ask a remote repository", durationMs, 30_000)
    .addOption(speedOption())
    .addOption(stateOption())
    .addOption(fleetOption())
    .action((options) => finish(import("./verbs/daemon.ts").then(({ daemon }) => daemon(terminal, options))));
}

function addDemo(program: Command, terminal: Terminal, finish: Finish): void {
  program
    .command("demo")
    .usage("[options]")
    .description("run a whole simulated fleet here and show what to try")
    .option("--once", "end with exit code 0 once the fleet is as desired")
    .addOption(speedOption())
    .option("--timeout <duration>", "with --once: give up after", durationMs, 300_000)
    .addOption(stateOption())
    .action((options) => finish(import("./verbs/demo.ts").then(({ demo }) => demo(terminal, options))));
}
