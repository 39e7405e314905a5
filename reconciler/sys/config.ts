import { UserError } from "../core/errors/user-error.ts";
import { LOG_LEVELS, type LogLevel } from "./log.ts";

/** What the environment says about the process itself; flags of the command line come before it. */
export interface Config {
  /** SETPOINT_LOG; `info` when unset or empty. */
  readonly logLevel: LogLevel;
}

/** Reads the environment. Throws a UserError for a value that is not allowed. */
export function readConfig(environment: Readonly<Record<string, string | undefined>>): Config {
  const level = environment["SETPOINT_LOG"] ?? "";
  if (level === "") return { logLevel: "info" };
  const known = LOG_LEVELS.find((name) => name === level);
  if (known === undefined) {
    throw new UserError("log-level", `SETPOINT_LOG is "${level}"; allowed are ${LOG_LEVELS.join(", ")}`, "Set one of these, or unset it.");
  }
  return { logLevel: known };
}
