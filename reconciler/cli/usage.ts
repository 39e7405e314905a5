import type { Command, CommanderError } from "commander";
import { UserError } from "../core/errors/user-error.ts";
import { suggest } from "../core/suggest.ts";

/** A first word that is no verb, as an error; null when it is one, or an option. Options of a verb come after it. */
export function unknownVerb(program: Command, args: readonly string[]): UserError | null {
  const word = args[0] === "help" ? args[1] : args[0];
  if (word === undefined) return null;
  const verbs = program.commands.map((command) => command.name());
  if (word.startsWith("-")) {
    if (args.length === 1 || ["-h", "--help", "-V", "--version"].includes(word)) return null;
    return new UserError(
      "usage",
      `the command line begins with ${word}, and options come after the verb`,
      "Write: setpoint VERB [options]",
    );
  }
  if (word === "help" || verbs.includes(word)) return null;
  const meant = suggest(word, verbs);
  return new UserError(
    "usage",
    `there is no verb '${word}'${meant === null ? "" : `; did you mean '${meant}'?`}`,
    meant === null ? `The verbs are ${verbs.join(", ")}.` : "",
  );
}

/** What commander refuses, in our words, with the usage of the verb it was about. */
export function usageError(program: Command, args: readonly string[], error: CommanderError): UserError {
  const [what = "", ...rest] = error.message.replace(/^error: /, "").split("\n");
  const meant = /^\(Did you mean (.+)\?\)$/.exec(rest.join(" "))?.[1];
  const message = `${plainWords(what)}${meant === undefined ? "" : `; did you mean '${meant}'?`}`;
  return new UserError("usage", message, `usage: setpoint ${usageOf(program, args)}`);
}

const REWORDED: readonly (readonly [RegExp, string])[] = [
  [/^unknown command '(.*)'$/, "there is no verb '$1'"],
  [/^unknown option '(.*)'$/, "there is no option '$1'"],
  [/^option '(?:-., )?(--[a-z-]+).*' argument missing$/, "$1 needs a value"],
  [/^option '(?:-., )?(--[a-z-]+)[^']*' argument '(.*)' is invalid\. (.*)$/, "'$2' is not allowed for $1. $3"],
  [/^command-argument value '(.*)' is invalid for argument '(.*)'\. (.*)$/, "'$1' is not allowed as <$2>. $3"],
  [/^missing required argument '(.*)'$/, "<$1> is missing"],
  [/^required option '(--[a-z-]+).*' not specified$/, "$1 is missing"],
  [/^too many arguments(?: for '.*')?\. Expected (\d+) arguments? but got (\d+): (.*)\.$/, "too many words: $3 (at most $1 allowed)"],
];

function plainWords(what: string): string {
  const reworded = REWORDED.find(([pattern]) => pattern.test(what));
  if (reworded === undefined) return what;
  // Arguments are written in capitals, as in the usage line.
  return what.replace(...reworded).replace(/<(\w+)>/, (_, name: string) => name.toUpperCase());
}

/** `plan [DIR] [options]`: of the verb the words name, or of all. */
function usageOf(program: Command, args: readonly string[]): string {
  let command = program;
  const names: string[] = [];
  for (const word of args) {
    const next = command.commands.find((one) => one.name() === word);
    if (next === undefined) break;
    command = next;
    names.push(word);
  }
  return [...names, command.usage()].join(" ");
}
