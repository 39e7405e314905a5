import { setTimeout as sleep } from "node:timers/promises";

/** For what should come soon: a machine short of CPU takes many times as long, and nobody waits longer than for the answer. */
export const PATIENCE_MS = 120_000;

export interface WaitOptions {
  /** PATIENCE_MS when absent. */
  readonly deadlineMs?: number;
  /** Between two looks. */
  readonly everyMs?: number;
  /** Added to the message when the deadline passes: logs, states. */
  readonly evidence?: () => string | Promise<string>;
}

/** Thrown by a question to which no answer will ever come. */
export class Hopeless extends Error {
  override readonly name = "Hopeless";
}

/**
 * Asks until there is an answer (anything but null) and resolves to it. A question that throws has no answer yet; rejects at the deadline
 * with what was waited for, the last error and the evidence.
 */
export async function waitFor<Answer>(
  what: string,
  ask: () => Answer | null | Promise<Answer | null>,
  { deadlineMs = PATIENCE_MS, everyMs = 20, evidence: tell }: WaitOptions = {},
): Promise<Answer> {
  const startedAtMs = performance.now();
  for (;;) {
    let last: unknown;
    try {
      const answer = await ask();
      if (answer !== null) return answer;
    } catch (error) {
      last = error;
    }
    const waitedMs = performance.now() - startedAtMs;
    if (waitedMs > deadlineMs || last instanceof Hopeless) {
      const why = last === undefined ? "" : `\nlast error: ${last instanceof Error ? last.message : JSON.stringify(last)}`;
      const evidence = (await tell?.()) ?? "";
      throw new Error(`waited ${(waitedMs / 1000).toFixed(1)} s for ${what}${why}${evidence === "" ? "" : `\n${evidence}`}`);
    }
    await sleep(everyMs);
  }
}

/** Resolves when the condition holds; see waitFor. */
export async function waitUntil(what: string, holds: () => boolean | Promise<boolean>, options?: WaitOptions): Promise<void> {
  await waitFor(what, async () => ((await holds()) ? true : null), options);
}
