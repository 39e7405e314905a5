import { Command, CommanderError } from "commander";
import { UserError } from "../core/errors/user-error.ts";
import { suggest } from "../core/suggest.ts";
import { printError, printFailure } from "./fail.ts";
import { addFleetVerbs } from "./program-fleet.ts";
import { addFolderVerbs } from "./program-folder.ts";
import type { Terminal } from "./terminal.ts";

/** What a verb's action does with its exit code, once it has one. */
export type Finish = (verb: Promise<number>) => Promise<void>;

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
    await program.parseAsync(args, { from: "user" });
    return exitCode;
  } catch (error) {
    return error instanceof CommanderError ? endOfParsing(terminal, error) : printFailure(terminal, error);
  }
}

/** The whole tree of verbs. Their code is imported only when one runs. */
export function buildProgram(terminal: Terminal, version: string, finish: Finish): Command {
  const program = new Command("setpoint")
    .description("Makes fleets of plain Docker hosts match the manifests in a git repository, and keeps them so.")
    .version(version, "-V, --version", "print the version")
    .helpOption("-h, --help", "print this help")
    .helpCommand("help [verb]", "print the help of a verb")
    .usage("VERB [options]")
    .addHelpText("after", "\nTo see it work: setpoint demo. Every verb, exit code and JSON shape: docs/CLI.md");
  program.configureHelp({
    subcommandTerm: (command) => [command.name(), command.usage().replace("[options]", "").trim()].join(" ").trim(),
  });
  program.configureOutput({
    writeOut: (text) => terminal.out.write(text),
    writeErr: (text) => terminal.err.write(text),
    // Printed by endOfParsing, in the form of all other errors.
    outputError: () => {},
    getOutHelpWidth: () => Math.min(terminal.out.columns(), 120),
    getErrHelpWidth: () => Math.min(terminal.err.columns(), 120),
  });
  program.exitOverride();
  addFolderVerbs(program, terminal, finish);
  addFleetVerbs(program, terminal, finish);
  refuseUnknownVerb(program);
  return program;
}

/** Without a verb: the help. With a word that is none: what it could have meant. */
function refuseUnknownVerb(program: Command): void {
  program.argument("[verb]").action((word: string | undefined) => {
    if (word === undefined) program.help();
    const verbs = program.commands.map((command) => command.name());
    const meant = suggest(word!, [...verbs, "help"]);
    const message = `there is no verb '${word}'${meant === null ? "" : `; did you mean '${meant}'?`}`;
    throw new UserError("usage", message, meant === null ? `The verbs are ${verbs.join(", ")}.` : "");
  });
}

/** Help and version end parsing too, by an error of their own; the rest are mistakes in the command line. */
function endOfParsing(terminal: Terminal, error: CommanderError): number {
  if (error.exitCode === 0) return 0;
  // Help asked by a lone group verb (`setpoint host`) was printed already.
  if (error.code === "commander.help") return 1;
  const [what = "", ...rest] = error.message.replace(/^error: /, "").split("\n");
  const meant = /^\(Did you mean (.+)\?\)$/.exec(rest.join(" "))?.[1];
  const message = meant === undefined ? [what, ...rest].join(" ") : `${what}; did you mean '${meant}'?`;
  printError(terminal.err, "usage", message.replaceAll("unknown command", "there is no verb"), "");
  return 1;
}
