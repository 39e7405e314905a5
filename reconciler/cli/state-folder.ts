import { accessSync, constants, mkdirSync, statSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { UserError } from "../core/errors/user-error.ts";
import type { Terminal } from "./terminal.ts";

/** Absolute paths of what one reconciler keeps. */
export interface StateFolder {
  readonly dir: string;
  readonly journal: string;
  /** Simulated hosts that outlive the process. */
  readonly sim: string;
  readonly socket: string;
}

const DEFAULT_STATE = ".setpoint";

/** `--state`, else SETPOINT_STATE, else the given folder (`.setpoint`) in the working folder. Nothing is created. */
export function stateFolder(terminal: Terminal, given: string | undefined, otherwise = DEFAULT_STATE): StateFolder {
  const fromEnvironment = terminal.env["SETPOINT_STATE"];
  const chosen = given ?? (fromEnvironment === undefined || fromEnvironment === "" ? otherwise : fromEnvironment);
  const dir = resolve(terminal.cwd, chosen);
  return {
    dir,
    journal: join(dir, "journal.db"),
    sim: join(dir, "sim.db"),
    socket: join(dir, "control.sock"),
  };
}

/** Makes the folder (only its user may enter, git ignores it) where there is none, and proves that it can be written. */
export function openStateFolder(state: StateFolder): void {
  try {
    const made = mkdirSync(state.dir, { recursive: true, mode: 0o700 });
    // It may lie in a git work tree and must never be committed.
    if (made !== undefined) writeFileSync(join(state.dir, ".gitignore"), "*\n");
    accessSync(state.dir, constants.R_OK | constants.W_OK | constants.X_OK);
  } catch (error) {
    throw stateTrouble(state, error);
  }
}

/** False where the folder does not exist; throws where it is none or can't be read. */
export function stateFolderExists(state: StateFolder): boolean {
  try {
    if (!statSync(state.dir).isDirectory()) throw stateTrouble(state, { code: "ENOTDIR" });
    accessSync(state.dir, constants.R_OK | constants.X_OK);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return false;
    throw error instanceof UserError ? error : stateTrouble(state, error);
  }
}

function stateTrouble(state: StateFolder, error: unknown): UserError {
  const code = (error as NodeJS.ErrnoException).code ?? "";
  const hint = "Give another folder with --state or SETPOINT_STATE.";
  return new UserError("state-folder", `the state folder ${state.dir} ${FOLDER_TROUBLE[code] ?? `can't be used (${code})`}`, hint);
}

const FOLDER_TROUBLE: Readonly<Record<string, string>> = {
  ENOTDIR: "is not a folder",
  EEXIST: "is not a folder",
  EACCES: "may not be used by you",
  EPERM: "may not be used by you",
  EROFS: "is on a file system that can only be read",
  ENOSPC: "can't be made: the disk is full",
  ENAMETOOLONG: "has too long a name",
};
