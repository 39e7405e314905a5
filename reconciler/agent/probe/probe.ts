import type { HealthCheck } from "../../core/desired.ts";
import type { Engine, Probe, ProbeTarget } from "../ports.ts";
import { type Answer, httpRequest, isSignOfLife, judge, type Question, silence } from "./answer.ts";
import { isOnBridge } from "./bridge-route.ts";
import { askDirect } from "./direct.ts";
import { InsideAsker } from "./inside.ts";

/** More Instances than a host ever has; the oldest are forgotten and found out again. */
const MOST_REMEMBERED = 4096;
const MOST_OUTPUT = 200;

export interface ProberOptions {
  /** The engine's, for checks that run a command in the container. */
  readonly exec: Engine["exec"];
  /** Milliseconds. */
  readonly monotonic: () => number;
  readonly proc?: string;
  readonly sys?: string;
  /** The program that runs the helper. */
  readonly perl?: string;
}

/** Health probes of a host. `close` ends the helper process. */
export interface Prober {
  readonly probe: Probe;
  close(): void;
}

/**
 * http and tcp go straight to an Instance on a bridge of this host. To any other, and when that does not get through, they go from
 * inside the Instance's network namespace: no route, flow or VLAN of the host matters there. What worked is remembered per Instance.
 */
export function createProber({ exec, monotonic, proc = "/proc", sys = "/sys", perl = "perl" }: ProberOptions): Prober {
  const inside = new InsideAsker(monotonic, perl);
  const ways = new Map<string, "direct" | "inside">();
  const remember = (key: string, way: "direct" | "inside"): void => {
    ways.set(key, way);
    if (ways.size > MOST_REMEMBERED) ways.delete(ways.keys().next().value!);
  };
  const ask = async (target: ProbeTarget, question: Question, timeoutMs: number, signal: AbortSignal): Promise<Answer> => {
    const key = `${target.infraPid} ${target.ip}`;
    const way = ways.get(key) ?? (isOnBridge(target.ip, { proc, sys }) ? "direct" : "inside");
    if (way === "inside") {
      const answer = await inside.ask(target.infraPid, question, timeoutMs, signal);
      const works = answer.kind !== "unavailable";
      // Off a bridge of ours, whatever answers at the address from here may be another machine.
      if (!works && !isOnBridge(target.ip, { proc, sys })) return answer;
      remember(key, works ? "inside" : "direct");
      if (works) return answer;
    }
    const answer = await askDirect(question, timeoutMs, signal);
    if (!ways.has(key)) remember(key, isSignOfLife(answer) ? "direct" : "inside");
    return answer;
  };
  return {
    probe: async (target, check, signal) => {
      const { probe, timeoutMs } = check;
      if (probe.kind === "exec") return await runCommand(exec, target, probe.command, timeoutMs, signal);
      const { ip } = target;
      const send = probe.kind === "http" ? httpRequest(ip, probe.port, probe.path) : null;
      return judge(await ask(target, { ip, port: probe.port, send }, timeoutMs, signal), timeoutMs);
    },
    close: () => inside.close(),
  };
}

/** Passes with exit code 0. */
async function runCommand(
  exec: Engine["exec"],
  { containerId }: ProbeTarget,
  command: Extract<HealthCheck["probe"], { kind: "exec" }>["command"],
  timeoutMs: number,
  signal: AbortSignal,
): Promise<string | null> {
  const deadline = AbortSignal.timeout(timeoutMs);
  try {
    const { exitCode, output } = await exec(containerId, command, AbortSignal.any([signal, deadline]));
    const said = output.trim().split("\n")[0]!.slice(0, MOST_OUTPUT).trim();
    if (exitCode === 0) return null;
    return said === "" ? `exit code ${exitCode}` : `exit code ${exitCode}: ${said}`;
  } catch (error) {
    signal.throwIfAborted();
    if (deadline.aborted) return silence(timeoutMs);
    return `the command could not run: ${error instanceof Error ? error.message : String(error)}`;
  }
}
