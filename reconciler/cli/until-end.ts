import type { Reconciler } from "../run/reconciler.ts";

/** Resolves on Ctrl-C or SIGTERM with null, or with the reason why the reconciler can't go on. */
export function untilEnd(interrupted: AbortSignal, reconciler: Reconciler): Promise<Error | null> {
  const asked = new Promise<null>((resolve) => {
    if (interrupted.aborted) resolve(null);
    interrupted.addEventListener("abort", () => resolve(null), { once: true });
  });
  return Promise.race([asked, reconciler.crashed]);
}

/** How a wait for convergence ended. */
export type Convergence = "converged" | "stuck" | "late" | "interrupted";

/**
 * Waits until the fleet is as desired. `stuck`: what is left waits for a person or for room. Rejects when the reconciler
 * can't go on.
 */
export async function untilConverged(interrupted: AbortSignal, reconciler: Reconciler, timeoutMs: number): Promise<Convergence> {
  const late = AbortSignal.timeout(timeoutMs);
  const ends = AbortSignal.any([interrupted, late]);
  const crash = reconciler.crashed.then((error) => Promise.reject(error));
  // Whoever races with it hears of a crash; nobody else has to.
  crash.catch(() => {});
  for (;;) {
    try {
      await Promise.race([reconciler.settled(ends), crash]);
    } catch (error) {
      if (!ends.aborted) throw error;
      return late.aborted ? "late" : "interrupted";
    }
    const standing = standingOf(reconciler);
    if (standing !== "waiting") return standing;
    await new Promise((resolve) => setTimeout(resolve, RETRY_LOOK_MS));
  }
}

const RETRY_LOOK_MS = 100;

/** Settled is not yet converged: a step may wait for its next try, or a host for its time to count as lost. */
function standingOf(reconciler: Reconciler): "converged" | "stuck" | "waiting" {
  const { pass, source } = reconciler.view();
  const plan = pass?.plan ?? null;
  if (plan === null) return source.state === "good" ? "waiting" : "stuck";
  const left = plan.changes.filter((change) => change.kind !== "keep");
  if (left.length === 0 && plan.held.length === 0) return "converged";
  const moving = left.some((change) => change.kind !== "blocked" || change.decision.code.startsWith("wait."));
  return moving && plan.wakeAtMs !== null ? "waiting" : "stuck";
}
