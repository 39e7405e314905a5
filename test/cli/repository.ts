import { execFileSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { cli } from "./run.ts";

/** The starter's manifests, committed on `main` in `DIR/fleet`. */
export async function makeFleet(dir: string): Promise<string> {
  const fleet = join(dir, "fleet");
  await cli({ cwd: dir }, "init", "fleet");
  commit(fleet);
  return fleet;
}

/** Commits everything. */
export function commit(repository: string): string {
  git(repository, "add", "--all");
  git(repository, "-c", "user.name=ann", "-c", "user.email=ann@example", "commit", "-q", "-m", "change");
  return git(repository, "rev-parse", "HEAD").trim();
}

function git(repository: string, ...args: readonly string[]): string {
  return execFileSync("git", ["-C", repository, ...args], { encoding: "utf8", stdio: ["ignore", "pipe", "pipe"] });
}

/** Replaces a text in a file. */
export function edit(file: string, from: string, to: string): void {
  const before = readFileSync(file, "utf8");
  if (!before.includes(from)) throw new Error(`${file} does not hold ${from}`);
  writeFileSync(file, before.replace(from, to));
}

/** Asks until the answer is there, for at most ten seconds. */
export async function until<Answer>(ask: () => Promise<Answer | null>): Promise<Answer> {
  for (let tries = 0; tries < 200; tries++) {
    const answer = await ask();
    if (answer !== null) return answer;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  throw new Error("it did not happen within 10 s");
}
