import { parseDuration } from "../../reconciler/core/units.ts";
import { openMemoryJournal } from "../../reconciler/io/store/memory-journal.ts";
import { check } from "../../reconciler/plan/check/check.ts";
import { createDesiredBuilder } from "../../reconciler/plan/desired/builder.ts";
import { createPlanner } from "../../reconciler/plan/planner.ts";
import type { Manifests } from "../../reconciler/core/manifests.ts";
import type { EventBody } from "../../reconciler/core/events.ts";
import { slotKey, trashKey } from "../../reconciler/core/ids.ts";
import type { Plan, PlanInput } from "../../reconciler/core/plan.ts";
import { DEFAULT_OPTIONS } from "../../reconciler/run/options.ts";
import type { Hosts, Journal } from "../../reconciler/run/ports.ts";
import { createReconciler, type OperatorEvent, type Reconciler } from "../../reconciler/run/reconciler.ts";
import { contentKey } from "../../reconciler/sim/host-state.ts";
import { createRandom, type Random } from "../../reconciler/sim/random.ts";
import { createVirtualClock, type VirtualClock } from "../../reconciler/sim/virtual-clock.ts";
import { SimWorld } from "../../reconciler/sim/world.ts";
import { failingJournal, type FailingJournal } from "./failing-journal.ts";
import { firstTree } from "./generate.ts";
import { checkPlan } from "./plan-rules.ts";
import { Repository, type Tree } from "./repository.ts";
import { Violation, WorldRules } from "./world-rules.ts";

const SILENT = { info: () => undefined, warn: () => undefined, error: () => undefined };

/** One life of a reconciler process. */
export interface Life {
  readonly reconciler: Reconciler;
  readonly connection: Hosts;
  readonly journal: FailingJournal;
  ended: boolean;
}

/** A finding or two, or a claim to be cleared, take a pass each. */
const MOST_IDLE = 100;

/** How long a step may go on after the plan that has it. */
const UNDER_WAY_MS = 120_000;

/** A fleet, its repository and the lives of its reconciler on one virtual clock, with the rules watching. */
export class Simulation {
  readonly clock: VirtualClock = createVirtualClock(Date.UTC(2026, 0, 5));
  readonly random: Random;
  readonly world: SimWorld;
  readonly repository: Repository;
  readonly rules: WorldRules;
  /** The last things that happened, newest last. */
  readonly story: string[] = [];
  /** What was ever committed, newest last. */
  readonly trees: Tree[] = [];
  /** Hosts an operator ever declared dead. */
  readonly declaredDead = new Set<string>();
  /** Entries of the trash that an operator ever let be destroyed, by trashKey. */
  readonly toPurge = new Set<string>();
  /** What operators want back, by trashKey: what it holds. */
  readonly wanted = new Map<string, string | undefined>();
  /** Entries of the trash that were ever to be restored. */
  readonly #everWanted = new Set<string>();
  /** The last fault is over. */
  over = false;
  life: Life | null = null;
  violation: Violation | null = null;
  counts = { events: 0, lives: 0, passes: 0, applies: 0, plansWithWork: 0, restores: 0 };
  #journal: Journal = openMemoryJournal();
  /** Where slots were placed last. */
  readonly #homes = new Map<string, string>();
  /** Passes in a row that wrote to the journal without any step. */
  #idle = 0;
  #jump = { byMs: 0, atMs: 0 };

