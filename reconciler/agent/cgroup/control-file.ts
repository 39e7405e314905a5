import { existsSync, readFileSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { dirname } from "node:path";
import { getSystemErrorMessage } from "node:util";
import { StepError } from "../ports.ts";

/** What a file of a cgroup is to say. */
export interface ControlWrite {
  readonly file: string;
  readonly value: string;
  /** True when the file's text, without the last newline, says so already. */
  readonly holds: (present: string) => boolean;
  /** What EBUSY means for this file, where it is known. */
  readonly busy?: () => StepError;
}

/**
 * Writes unless the file says so already, and reads back. Rejects with `limit-refused` when the kernel does not take the value, with
 * `not-found` when the cgroup is gone, and with the signal's reason.
 */
export async function writeControl({ file, value, holds, busy }: ControlWrite, signal: AbortSignal): Promise<void> {
  signal.throwIfAborted();
  if (holds(readControl(file))) return;
  try {
    await untilAborted(writeFile(file, value), signal);
  } catch (error) {
    if (signal.aborted) throw signal.reason;
    if (busy !== undefined && (error as NodeJS.ErrnoException).code === "EBUSY") throw busy();
    throw troubleWith(`could not write "${value}" to`, file, error);
  }
  const present = readControl(file);
  if (!holds(present)) throw new StepError("limit-refused", `wrote "${value}" to ${file}, but it says "${present}"`);
}

/** Text of the file without the last newline. Throws `not-found` when the cgroup is gone. */
export function readControl(file: string): string {
  try {
    return readFileSync(file, "latin1").trimEnd();
  } catch (error) {
    throw troubleWith("could not read", file, error);
  }
}

/** The same, null where the kernel has no such file. */
export function readOptional(file: string): string | null {
  return existsSync(file) ? readControl(file) : null;
}

/** One number out of a file of `key value` lines; 0 without the key. */
export function valueOf(text: string, key: string): number {
  const line = text.split("\n").find((entry) => entry.startsWith(`${key} `));
  return line === undefined ? 0 : Number(line.slice(key.length + 1));
}

/** A write may take as long as the kernel needs to free memory. */
async function untilAborted(work: Promise<void>, signal: AbortSignal): Promise<void> {
  const aborted = Promise.withResolvers<never>();
  const abort = (): void => aborted.reject(signal.reason as Error);
  signal.addEventListener("abort", abort, { once: true });
  try {
    await Promise.race([work, aborted.promise]);
  } finally {
    signal.removeEventListener("abort", abort);
    work.catch(() => {});
  }
}

/** A cgroup that is gone explains any error of its files. */
function troubleWith(attempt: string, file: string, error: unknown): StepError {
  if (!existsSync(dirname(file))) return new StepError("not-found", `the container's cgroup is gone: ${dirname(file)}`);
  return new StepError("limit-refused", `${attempt} ${file}: ${sayError(error)}`);
}

/** `EBUSY (resource busy or locked)`. */
function sayError(error: unknown): string {
  const { code, errno, message } = error as NodeJS.ErrnoException;
  return code === undefined || errno === undefined ? message : `${code} (${getSystemErrorMessage(errno)})`;
}
