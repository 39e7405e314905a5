import { afterEach, expect } from "vitest";
import type { Desired, DesiredPool } from "../../reconciler/core/desired.ts";
import type { EventBody, JournalEvent } from "../../reconciler/core/events.ts";
import { slotKey } from "../../reconciler/core/ids.ts";
import type { ManifestProblem, Manifests } from "../../reconciler/core/manifests.ts";
import type { Action, Plan, PlanInput } from "../../reconciler/core/plan.ts";
import { NO_RESOURCES } from "../../reconciler/core/resources.ts";
import { openMemoryJournal } from "../../reconciler/io/store/memory-journal.ts";
import { DEFAULT_OPTIONS, type ReconcilerOptions } from "../../reconciler/run/options.ts";
import type { Planner, PlanViolation } from "../../reconciler/run/pass.ts";
import type { Journal, Source, SourceReading } from "../../reconciler/run/ports.ts";
import { createReconciler, type Reconciler, type ReconcilerEvent } from "../../reconciler/run/reconciler.ts";
import type { BuildDesired } from "../../reconciler/run/revisions.ts";
import { createVirtualClock, type VirtualClock } from "../../reconciler/sim/virtual-clock.ts";
import { type Behaviour, effectOf, FakeHosts } from "./fake-hosts.ts";

export const DONE: Behaviour = { does: "done", tookMs: 10 };

/** What the tiny planner is to reach: on this host, these effects in order. */
export interface Chain {
  readonly host: string;
  readonly set: string;
  readonly index: number;
  readonly kinds: readonly ("pullImage" | "awaitHealthy" | "stopInstance" | "removeInstance")[];
  readonly deadlineMs?: number;
  /** `set/index` of chains that must be done first. */
  readonly after?: readonly string[];
}

/** A source that reads what the test says, and complains when it says nothing. */
export class FakeSource implements Source {
  reading: SourceReading | "hangs" | null = null;
  old = new Map<string, SourceReading>();
  reads = 0;
  onChange: () => void = () => undefined;
  #clock: VirtualClock;

  constructor(clock: VirtualClock) {
    this.#clock = clock;
  }

  async read(signal: AbortSignal): Promise<SourceReading> {
    this.reads += 1;
    await this.#clock.sleep(this.reading === "hangs" ? 1e9 : 5, signal);
    if (this.reading === null || this.reading === "hangs") throw new Error("unset: read");
    return this.reading;
  }

  async readCommit(commit: string, signal: AbortSignal): Promise<SourceReading> {
    await this.#clock.sleep(5, signal);
    return this.old.get(commit) ?? { kind: "failed", code: "git-commit-missing", why: `no commit ${commit}` };
  }

  watch(onChange: () => void): void {
    this.onChange = onChange;
  }

  close(): Promise<void> {
    return Promise.resolve();
  }
}

/** A reconciler over a fake world, with a planner that wants `chains`. */
export class Rig {
  readonly clock = createVirtualClock(1_700_000_000_000);
  readonly stored = openMemoryJournal();
  readonly journal: Journal = this.stored;
  readonly hosts = new FakeHosts(this.clock, this.stored);
  readonly source = new FakeSource(this.clock);
  readonly inputs: PlanInput[] = [];
  readonly passesAtMs: number[] = [];
  readonly events: ReconcilerEvent[] = [];
  planners = 0;
  chains: Chain[] = [];
  /** Takes the place of the tiny planner. */
  planWith: ((input: PlanInput) => Plan) | null = null;
  buildWith = (manifests: Manifests): ReturnType<BuildDesired> => {
    const hosts = [...this.hosts.world.keys()].filter((host) => !this.leftOut.includes(host));
    return { desired: desiredOf(manifests, hosts), problems: [] };
  };
  /** Hosts of the world that the manifests do not name. */
  leftOut: string[] = [];
  violations: PlanViolation[] = [];
  intents: EventBody[] = [];
  reconciler: Reconciler;

  constructor(options: Partial<ReconcilerOptions> = {}) {
    this.reconciler = this.create(options);
  }

  /** One more reconciler over the same world, as after a crash. */
  create(options: Partial<ReconcilerOptions>, journal: Journal = this.journal): Reconciler {
    const reconciler = createReconciler(
      {
        hosts: this.hosts,
        source: this.source,
        journal,
        clock: this.clock,
        log: { info: () => undefined, warn: () => undefined, error: () => undefined },
        buildDesired: (manifests) => this.buildWith(manifests),
        createPlanner: () => this.#planner(),
        check: () => this.violations,
      },
      { ...DEFAULT_OPTIONS, ...options },
    );
    reconciler.onEvent((event) => this.events.push(event));
    return reconciler;
  }

  /** Starts with commit `c1` and lets a second pass. */
  async begin(commit = "c1"): Promise<void> {
    this.source.reading = loaded(commit);
    this.reconciler.start();
    await this.clock.advance(1_000);
  }

  /** Types and subjects of what was journalled, newest last. */
  written(): string[] {
    return this.stored.load().events.map(shortly);
  }

  /** Everything a fake complained of; call it last. */
  expectNoComplaints(): void {
    expect(this.hosts.complaints).toEqual([]);
  }

  #planner(): Planner {
    this.planners += 1;
    return {
      plan: (input) => {
        this.inputs.push({ ...input });
        this.passesAtMs.push(input.monotonicMs);
        const intents = this.intents;
        this.intents = [];
        return this.planWith?.(input) ?? { ...planOf(missingSteps(input, this.chains), input.desired.revision.commit), intents };
      },
    };
  }
}

