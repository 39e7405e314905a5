import { Argument, InvalidArgumentError, Option } from "commander";
import { suggest } from "../core/suggest.ts";
import { parseDuration, UNIT_FORMS } from "../core/units.ts";

/** `--state`: the folder of journal, lock and control socket. */
export function stateOption(): Option {
  return new Option("--state <dir>", "state folder (default: $SETPOINT_STATE, else .setpoint)");
}

/** `--fleet`: the owner name on everything this fleet creates. */
export function fleetOption(): Option {
  return new Option("--fleet <name>", "name of the fleet, written on all it owns").default("setpoint").argParser(fleetName);
}

/** `-o, --output` with the forms a verb knows; the first is the default. */
export function outputOption(...formats: readonly string[]): Option {
  return new Option("-o, --output <format>", "form of the answer").choices(formats).default(formats[0]).argParser(oneOf(formats));
}

/** A positional argument that takes exactly these words; completion offers them. */
export function wordArgument(name: string, description: string, words: readonly string[]): Argument {
  return new Argument(`<${name}>`, description).choices(words).argParser(oneOf(words));
}

/** An argument parser that takes exactly these words. */
function oneOf(words: readonly string[]): (word: string) => string {
  return (word) => {
    if (words.includes(word)) return word;
    const meant = suggest(word, words);
    throw new InvalidArgumentError(`${meant === null ? "" : `Did you mean '${meant}'? `}Allowed: ${words.join(", ")}.`);
  };
}

/** An argument parser for durations above zero; milliseconds. */
export function durationMs(written: string): number {
  const parsed = parseDuration(written);
  if (parsed === null || parsed === 0) throw new InvalidArgumentError(`Allowed: ${UNIT_FORMS.duration}.`);
  return parsed;
}

/** An argument parser for texts that may not be empty. */
export function someText(written: string): string {
  if (written.trim() === "") throw new InvalidArgumentError("It may not be empty.");
  return written;
}

/** `--speed`: a factor from 0.1 to 1000. */
export function speedOption(): Option {
  return new Option("--speed <factor>", "how many times faster than real hosts simulated ones work").default(1).argParser(speedFactor);
}

function speedFactor(written: string): number {
  const factor = Number(written);
  if (!/^\d+(\.\d+)?$/.test(written) || factor < 0.1 || factor > 1000)
    throw new InvalidArgumentError("Allowed: a number from 0.1 to 1000.");
  return factor;
}

function fleetName(written: string): string {
  if (!/^[a-z][a-z0-9-]{0,39}$/.test(written)) {
    throw new InvalidArgumentError("Allowed: lower-case letters, digits and '-', a letter first, at most 40.");
  }
  return written;
}
