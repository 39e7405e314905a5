import { serveAgent } from "../../agent/server/server.ts";
import { createSystemClock } from "../../sys/clock.ts";
import { readConfig } from "../../sys/config.ts";
import { exec } from "../../sys/exec.ts";
import { composeAgent, type AgentOptions } from "../agent-parts.ts";
import { daemonLog } from "../daemon-log.ts";
import type { Terminal } from "../terminal.ts";

/** `setpoint agent`: serves this host until SIGTERM or Ctrl-C; containers run on after it. */
export async function agent(terminal: Terminal, options: AgentOptions): Promise<number> {
  const interrupted = terminal.interrupted();
  const log = daemonLog(readConfig(terminal.env).logLevel, terminal.err);
  const parts = composeAgent(options, true, createSystemClock(), log);
  try {
    // First the socket: it is what refuses when another agent is at work here.
    const server = await serveAgent(parts.agent, options.socket, log);
    await parts.agent.start();
    log.info({ socket: options.socket, state: options.state, docker: options.docker, boot: parts.agent.boot }, "agent started");
    await tellSystemd(terminal);
    await aborted(interrupted);
    log.info({}, "agent stops");
    await server.close();
    return 0;
  } finally {
    await parts.close();
  }
}

/** Docker waits for the agent at boot, since the network plugin must answer before the first container starts. */
async function tellSystemd({ env }: Terminal): Promise<void> {
  const socket = env["NOTIFY_SOCKET"];
  if (socket === undefined) return;
  await exec({
    program: "systemd-notify",
    args: ["--ready"],
    folder: "/",
    environment: { NOTIFY_SOCKET: socket, PATH: env["PATH"] ?? "/usr/bin:/bin" },
    deadlineMs: 5_000,
    maxOutputBytes: 4096,
    signal: new AbortController().signal,
  });
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    signal.addEventListener("abort", () => resolve(), { once: true });
  });
}
