import { connect } from "node:net";
import { homedir } from "node:os";
import { join } from "node:path";
import { serveAgent } from "../../agent/server/server.ts";
import { UserError } from "../../core/errors/user-error.ts";
import type { Clock, Log } from "../../run/ports.ts";
import { composeAgent } from "../agent-parts.ts";
import type { Terminal } from "../terminal.ts";

/** Traffic within one machine is as fast as memory: no Set is refused for want of bandwidth. bit/s. */
const BANDWIDTH_BPS = 100_000_000_000;
const CONNECT_WITHIN_MS = 2_000;

export interface LocalAgent {
  close(): Promise<void>;
}

export interface LocalAgentOptions {
  readonly socket: string;
  /** The agent's own folder. */
  readonly folder: string;
  /** Path of Docker's socket. */
  readonly docker: string;
  readonly clock: Clock;
  readonly log: Log;
}

/**
 * An agent of this machine in this process, on a socket like any other; one that answers there already is used as it is. Throws a
 * UserError when Docker can't be used.
 */
export async function openLocalAgent({ socket, folder, docker, clock, log }: LocalAgentOptions): Promise<LocalAgent> {
  if ((await connectError(socket)) === null) return { close: () => Promise.resolve() };
  await requireDocker(docker);
  const options = {
    state: folder,
    socket,
    docker,
    dockerRoot: "/var/lib/docker",
    plugin: join(folder, "plugin.sock"),
    bandwidth: BANDWIDTH_BPS,
    secrets: secretsFolder(),
  };
  const composed = composeAgent(options, false, clock, log);
  const server = await serveAgent(composed.agent, socket, log);
  await composed.agent.start();
  return {
    async close() {
      await server.close();
      await composed.close();
    },
  };
}

/** The host's own for root; of others, who may not look into that, one of theirs. */
function secretsFolder(): string {
  return process.getuid?.() === 0 ? "/etc/setpoint/secrets" : join(homedir(), ".config", "setpoint", "secrets");
}

/** Docker's socket: what DOCKER_HOST says, else the usual one. */
export function dockerSocket({ env }: Terminal): string {
  const host = env["DOCKER_HOST"] ?? "";
  if (host === "") return "/var/run/docker.sock";
  if (host.startsWith("unix:///")) return host.slice("unix://".length);
  throw new UserError(
    "local-docker",
    `DOCKER_HOST is ${host}, and --local works with a Docker on this machine only`,
    "Unset it, or set it to unix:///path/of/docker.sock. For another machine write a HostPool with agent: ssh://HOST.",
  );
}

async function requireDocker(path: string): Promise<void> {
  const code = await connectError(path);
  if (code === null) return;
  if (code === "EACCES" || code === "EPERM") {
    throw new UserError(
      "local-docker",
      `you may not use Docker: ${path} is not open to you`,
      "Join the group docker and log in again, or run it with sudo.",
    );
  }
  throw new UserError(
    "local-docker",
    `Docker does not run here: nothing answers on ${path}`,
    "Start Docker, or say where it listens: DOCKER_HOST=unix:///path/of/docker.sock",
  );
}

/** null when somebody listens on the socket. */
function connectError(path: string): Promise<string | null> {
  return new Promise((resolve) => {
    const socket = connect({ path, timeout: CONNECT_WITHIN_MS });
    const end = (code: string | null): void => {
      socket.destroy();
      resolve(code);
    };
    socket.once("connect", () => end(null));
    socket.once("timeout", () => end("ETIMEDOUT"));
    socket.once("error", ({ code }: NodeJS.ErrnoException) => end(code ?? "unknown"));
  });
}
