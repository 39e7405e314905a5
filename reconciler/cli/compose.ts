import type { ManifestProblem, Manifests } from "../core/manifests.ts";
import { check } from "../plan/check/check.ts";
import { createDesiredBuilder } from "../plan/desired/builder.ts";
import { createPlanner } from "../plan/planner.ts";
import type { ReconcilerOptions } from "../run/options.ts";
import type { Clock, Journal, Log, Source } from "../run/ports.ts";
import { createReconciler, type Reconciler } from "../run/reconciler.ts";
import type { BuildDesired } from "../run/revisions.ts";
import { openSimStore } from "../sim/store.ts";
import { createSimHosts, type SimHosts } from "../sim/world.ts";
import { openJournal } from "../io/store/journal.ts";
import { openStateFolder, type StateFolder } from "./state-folder.ts";

export interface ComposeOptions {
  readonly state: StateFolder;
  readonly fleet: string;
  readonly source: Source;
  readonly clock: Clock;
  readonly log: Log;
  /** How many times faster than real hosts the simulated ones work. */
  readonly speed: number;
  readonly options?: Partial<ReconcilerOptions>;
}

/** A reconciler with everything it works with, open. */
export interface Composition {
  readonly reconciler: Reconciler;
  readonly hosts: SimHosts;
  readonly journal: Journal;
  readonly clock: Clock;
  /** Stops the reconciler, then closes what it works with. */
  close(): Promise<void>;
}

/** Wires adapters to ports. Throws a UserError when another process has the state folder, or it can't be used. */
export function compose({ state, fleet, source, clock, log, speed, options }: ComposeOptions): Composition {
  openStateFolder(state);
  const journal = openJournal({ path: state.journal, fleet });
  const hosts = createSimHosts({ clock, seed: `${fleet} ${clock.now()}`, speed, store: openSimStore(state.sim) });
  const buildDesired = definingHosts(hosts);
  const reconciler = createReconciler({ hosts, source, journal, clock, log, buildDesired, createPlanner, check }, options);
  return {
    reconciler,
    hosts,
    journal,
    clock,
    async close() {
      await reconciler.stop();
      await source.close();
      await hosts.close();
      journal.close();
    },
  };
}

/** Builds Desired, and makes the simulated machines that it names before anybody asks for them. */
function definingHosts(hosts: SimHosts): BuildDesired {
  const builder = createDesiredBuilder();
  return (manifests: Manifests): ReturnType<BuildDesired> => {
    const built: { desired: ReturnType<BuildDesired>["desired"]; problems: readonly ManifestProblem[] } = builder.build(manifests);
    if (built.desired !== null) hosts.world.define(built.desired.hosts);
    return built;
  };
}