  constructor(seed: string | number) {
    this.random = createRandom(seed);
    this.rules = new WorldRules({
      nowMs: () => this.#latestNowMs(),
      monotonicMs: () => this.clock.monotonic(),
      keepForMs: (host) => parseDuration(this.#trashOf(host)?.keepFor ?? "0s") ?? 0,
      reclaims: (host) => this.#trashOf(host)?.reclaim === "when-full",
      confirmedDead: (host) => this.declaredDead.has(host),
      wasWished: (host, trashId) => this.#everWanted.has(trashKey(host, trashId)),
      isWished: (host, trashId) => this.life?.reconciler.view().memory.restores.get(trashKey(host, trashId))?.lostAtMs === null,
      isToPurge: (host, trashId) => this.toPurge.has(trashKey(host, trashId)),
      capacityChanged: () => false,
      note: (line) => this.note(line),
      broken: (violation) => this.broken(violation),
    });
    this.world = new SimWorld({ clock: this.clock, seed: `${seed}/world`, heartbeatMs: 2000, witness: this.rules });
    this.repository = new Repository(this.clock, this.random.fork("repository"));
    while (!this.commit(firstTree(this.random), "first commit"));
  }

  /** Commits a tree if it is valid; its machines are there before it. */
  commit(tree: Tree, what: string): boolean {
    if (!this.repository.commit(tree)) return false;
    this.trees.push(tree);
    this.note(`commit ${this.repository.desired!.revision.commit}: ${what}`);
    this.world.define(this.repository.desired!.hosts);
    return true;
  }

  jumpClock(byMs: number): void {
    this.#jump = { byMs, atMs: this.clock.monotonic() };
    this.clock.jump(byMs);
  }

  /** The wall clock; soon after it was set back, what it would show without that: steps under way were planned by it. */
  #latestNowMs(): number {
    const { byMs, atMs } = this.#jump;
    return this.clock.now() - (this.clock.monotonic() - atMs < UNDER_WAY_MS ? Math.min(0, byMs) : 0);
  }

  note(line: string): void {
    this.counts.events++;
    this.story.push(`${(this.clock.monotonic() / 1000).toFixed(3).padStart(9)}  ${line}`);
    if (this.story.length > 400) this.story.splice(0, 200);
  }

  /** The first broken rule counts. */
  broken(violation: Violation): void {
    if (this.violation !== null) return;
    this.note(`BROKEN ${violation.rule}: ${violation.message}`);
    this.violation = violation;
  }

  /** Lets virtual time pass; ends early when a rule is broken. Says whether all is well. */
  async pass(ms: number): Promise<boolean> {
    for (let left = ms; left > 0 && this.violation === null; left -= 1000) await this.clock.advance(Math.min(1000, left));
    return this.violation === null;
  }

  /** A new process on the journal. */
  start(): void {
    this.counts.lives++;
    const connection = this.#counted(this.world.connect());
    const journal = failingJournal(this.#journal, () => this.kill("between two journal writes"));
    const builder = createDesiredBuilder();
    const ports = { hosts: connection, source: this.repository, journal, clock: this.clock, log: SILENT, check };
    const options = { ...DEFAULT_OPTIONS, fullEveryMs: 300_000 };
    const planner = { createPlanner: () => this.#watchedPlanner(), buildDesired: (manifests: Manifests) => builder.build(manifests) };
    const life: Life = { reconciler: createReconciler({ ...ports, ...planner }, options), connection, journal, ended: false };
    this.life = life;
    this.note(`reconciler ${this.counts.lives} starts`);
    void life.reconciler.crashed.then((error) => {
      if (!life.ended) this.broken(new Violation("the reconciler gave up", error.stack ?? error.message));
    });
    life.reconciler.onEvent((event) => {
      if (event.type === "journalled") this.#journalled(event.event);
      if (event.type === "passed") this.#passed(event.result.plan, event.result.violations);
    });
    life.reconciler.start();
  }

  /** The process dies now; its requests go on without it. A new one starts after a while. */
  kill(why: string): void {
    const { life } = this;
    if (life === null || life.ended) return;
    life.ended = true;
    this.note(`reconciler killed ${why}`);
    life.reconciler.kill();
    void life.connection.close();
    this.life = null;
    this.clock.after(this.random.between(100, this.random.chance(0.2) ? 120_000 : 5000), () => {
      if (this.life === null) this.start();
    });
  }

  /** The journal's file is gone: the next process starts with none. */
  loseJournal(): void {
    this.kill("and its journal is lost");
    this.wanted.clear();
    this.rules.excuseAll();
    this.#journal = openMemoryJournal();
  }

  /** What an operator says; false when it makes no sense just now. */
  tell(event: OperatorEvent): boolean {
    try {
      this.life?.reconciler.record(event);
      if (this.life !== null) this.#remember(event);
      this.note(`operator: ${JSON.stringify(event)}`);
      return this.life !== null;
    } catch (error) {
      if ((error as Error).name !== "JournalError" && (error as Error).name !== "Killed") throw error;
      // Killed after it was written: it counts.
      if ((error as Error).name === "Killed") this.#remember(event);
      return false;
    }
  }

  /** What an operator said of the trash, so that what comes of it can be judged. */
  #remember(event: OperatorEvent): void {
    if (event.type === "purge.asked") this.toPurge.add(trashKey(event.purge.host, event.purge.trashId));
    if (event.type === "restore.asked") {
      const { host, trashId } = event.restore;
      this.#everWanted.add(trashKey(host, trashId));
      this.wanted.set(trashKey(host, trashId), this.world.state(host).contents.get(contentKey({ trashId })));
    }
    if (event.type === "restore.cancelled") this.wanted.delete(trashKey(event.host, event.trashId));
  }

  /** A slot that leaves its host, or ends a restore half done, may begin with other data; what was restored is what was wanted. */
  #journalled(event: EventBody): void {
    if (event.type === "slot.retired") this.rules.excuse(slotKey(event.set, event.index));
    if (event.type === "slot.placed" || event.type === "slot.adopted") this.#placed(slotKey(event.set, event.index), event.claim.host);
    if (event.type !== "restore.ended") return;
    const key = trashKey(event.host, event.trashId);
    const wanted = this.wanted.get(key);
    this.wanted.delete(key);
    if (event.outcome === "done") this.counts.restores++;
    if (event.outcome !== "done" || wanted === undefined) return this.rules.excuse(slotKey(event.set, event.index));
    const volumes = [...(this.world.state(event.host).slots.get(slotKey(event.set, event.index))?.volumes.values() ?? [])];
    if (!volumes.some((volume) => this.world.state(event.host).contents.get(contentKey(volume)) === wanted))
      this.broken(
        new Violation("5 volumes", `${slotKey(event.set, event.index)} has its volume back from ${key}, and not the data ${wanted}`),
      );
  }

