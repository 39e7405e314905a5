import { destination as openDestination, type DestinationStream, pino } from "pino";

/** Levels of SETPOINT_LOG, loudest last. */
export const LOG_LEVELS = ["debug", "info", "warn", "error", "silent"] as const;

export type LogLevel = (typeof LOG_LEVELS)[number];

export interface SystemLog {
  debug(fields: Readonly<Record<string, unknown>>, message: string): void;
  info(fields: Readonly<Record<string, unknown>>, message: string): void;
  warn(fields: Readonly<Record<string, unknown>>, message: string): void;
  error(fields: Readonly<Record<string, unknown>>, message: string): void;
}

/**
 * One JSON object per line: `time` (ISO 8601), `level` as a word, `msg`, and the fields. Written before the call
 * returns, so that the last line before a crash is not lost. `target`: a file descriptor, a path, or a stream.
 */
export function createLog(level: LogLevel, target: number | string | DestinationStream): SystemLog {
  const stream = typeof target === "object" ? target : openDestination({ dest: target, sync: true, mkdir: true });
  const options = {
    level,
    base: null,
    timestamp: pino.stdTimeFunctions.isoTime,
    formatters: { level: (label: string) => ({ level: label }) },
    // A field may hold an error: its text is told, its stack is for debugging only.
    serializers: { error: describeError },
  };
  return pino(options, stream);
}

/** An error's message and the messages of its causes. */
export function describeError(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return error.cause === undefined ? error.message : `${error.message}: ${describeError(error.cause)}`;
}
