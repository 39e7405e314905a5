import { readFileSync, statSync } from "node:fs";
import { join } from "node:path";

/** What the network reads of the host without starting a program: microseconds each. */
export interface HostFiles {
  /** All links of the host with their counters, as in /proc/net/dev. */
  links(): string;
  /** Differs after every start of the switch's daemon; empty while it was never started. */
  switchRun(): string;
  /** Differs after a start of the engine that made its socket anew. */
  engineRun(): string;
}

export function createHostFiles(ovsRunFolder: string, dockerSocket: string): HostFiles {
  const pidFile = join(ovsRunFolder, "ovs-vswitchd.pid");
  return {
    links: () => readFileSync("/proc/self/net/dev", "utf8"),
    switchRun: () => orEmpty(() => `${readFileSync(pidFile, "utf8").trim()}@${statSync(pidFile).mtimeMs}`),
    engineRun: () => orEmpty(() => `${statSync(dockerSocket).ino}@${statSync(dockerSocket).ctimeMs}`),
  };
}

function orEmpty(read: () => string): string {
  try {
    return read();
  } catch {
    return "";
  }
}
