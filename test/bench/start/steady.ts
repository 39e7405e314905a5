import { readFileSync } from "node:fs";
import { loadavg } from "node:os";
import { setTimeout as sleep } from "node:timers/promises";
import { DOCKER_SOCKET } from "../../hosts/rig/host.ts";
import { countCalls } from "./call-counter.ts";
import type { OwnHost } from "./own-host.ts";
import { processorTimeOf } from "./processor-time.ts";
import { setOf } from "./setpoint.ts";
import { readFailures } from "./spans.ts";

const COUNTED_SOCKET = "/run/counted.sock";
const DEADLINE_MS = 600_000;
/** After the agent's start, so that only rest is measured. */
const CALM_MS = 15_000;
const MINUTE_MS = 60_000;
const KIB = 1024;

/** What a host with so many Instances takes for some minutes in which nothing changes, as a text for people. */
export async function measureSteady({ host, fleet }: OwnHost, count: number, minutes: number): Promise<string> {
  const measureMs = minutes * MINUTE_MS;
  const counter = await countCalls(host.path(COUNTED_SOCKET), host.path(DOCKER_SOCKET));
  try {
    await host.killAgent("SIGTERM");
    await host.startAgent("--docker", COUNTED_SOCKET);
    const committedAtMs = Date.now();
    fleet.commit({ "set.yaml": setOf(count) });
    await fleet.settled(DEADLINE_MS);
    const startedForMs = Date.now() - committedAtMs;
    const failures = [...readFailures(fleet.journal, committedAtMs)];
    const startCalls = [...counter.calls];
    await sleep(CALM_MS);
    const before = {
      calls: new Map(counter.calls),
      agentMs: processorTimeOf(host.agentPid),
      reconcilerMs: processorTimeOf(fleet.reconcilerPid),
    };
    const memory = [memoryOf(host.agentPid, fleet.reconcilerPid)];
    for (let minute = 0; minute < minutes; minute++) {
      await sleep(MINUTE_MS);
      memory.push(memoryOf(host.agentPid, fleet.reconcilerPid));
    }
    const agentMs = processorTimeOf(host.agentPid) - before.agentMs;
    const reconcilerMs = processorTimeOf(fleet.reconcilerPid) - before.reconcilerMs;
    const calls = [...counter.calls]
      .map(([name, times]) => [name, times - (before.calls.get(name) ?? 0)] as const)
      .filter(([, times]) => times > 0);
    const share = (ms: number): string => `${(ms / 1000).toFixed(2)} s, ${((100 * ms) / measureMs).toFixed(2)} % of one CPU`;
    return [
      `0 → ${count} at once: ${(startedForMs / 1000).toFixed(1)} s, steps that failed: ${failures.length === 0 ? "none" : ""}`,
      ...failures.map(([text, times]) => `  ${times} x ${text}`),
      ...startCalls.map(([name, times]) => `  ${times} x ${name}`),
      "",
      `${count} Instances for ${minutes} min, nothing changes; load ${loadavg()[0]!.toFixed(1)}`,
      `agent       ${share(agentMs)}`,
      `reconciler  ${share(reconcilerMs)}`,
      `resident, agent and reconciler, MiB: ${memory.filter((_, at) => at % Math.ceil(minutes / 6) === 0 || at === minutes).join("  ")}`,
      `calls of the agent to the engine that write: ${calls.filter(([name]) => !name.startsWith("GET ")).length}`,
      ...calls.map(([name, times]) => `  ${times} x ${name}`),
    ].join("\n");
  } finally {
    await host.killAgent("SIGTERM");
    await counter.close();
  }
}

/** `61+104` */
function memoryOf(...pids: readonly number[]): string {
  return pids.map((pid) => Math.round(Number(/^VmRSS:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, "latin1"))![1]) / KIB)).join("+");
}
