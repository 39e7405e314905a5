import { spawn, type ChildProcess } from "node:child_process";
import { join } from "node:path";

const MAIN = join(import.meta.dirname, "../../reconciler/main.ts");

/** A real daemon in a process of its own. */
export interface DaemonProcess {
  readonly pid: number;
  /** As the kernel does it: no handler runs. */
  kill(): Promise<void>;
  /** Asks it to stop; resolves with its exit code. */
  stop(): Promise<number | null>;
  /** Resolves when it follows the repository and answers on its socket, or has ended. */
  readonly started: Promise<void>;
  /** What it wrote to stderr. */
  log(): string;
}

/** On `DIR/repo`, with its state in `DIR/state` or as named; `path`: where it finds programs, when not where this process does. */
export function startDaemon(dir: string, speed: number, state = "state", path = process.env["PATH"]!): DaemonProcess {
  const args = [MAIN, "daemon", "--repo", join(dir, "repo"), "--state", join(dir, state), "--speed", String(speed)];
  const env = { PATH: path, HOME: dir, SETPOINT_LOG: "info", NODE_COMPILE_CACHE: join(dir, "cache") };
  const child = spawn(process.execPath, args, { cwd: dir, env, stdio: ["ignore", "ignore", "pipe"] });
  const lines: string[] = [];
  const ended = endOf(child);
  const { promise: started, resolve } = Promise.withResolvers<void>();
  child.stderr.on("data", (chunk: Buffer) => {
    lines.push(chunk.toString());
    if (lines.join("").includes('"daemon started"')) resolve();
  });
  return {
    pid: child.pid!,
    started: Promise.race([started, ended.then(() => {})]),
    async kill() {
      child.kill("SIGKILL");
      await ended;
    },
    stop() {
      child.kill("SIGTERM");
      return ended;
    },
    log: () => lines.join(""),
  };
}

function endOf(child: ChildProcess): Promise<number | null> {
  return new Promise((resolve) => {
    child.on("close", (code) => resolve(code));
  });
}
