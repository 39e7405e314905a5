import { OVER } from "../deadline.ts";
import type { Step } from "./graph.ts";
import type { ActionResult } from "../../core/agent-wire.ts";
import type { Clock, Hosts } from "../ports.ts";

/** How a started step ended, as far as this side knows. */
export type Verdict =
  | Pick<ActionResult, "outcome" | "code" | "message" | "version">
  /** It may have happened, may still happen, or not. */
  | { readonly outcome: "unknown"; readonly code: string; readonly message: string };

/**
 * Sends steps of one plan to one host in one request and reports exactly one verdict for each, at the latest at its
 * deadline. Returns when the last one is reported. Never rejects.
 */
export async function applySteps(
  hosts: Hosts,
  clock: Clock,
  lifetime: AbortSignal,
  steps: readonly Step[],
  report: (step: Step, verdict: Verdict) => void,
): Promise<void> {
  const open = new Map(steps.map((step) => [step.action.number, step]));
  const control = new AbortController();
  const stop = (): void => control.abort(lifetime.reason);
  lifetime.addEventListener("abort", stop, { once: true });
  const settle = (number: number, verdict: Verdict): void => {
    const step = open.get(number);
    if (step === undefined) return;
    open.delete(number);
    report(step, verdict);
  };
  const reading = readResults(hosts, open, control.signal, settle).catch(() => undefined);
  try {
    await Promise.race([reading, expireSteps(clock, open, control.signal, settle)]);
  } finally {
    lifetime.removeEventListener("abort", stop);
    control.abort(OVER);
  }
}

/** Reports results as they come; what has none when the reply ends is in doubt. */
async function readResults(
  hosts: Hosts,
  open: ReadonlyMap<number, Step>,
  signal: AbortSignal,
  settle: (number: number, verdict: Verdict) => void,
): Promise<void> {
  const actions = [...open.values()].map((step) => step.action);
  let why = "the reply ended before its result came";
  try {
    for await (const result of hosts.apply(actions[0]!.host, { actions }, signal)) {
      settle(result.number, result);
      if (open.size === 0) return;
    }
  } catch (error) {
    why = error instanceof Error ? error.message : String(error);
  }
  for (const number of open.keys()) settle(number, { outcome: "unknown", code: "reply-lost", message: why });
}

/** Reports each step that is still open at its deadline. Ends when none is open, or when aborted. */
async function expireSteps(
  clock: Clock,
  open: ReadonlyMap<number, Step>,
  signal: AbortSignal,
  settle: (number: number, verdict: Verdict) => void,
): Promise<void> {
  const sentAtMs = clock.monotonic();
  while (open.size > 0) {
    const nextMs = Math.min(...[...open.values()].map((step) => step.action.deadlineMs));
    try {
      await clock.sleep(Math.max(0, sentAtMs + nextMs - clock.monotonic()), signal);
    } catch {
      return;
    }
    for (const [number, step] of open) {
      const { deadlineMs } = step.action;
      if (deadlineMs <= nextMs) settle(number, { outcome: "unknown", code: "deadline", message: `no result within ${deadlineMs} ms` });
    }
  }
}
