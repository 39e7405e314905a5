import { cpSync, mkdirSync, readdirSync } from "node:fs";
import { join, relative, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { UserError } from "../../core/errors/user-error.ts";
import { inGitRepository, initRepository } from "../git-repository.ts";
import { commandWord, paint, type Terminal } from "../terminal.ts";

const STARTER = fileURLToPath(new URL("../starter/", import.meta.url));

/** `setpoint init [DIR]`: a small set of manifests that works as it is. Never touches a folder that has files. */
export async function init(terminal: Terminal, given: string): Promise<number> {
  const dir = resolve(terminal.cwd, given);
  const hasGit = readyFolder(given, dir);
  cpSync(STARTER, dir, { recursive: true, errorOnExist: true, force: false });
  const inside = hasGit || (await inGitRepository(terminal, dir));
  if (!inside) await initRepository(terminal, dir);
  const shown = relative(terminal.cwd, dir) || ".";
  const heading = `Wrote a pool of simulated hosts and one Set to ${shown === "." ? "this folder" : shown}`;
  terminal.out.write(`${paint(terminal.out, "green", heading)}${inside ? "" : ", a new git repository"}.\n\n`);
  terminal.out.write(`Next:\n${nextSteps(commandWord(terminal), shown)}`);
  return 0;
}

/** Commands to copy into this very shell: through npx they work only from the folder that npx was called in. */
function nextSteps(command: string, dir: string): string {
  const git = dir === "." ? "git" : `git -C ${dir}`;
  const lines = [
    `${command} validate ${dir}`,
    `${command} plan ${dir}`,
    `${git} add . && ${git} commit -m "First fleet"`,
    `${command} daemon --repo ${dir}`,
  ];
  return lines.map((line) => `  ${line}\n`).join("");
}

/** Makes the folder where there is none. True when it already holds a git repository and nothing else. */
function readyFolder(given: string, dir: string): boolean {
  let found: string[];
  try {
    mkdirSync(dir, { recursive: true });
    found = readdirSync(dir);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    const why = code === "EEXIST" || code === "ENOTDIR" ? "is a file" : `can't be used (${code})`;
    throw new UserError("folder-missing", `${given} ${why}`, "Give an empty or a new folder.");
  }
  const others = found.filter((name) => name !== ".git");
  if (others.length === 0) return found.includes(".git");
  const shown = others.sort().slice(0, 3).join(", ");
  throw new UserError(
    "folder-not-empty",
    `the folder ${join(given)} already has files (${shown}${others.length > 3 ? ", ..." : ""})`,
    "Give an empty or a new folder; init never overwrites anything.",
  );
}
