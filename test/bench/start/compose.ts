import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { IMAGES } from "../../hosts/rig/images.ts";
import type { CommandResult } from "../../hosts/rig/process.ts";
import type { Absent, Contender } from "./contender.ts";

const DEADLINE_MS = 300_000;

/** Runs a program where Docker's socket is, with DOCKER_HOST set. */
export type RunBesideDocker = (argv: readonly string[], deadlineMs: number) => Promise<CommandResult>;

/** The Compose of this machine: the plugin or, on Debian 12, the program of the package docker-compose. */
export async function findCompose(run: RunBesideDocker): Promise<{ readonly argv: readonly string[]; readonly version: string } | Absent> {
  for (const argv of [["docker", "compose"], ["docker-compose"]]) {
    const answer = await run([...argv, "version"], 30_000).catch(() => null);
    if (answer?.exitCode === 0) return { argv, version: answer.stdout.trim().split("\n")[0]! };
  }
  return { name: "docker compose up --scale", absent: "neither the plugin `docker compose` nor the package docker-compose is installed" };
}

/** `docker compose up --scale` with a project in this folder. */
export function compose(run: RunBesideDocker, argv: readonly string[], folder: string, network: "none" | "host" | "bridge"): Contender {
  const project = join(folder, `compose-${network}`);
  const call = (...args: readonly string[]): Promise<CommandResult> =>
    run([...argv, "-f", join(project, "compose.yaml"), "-p", "start-speed", ...args], DEADLINE_MS);
  const service = `    image: ${IMAGES.sleeper}\n    network_mode: ${network}\n    stop_signal: SIGKILL\n`;
  mkdirSync(project, { recursive: true });
  writeFileSync(join(project, "compose.yaml"), `version: "3"\nservices:\n  app:\n${service}`);
  return {
    name: `docker compose up --scale, ${network}`,
    containersEach: 1,
    async scaleTo(count) {
      await call("up", "--detach", "--scale", `app=${count}`);
    },
    async clear() {
      await call("down", "--timeout", "0");
      rmSync(join(project, ".env"), { force: true });
    },
  };
}