const rigs: Rig[] = [];

/** A rig that is ended and asked for complaints after the test. */
export function newRig(options: Partial<ReconcilerOptions> = {}): Rig {
  const rig = new Rig(options);
  rigs.push(rig);
  return rig;
}

afterEach(() => {
  for (const rig of rigs.splice(0)) {
    rig.reconciler.kill();
    rig.expectNoComplaints();
  }
});

/** Two steps of `web/INDEX` on a host. */
export function chain(host: string, index: number, change: Partial<Chain> = {}): Chain {
  return { host, set: "web", index, kinds: ["pullImage", "awaitHealthy"], ...change };
}

export function hold(name: string) {
  return { scope: "set", name, who: "ann", why: "testing", sinceMs: 1, untilMs: null } as const;
}

/** A reading of a commit with nothing in it: the rig's planner takes its wishes from the rig. */
export function loaded(commit: string): SourceReading {
  return { kind: "loaded", manifests: { revision: { commit }, pools: [], sets: [], policies: [] } };
}

export function invalid(commit: string, ...messages: string[]): SourceReading {
  const position = { file: "web.yaml", line: 3, column: 5 };
  const problems = messages.map((message): ManifestProblem => {
    return { code: "unknown-field", severity: "error", position, message, hint: "", frame: "" };
  });
  return { kind: "invalid", commit, problems };
}

export function failed(why: string): SourceReading {
  return { kind: "failed", code: "git-unreachable", why };
}

/** A plan of these actions; its hash tells them apart. */
export function planOf(actions: readonly Action[], commit = "c1"): Plan {
  const hash = actions.map((action) => `${action.host} ${effectOf(action)} ${action.needs.join()}`).join("; ");
  return { hash, commit, changes: [], unchanged: 0, actions, intents: [], problems: [], held: [], confirmed: [], wakeAtMs: null };
}

/** Steps of the chains whose effect is not observed, each after the one before; busy slots and silent hosts are left alone. */
function missingSteps(input: PlanInput, chains: readonly Chain[]): Action[] {
  const actions: Action[] = [];
  const lastOf = new Map<string, number>();
  for (const chain of chains) {
    const view = input.fleet.get(chain.host);
    if (input.busy.has(slotKey(chain.set, chain.index)) || view === undefined || view.observation === null || view.problem !== "") continue;
    // What is under way is not done yet and has no number in this plan: whatever needs it waits for a later pass.
    if (chain.after?.some((slot) => input.busy.has(slot)) === true) continue;
    const needs = (chain.after ?? []).flatMap((slot) => lastOf.get(slot) ?? []);
    for (const kind of chain.kinds) {
      const action = actionOf(actions.length, chain, kind, needs.splice(0));
      if (view.observation.images.includes(effectOf(action))) continue;
      actions.push(action);
      lastOf.set(slotKey(chain.set, chain.index), action.number);
      needs.push(action.number);
    }
  }
  return actions;
}

function actionOf(number: number, chain: Chain, kind: Chain["kinds"][number], needs: readonly number[]): Action {
  const { host, set, index, deadlineMs = 60_000 } = chain;
  const step = { number, host, set, index, generation: 1, taskId: "task", needs, input: "spec", deadlineMs };
  switch (kind) {
    case "pullImage":
      return { ...step, kind, image: "web:1" };
    case "stopInstance":
      return { ...step, kind, graceMs: 0 };
    case "awaitHealthy":
    case "removeInstance":
      return { ...step, kind };
    default:
      return kind satisfies never;
  }
}

/** A Desired with the hosts alone. */
function desiredOf({ revision }: Manifests, hosts: readonly string[]): Desired {
  return {
    revision,
    pools: new Map([["main", POOL]]),
    sets: new Map(),
    hosts: hosts.map((name) => {
      return {
        name,
        pool: "main",
        zone: "z",
        rack: "r",
        labels: {},
        agent: "sim",
        address: null,
        cpus: null,
        capacity: NO_RESOURCES,
        state: "active",
      };
    }),
  };
}

const POOL: DesiredPool = {
  name: "main",
  network: {
    cidr: "10.0.0.0/16",
    gateway: "10.0.0.1",
    vlan: null,
    reserved: [],
    driver: "ovs",
    bridge: "setpoint0",
    datapath: "system",
    mtu: 1500,
    overlay: null,
  },
  storage: { volumeGroup: null, thinPool: null, folder: "/srv", trashKeepForMs: 1, trashReclaim: "never" },
  cpuOvercommit: 1,
  isolation: { ovs: null, vms: null },
  memoryReserveBytes: 0,
  watermark: 0.8,
  failure: { suspectAfterMs: 10_000, lostAfterMs: 60_000, brake: 0.3, leaseForMs: 30_000 },
  budget: { percent: 10, count: 20 },
  limits: "required",
  source: { file: "pool.yaml", line: 1, column: 1 },
};

/** One line per event, for asserting what was written in which order. */
function shortly(event: JournalEvent): string {
  if (event.type === "action.started") return `started ${event.id} ${event.kind} ${event.set}/${event.index}`;
  if (event.type === "action.ended") return `ended ${event.id} ${event.outcome}${event.code === "" ? "" : ` ${event.code}`}`;
  if (event.type === "revision.accepted" || event.type === "revision.rejected") return `${event.type} ${event.commit}`;
  if (event.type === "host.dead" || event.type === "host.returned") return `${event.type} ${event.host}`;
  return event.type;
}