  #placed(slot: string, host: string): void {
    if (this.#homes.get(slot) !== host) this.rules.excuse(slot);
    this.#homes.set(slot, host);
  }

  #passed(plan: Plan | null, violations: readonly { readonly code: string; readonly text: string }[]): void {
    this.counts.passes++;
    this.#idle = plan !== null && plan.intents.length > 0 && plan.actions.length === 0 ? this.#idle + 1 : 0;
    if (this.#idle > MOST_IDLE)
      this.broken(new Violation("it stopped", `${this.#idle} passes in a row wrote to the journal and did nothing`));
    if (plan !== null && plan.actions.length > 0) {
      this.counts.plansWithWork++;
      this.note(`plan ${plan.hash} of ${plan.actions.length} actions`);
    }
    const [first] = violations;
    if (first !== undefined) this.broken(new Violation("the plan's own check", `${first.code}: ${first.text}`));
  }

  /** The real planner; each plan is judged, and now and then compared with what a fresh planner makes. */
  #watchedPlanner(): { plan(input: PlanInput): Plan } {
    const planner = createPlanner();
    return {
      plan: (input) => {
        const plan = planner.plan(input);
        try {
          checkPlan(input, plan);
          if (this.random.chance(0.05) || (this.over && this.counts.passes % 5 === 0)) compareWithFresh(input, plan);
        } catch (error) {
          if (!(error instanceof Violation)) throw error;
          this.broken(error);
        }
        return plan;
      },
    };
  }

  #counted(connection: Hosts): Hosts {
    return {
      follow: (hosts, listener) => connection.follow(hosts, listener),
      observe: (host, signal) => connection.observe(host, signal),
      close: () => connection.close(),
      apply: (host, request, signal) => {
        this.counts.applies++;
        return connection.apply(host, request, signal);
      },
    };
  }

  #trashOf(host: string): { readonly keepFor?: string; readonly reclaim?: string } | undefined {
    const pools = [...this.repository.tree.pools.values()];
    return pools.find(({ spec }) => spec.hosts.some((candidate) => candidate.name === host))?.spec.storage?.trash;
  }
}

function compareWithFresh(input: PlanInput, plan: Plan): void {
  const fresh = createPlanner().plan(input);
  const [a, b] = [JSON.stringify(plan), JSON.stringify(fresh)];
  if (a === b) return;
  let at = 0;
  while (a[at] === b[at]) at++;
  const from = Math.max(0, at - 200);
  throw new Violation("the incremental plan is another", `kept: …${a.slice(from, at + 300)}…\nfresh: …${b.slice(from, at + 300)}…`);
}
