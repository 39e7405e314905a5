import type { ManifestProblem, Manifests } from "../core/manifests.ts";
import { check } from "../plan/check/check.ts";
import { createDesiredBuilder } from "../plan/desired/builder.ts";
import { createPlanner } from "../plan/planner.ts";
import type { ReconcilerOptions } from "../run/options.ts";
import type { Clock, Hosts, Journal, Log, Source } from "../run/ports.ts";
import { createReconciler, type Reconciler } from "../run/reconciler.ts";
import type { BuildDesired } from "../run/revisions.ts";
import { openSimStore } from "../sim/store.ts";
import { createSimHosts, type SimHosts, type SimWorld } from "../sim/world.ts";
import { createHosts } from "../io/hosts/hosts.ts";
import { createRemoteHosts } from "../io/hosts/remote-hosts.ts";
import { openJournal } from "../io/store/journal.ts";
import { openStateFolder, type StateFolder } from "./state-folder.ts";
import { definedOnly } from "./terminal.ts";

export interface ComposeOptions {
  readonly state: StateFolder;
  readonly fleet: string;
  readonly source: Source;
  readonly clock: Clock;
  readonly log: Log;
  /** How many times faster than real hosts the simulated ones work. */
  readonly speed: number;
  /** Of the process: what ssh needs of it. */
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly options?: Partial<ReconcilerOptions>;
}

/** A reconciler with everything it works with, open. */
export interface Composition {
  readonly reconciler: Reconciler;
  /** null while the manifests name no simulated host. */
  readonly world: () => SimWorld | null;
  readonly journal: Journal;
  readonly clock: Clock;
  /** Stops the reconciler, then closes what it works with. */
  close(): Promise<void>;
}

/** Wires adapters to ports. Throws a UserError when another process has the state folder, or it can't be used. */
export function compose({ state, fleet, source, clock, log, speed, environment, options }: ComposeOptions): Composition {
  openStateFolder(state);
  const journal = openJournal({ path: state.journal, fleet });
  let simulated: SimHosts | null = null;
  const sim = (): SimHosts =>
    (simulated ??= createSimHosts({ clock, seed: `${fleet} ${clock.now()}`, speed, store: openSimStore(state.sim) }));
  const remote = (): Hosts => createRemoteHosts({ clock, log, stateDir: state.dir, environment: definedOnly(environment) });
  const hosts = createHosts({ sim, remote });
  const buildDesired = definingHosts(sim);
  const reconciler = createReconciler({ hosts, source, journal, clock, log, buildDesired, createPlanner, check }, { ...options, fleet });
  return {
    reconciler,
    world: () => simulated?.world ?? null,
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
function definingHosts(sim: () => SimHosts): BuildDesired {
  const builder = createDesiredBuilder();
  return (manifests: Manifests): ReturnType<BuildDesired> => {
    const built: { desired: ReturnType<BuildDesired>["desired"]; problems: readonly ManifestProblem[] } = builder.build(manifests);
    const simulated = built.desired?.hosts.filter(({ agent }) => agent === "sim") ?? [];
    if (simulated.length > 0) sim().world.define(simulated);
    return built;
  };
}
