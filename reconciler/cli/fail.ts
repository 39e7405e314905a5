import { mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { UserError } from "../core/errors/user-error.ts";
import { paint, type Channel, type Terminal } from "./terminal.ts";

/** Prints why a verb ended and returns its exit code, always 1. A stack goes to a file, never to the terminal. */
export function printFailure(terminal: Terminal, error: unknown): number {
  if (error instanceof UserError) {
    terminal.err.write(failureLines(terminal.err, error));
    return 1;
  }
  const message = error instanceof Error ? error.message : String(error);
  const unknown = `setpoint met something it does not know: ${firstLine(message)}`;
  terminal.err.write(failureLines(terminal.err, { code: "internal", message: unknown, hint: keepDetails(error) }));
  return 1;
}

/** `error: MESSAGE [code]`, then what to do, indented. */
export function failureLines(channel: Channel, { code, message, hint }: Pick<UserError, "code" | "message" | "hint">): string {
  const head = `${paint(channel, "red", "error:")} ${message} ${paint(channel, "dim", `[${code}]`)}\n`;
  const rest = hint === "" ? "" : `  ${hint.startsWith("usage:") ? hint : `hint: ${hint}`}\n`;
  return head + rest;
}

/** A line on stderr that is no error: what was assumed, where an answer comes from. */
export function printNote(channel: Channel, text: string): void {
  channel.write(`${paint(channel, "dim", "note:")} ${text}\n`);
}

function firstLine(text: string): string {
  return text.split("\n", 1)[0]!;
}

/** Writes the stack to a new file only its user can read, and says where. */
function keepDetails(error: unknown): string {
  const stack = error instanceof Error ? (error.stack ?? error.message) : String(error);
  try {
    const file = join(mkdtempSync(join(tmpdir(), "setpoint-error-")), "details.txt");
    writeFileSync(file, `${stack}\n`, { mode: 0o600 });
    return `This is a mistake in setpoint. The details are in ${file}; please report them.`;
  } catch {
    return "This is a mistake in setpoint. Its details could not be written to a file.";
  }
}
