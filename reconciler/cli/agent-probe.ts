import { get } from "node:http";
import { connect } from "node:net";
import type { Engine, Probe } from "../agent/ports.ts";

/** Probes by way of the host's own network. */
export function createProbe(engine: Pick<Engine, "exec">): Probe {
  return async ({ containerId, ip }, { probe }, signal) => {
    if (probe.kind === "tcp") return await tcp(ip, probe.port, signal);
    if (probe.kind === "http") return await http(ip, probe.port, probe.path, signal);
    const { exitCode, output } = await engine.exec(containerId, probe.command, signal);
    return exitCode === 0 ? null : `exit code ${exitCode}: ${output.trim()}`;
  };
}

function tcp(host: string, port: number, signal: AbortSignal): Promise<string | null> {
  return new Promise((resolve) => {
    const socket = connect({ host, port, signal });
    socket.once("connect", () => {
      socket.destroy();
      resolve(null);
    });
    socket.once("error", (error) => resolve(error.message));
  });
}

function http(host: string, port: number, path: string, signal: AbortSignal): Promise<string | null> {
  return new Promise((resolve) => {
    const request = get({ host, port, path, signal, agent: false }, (response) => {
      response.resume();
      const status = response.statusCode ?? 0;
      resolve(status >= 200 && status < 400 ? null : `status ${status}`);
    });
    request.once("error", (error) => resolve(error.message));
  });
}
