import { readFileSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { UserError } from "../core/errors/user-error.ts";
import { parseLocation } from "../io/git/location.ts";
import { createGitSource } from "../io/git/source.ts";
import { createFolderSource } from "../io/git/folder-source.ts";
import { createManifestLoader } from "../io/manifests/loader.ts";
import type { Source } from "../run/ports.ts";
import { createSystemClock } from "../sys/clock.ts";
import type { StateFolder } from "./state-folder.ts";
import type { Terminal } from "./terminal.ts";

/** Where the manifests of a state folder come from. */
export type SourceChoice =
  | { readonly kind: "git"; readonly repository: string; readonly branch: string; readonly folder: string; readonly pollMs: number }
  | { readonly kind: "folder"; readonly dir: string };

/** The choice that the options of a daemon make; a path on this machine becomes absolute. Throws a UserError for no repository at all. */
export function gitChoice(
  terminal: Terminal,
  options: { readonly repo: string; readonly branch: string; readonly path: string; readonly poll: number },
): SourceChoice & { readonly kind: "git" } {
  const location = parseLocation(options.repo);
  const repository = location.kind === "local" ? resolve(terminal.cwd, options.repo) : options.repo;
  return { kind: "git", repository, branch: options.branch, folder: options.path, pollMs: options.poll };
}

/** Kept in the state folder, so that verbs can read the manifests while no daemon runs. */
export interface SourceNote {
  readonly fleet: string;
  readonly source: SourceChoice;
}

/** Throws a UserError for a choice that can never work. Reads nothing yet. */
export function openSource(state: StateFolder, choice: SourceChoice): Source {
  const clock = createSystemClock();
  const loader = createManifestLoader();
  if (choice.kind === "folder") return createFolderSource({ folder: choice.dir, clock, loader });
  const { repository, branch, folder, pollMs } = choice;
  return createGitSource({ repository, branch, folder, pollMs, stateDir: state.dir, fetchDeadlineMs: FETCH_WITHIN_MS, clock, loader });
}

const FETCH_WITHIN_MS = 60_000;

export function writeSourceNote(state: StateFolder, note: SourceNote): void {
  writeFileSync(noteFile(state), `${JSON.stringify(note)}\n`, { mode: 0o600 });
}

/** Throws a UserError where the folder was never used by a daemon or by apply. */
export function readSourceNote(state: StateFolder): SourceNote {
  try {
    return JSON.parse(readFileSync(noteFile(state), "utf8")) as SourceNote;
  } catch {
    throw new UserError(
      "state-empty",
      `the state folder ${state.dir} does not say where its manifests come from`,
      "Start a daemon on it: setpoint daemon --repo ...",
    );
  }
}

function noteFile(state: StateFolder): string {
  return join(state.dir, "source.json");
}
