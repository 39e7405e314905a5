import { createLog, type LogLevel, type SystemLog } from "../sys/log.ts";
import { paint, type Channel, type Style } from "./terminal.ts";

/** The daemon's log on stderr: JSON lines for machines, short lines when a person looks at it. */
export function daemonLog(level: LogLevel, channel: Channel): SystemLog {
  return channel.isTerminal ? createLog(level, { write: (line) => channel.write(prettyLine(channel, line)) }) : createLog(level, 2);
}

const LEVEL_STYLES: Readonly<Record<string, Style>> = { warn: "yellow", error: "red" };

/** `19:45:03 task.opened  set=web trigger=create`. */
function prettyLine(channel: Channel, line: string): string {
  const { time, level, msg, ...fields } = JSON.parse(line) as { time: string; level: string; msg: string };
  const shown = Object.entries(fields as Record<string, unknown>)
    .flatMap(([name, value]) => (isObject(value) ? Object.entries(value) : [[name, value] as const]))
    .filter(([name, value]) => name !== "type" && value !== null && value !== "")
    .map(([name, value]) => `${name}=${typeof value === "string" ? shortened(value) : JSON.stringify(value)}`);
  const style = LEVEL_STYLES[level];
  const said = style === undefined ? msg : paint(channel, style, `${level} ${msg}`);
  return `${paint(channel, "dim", new Date(time).toTimeString().slice(0, 8))} ${said}  ${paint(channel, "dim", shown.join(" "))}\n`;
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** Hashes and ids by their first digits; a text as it is. */
function shortened(value: string): string {
  return /^[0-9a-f]{16,}$/.test(value) ? value.slice(0, 8) : value;
}
