import type { ControlTarget, FolderPlan, SimFault } from "../api/target.ts";
import type { Picture } from "../api/rows.ts";
import { tellLive } from "../api/live.ts";
import { NO_DESIRED } from "./offline.ts";
import { UserError } from "../core/errors/user-error.ts";
import type { Plan } from "../core/plan.ts";
import { createManifestLoader, type ManifestLoader } from "../io/manifests/loader.ts";
import { createPlanner } from "../plan/planner.ts";
import { JournalError } from "../run/fold/draft.ts";
import type { OperatorEvent, Reconciler } from "../run/reconciler.ts";
import type { SimWorld } from "../sim/world.ts";
import type { Composition } from "./compose.ts";
import { desiredFromFolder } from "./folder.ts";
import { whatIf } from "./what-if.ts";

/** What the control server shows and does, over a running reconciler. */
export function controlTarget({ reconciler, world, journal, clock }: Composition, fleet: string): ControlTarget {
  const picture = (): Picture => pictureOf(reconciler, clock);
  const loader = createManifestLoader();
  return {
    fleet,
    picture,
    journal,
    record: (event) => record(reconciler, event),
    nudge: () => reconciler.nudge(),
    planFolder: (dir, signal) => planFolder(picture(), loader, dir, signal),
    subscribe: (listener) => tellLive(reconciler, clock, listener),
    simulate: (host, fault) => simulate(world(), host, fault),
  };
}

/** The newest pass with what is known now. */
function pictureOf(reconciler: Reconciler, clock: Composition["clock"]): Picture {
  const { desired: lastGood, memory, fleet, pass, source } = reconciler.view();
  const desired = lastGood ?? NO_DESIRED;
  const { startedAtMs, destroysFrozen, busy } = pass?.input ?? {
    startedAtMs: clock.monotonic(),
    destroysFrozen: null,
    busy: new Set<string>(),
  };
  const input = { nowMs: clock.now(), monotonicMs: clock.monotonic(), startedAtMs, desired, destroysFrozen, memory, fleet, busy };
  return { input, plan: pass?.plan ?? noPlan(desired.revision.commit, pass?.violations ?? []), headProblems: source.problems };
}

/** Before the first pass, and when the planner failed: nothing is done, and why. */
function noPlan(commit: string, violations: readonly { readonly code: string; readonly text: string }[]): Plan {
  const problems = violations.map(({ code, text }) => ({
    code,
    severity: "error" as const,
    subject: "source",
    text: text.split("\n")[0]!,
  }));
  return { hash: "", commit, changes: [], unchanged: 0, actions: [], intents: [], problems, held: [], confirmed: [], wakeAtMs: null };
}

function record(reconciler: Reconciler, event: OperatorEvent): void {
  try {
    reconciler.record(event);
  } catch (error) {
    if (!(error instanceof JournalError)) throw error;
    throw new UserError("usage", error.message, "See how things stand with: setpoint status");
  }
}

async function planFolder({ input }: Picture, loader: ManifestLoader, dir: string, signal: AbortSignal): Promise<FolderPlan> {
  const { desired, problems } = await desiredFromFolder(dir, signal, loader);
  if (desired === null) return { kind: "invalid", problems };
  return { kind: "plan", plan: createPlanner().plan(whatIf(input, desired)) };
}

/** Until it is switched on again. */
const FOREVER_MS = 2 ** 31 - 1;

function simulate(world: SimWorld | null, host: string, fault: SimFault): void {
  if (world === null || !world.names().includes(host))
    throw new UserError("no-such-object", `there is no simulated host '${host}'`, "List them with: setpoint get hosts");
  switch (fault) {
    case "off":
      return world.inject(host, { kind: "crash" });
    case "on":
      return world.restore(host);
    case "hang":
      return world.inject(host, { kind: "hang", forMs: FOREVER_MS });
    case "cut":
      return world.inject(host, { kind: "partition", direction: "both", forMs: FOREVER_MS });
  }
}
