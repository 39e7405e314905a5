import { Command, CommanderError } from "commander";
import { printFailure } from "./fail.ts";
import type { Finish } from "./finish.ts";
import { addAgentVerbs } from "./program-agent.ts";
import { FLEET_VERBS } from "./program-fleet.ts";
import { FOLDER_VERBS } from "./program-folder.ts";
import type { Terminal } from "./terminal.ts";
import { unknownVerb, usageError } from "./usage.ts";

/**
 * Runs one command line; the result is the exit code. Everything a verb throws is printed here.
 */
export async function runCli(args: readonly string[], terminal: Terminal, version: string): Promise<number> {
  let exitCode = 0;
  const program = buildProgram(terminal, version, async (verb) => {
    exitCode = await verb;
  });
  try {
    // Asked by the completion scripts; no verb, so that `help` does not show it.
    if (args[0] === "complete") return (await import("./completion.ts")).completeWords(program, args.slice(args[1] === "--" ? 2 : 1));
    const unknown = unknownVerb(program, args);
    if (unknown !== null) throw unknown;
    await program.parseAsync(args, { from: "user" });
    return exitCode;
  } catch (error) {
    if (!(error instanceof CommanderError)) return printFailure(terminal, error);
    // Help and version end parsing by an error too; the help of a lone group verb (`setpoint host`) is a mistake.
    if (error.exitCode === 0 || error.code === "commander.help") return error.exitCode;
    return printFailure(terminal, usageError(program, args, error));
  }
}

/** The whole tree of verbs. Their code is imported only when one runs. */
function buildProgram(terminal: Terminal, version: string, finish: Finish): Command {
  const program = new Command("setpoint")
    .description("Makes fleets of plain Docker hosts match the manifests in a git repository, and keeps them so.")
    .version(version, "-V, --version", "print the version")
    .helpOption("-h, --help", "print this help")
    .helpCommand("help [verb]", "print the help of a verb")
    .usage("VERB [options]")
    .addHelpText("after", "\nTo see it work: setpoint demo. Every verb, exit code and JSON shape: docs/CLI.md");
  program.configureHelp({ subcommandTerm: verbWithArguments });
  program.configureOutput({
    writeOut: (text) => terminal.out.write(text),
    writeErr: (text) => terminal.err.write(text),
    // Printed by runCli, in the form of all other errors.
    outputError: () => {},
    getOutHelpWidth: () => Math.min(terminal.out.columns(), 120),
    getErrHelpWidth: () => Math.min(terminal.err.columns(), 120),
  });
  program.exitOverride();
  for (const add of [...FOLDER_VERBS, ...FLEET_VERBS, addAgentVerbs]) add(program, terminal, finish);
  program.action(() => program.outputHelp());
  return program;
}

/** `get KIND [NAME]`. */
function verbWithArguments(command: Command): string {
  const words = command.registeredArguments.map((argument) => (argument.required ? argument.name() : `[${argument.name()}]`));
  return [command.name(), ...words.map((word) => word.toUpperCase())].join(" ");
}
