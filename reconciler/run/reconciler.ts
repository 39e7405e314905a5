import type { Desired } from "../core/desired.ts";
import type { EventBody } from "../core/events.ts";
import type { Memory } from "../core/memory.ts";
import type { Fleet } from "../core/observation.ts";
import { createSettingsReader, type SettingsReader } from "../plan/desired/host-settings.ts";
import { createExecutor, type Executor, type InFlight } from "./execute.ts";
import { createFleet, type FleetKeeper } from "./fleet.ts";
import { hostsToFollow } from "./follow.ts";
import { JournalError } from "./fold/draft.ts";
import { type Ledger, openLedger } from "./ledger.ts";
import { logEvents, logPass } from "./log-events.ts";
import { createLoop, type Loop } from "./loop.ts";
import { DEFAULT_OPTIONS, type ReconcilerOptions } from "./options.ts";
import { createPasses, type Passes, type PassPorts, type PassResult } from "./pass.ts";
import type { Clock, FollowedHost, Hosts, Journal, Log, Source } from "./ports.ts";
import { type BuildDesired, createRevisions, destroysFrozen, type Revisions, type SourceStatus } from "./revisions.ts";
import { createSourceReader, type SourceReader } from "./source-reader.ts";

/** Drives a fleet to what its source says, for as long as it runs. */
export interface Reconciler {
  /** Begins to read the source, follow hosts and run passes. */
  start(): void;
  /** Starts nothing more, waits for started actions (bounded), stores a snapshot. The ports stay open. */
  stop(): Promise<void>;
  /** Ends at once, as a crash would: nothing more is decided, written or sent. */
  kill(): void;
  /** The source may be new. */
  nudge(): void;
  /** Journals what an operator says. Throws a JournalError, and changes nothing, when it makes no sense (no such hold). */
  record(event: OperatorEvent): void;
  view(): ReconcilerView;
  /** Resolves when the source was read, the newest plan has no actions and nothing is under way. Rejects when aborted or ended. */
  settled(signal: AbortSignal): Promise<void>;
  /** Calls back with everything that happens; returns what ends that. The listener must not throw. */
  onEvent(listener: (event: ReconcilerEvent) => void): () => void;
  /** Resolves when the reconciler can't go on (the journal can't be written, or a defect): it did what `kill` does. */
  readonly crashed: Promise<Error>;
}

export interface ReconcilerPorts extends Pick<PassPorts, "createPlanner" | "check"> {
  readonly hosts: Hosts;
  readonly source: Source;
  readonly journal: Journal;
  readonly clock: Clock;
  readonly log: Log;
  readonly buildDesired: BuildDesired;
}

/** What people may add to the journal. */
export type OperatorEvent = Extract<
  EventBody,
  {
    readonly type:
      | "hold.placed"
      | "hold.released"
      | "host.state"
      | "host.dead"
      | "destroys.confirmed"
      | "restore.asked"
      | "restore.cancelled"
      | "purge.asked";
  }
>;

export type ReconcilerEvent =
  /** Written to the journal: revisions, actions, claims, operators' words. */
  | { readonly type: "journalled"; readonly event: EventBody }
  | { readonly type: "passed"; readonly result: PassResult; readonly full: boolean; readonly durationMs: number };

/** What there is to see; the maps in it are live. */
export interface ReconcilerView {
  /** Wall clock. */
  readonly startedAtMs: number;
  readonly source: SourceStatus;
  readonly desired: Desired | null;
  readonly memory: Memory;
  readonly fleet: Fleet;
  /** The newest pass; null before the first. */
  readonly pass: PassResult | null;
  readonly passes: PassCounters;
  readonly inFlight: readonly InFlight[];
  /** Actions of the newest plan that did not start yet. */
  readonly waiting: number;
  readonly settled: boolean;
}

/** Durations in milliseconds. */
export interface PassCounters {
  readonly count: number;
  readonly full: number;
  /** Passes whose plan had intents or actions. */
  readonly withWork: number;
  readonly violated: number;
  readonly lastMs: number;
  readonly longestMs: number;
  readonly totalMs: number;
}

/** A reconciler that has loaded its journal and waits for `start`. Throws a JournalError for a journal that makes no sense. */
export function createReconciler(ports: ReconcilerPorts, options: Partial<ReconcilerOptions> = {}): Reconciler {
  return new FleetReconciler(ports, { ...DEFAULT_OPTIONS, ...options });
}

const NO_PASSES: PassCounters = { count: 0, full: 0, withWork: 0, violated: 0, lastMs: 0, longestMs: 0, totalMs: 0 };

class FleetReconciler implements Reconciler {
  readonly crashed: Promise<Error>;
  readonly #ports: ReconcilerPorts;
  readonly #options: ReconcilerOptions;
  readonly #ledger: Ledger;
  readonly #fleet: FleetKeeper;
  readonly #executor: Executor;
  readonly #passes: Passes;
  readonly #revisions: Revisions;
  readonly #reader: SourceReader;
  readonly #loop: Loop;
  /** Ends decisions: reading and passes. */
  readonly #deciding = new AbortController();
  /** Ends everything. */
  readonly #lifetime = new AbortController();
  readonly #listeners = new Set<(event: ReconcilerEvent) => void>();
  readonly #waiters = new Set<() => void>();
  readonly #reportCrash: (error: Error) => void;
  readonly #startedAtMs: number;
  readonly #startedMonotonicMs: number;
  /** Monotonic time at which a host was confirmed dead while this process ran. */
  readonly #deadSince = new Map<string, number>();
  #running: Promise<unknown> = Promise.resolve();
  #followed: Desired | null = null;
  #hosts: readonly FollowedHost[] = [];
  readonly #readSettings: SettingsReader;
  #followedAtMs = 0;
  #listening = true;
  #pass: PassResult | null = null;
  #counters = NO_PASSES;

  constructor(ports: ReconcilerPorts, options: ReconcilerOptions) {
    const { promise, resolve } = Promise.withResolvers<Error>();
    this.crashed = promise;
    this.#reportCrash = resolve;
    this.#ports = ports;
    this.#options = options;
    this.#readSettings = createSettingsReader(options.fleet);
    const { clock, hosts, source, log } = ports;
    this.#startedAtMs = clock.now();
    this.#startedMonotonicMs = clock.monotonic();
    this.#ledger = openLedger(ports.journal, clock, options.snapshotEvery);
    const shared = {
      clock,
      log,
      hosts,
      source,
      memory: () => this.#ledger.memory(),
      append: (events: readonly EventBody[]) => this.#append(events),
      crash: (error: unknown) => this.#crash(error),
    };
    const lifetime = this.#lifetime.signal;
    const deciding = this.#deciding.signal;
    this.#fleet = createFleet(clock, {
      observed: (host) => this.#observed(host),
      heard: (host) => this.#heard(host),
      lost: () => this.#loop.request(options.debounceMs),
    });
    const fleet = this.#fleet;
    this.#executor = createExecutor({
      ...shared,
      fleet,
      limits: options,
      lifetime,
      slotFreed: () => this.#loop.request(options.debounceMs),
    });
    this.#passes = createPasses({ ...shared, fleet, executor: this.#executor, createPlanner: ports.createPlanner, check: ports.check });
    const { readDeadlineMs } = options;
    this.#revisions = createRevisions({ ...shared, readDeadlineMs, build: ports.buildDesired, changed: () => this.#revisionChanged() });
    this.#reader = createSourceReader(
      {
        ...shared,
        lifetime: deciding,
        take: (reading, signal) => this.#revisions.take(reading, signal),
        done: () => this.#checkSettled(),
      },
      options,
    );
    this.#loop = createLoop(clock, deciding, options, (full) => this.#runPass(full));
  }

  start(): void {
    this.#running = Promise.all([this.#reader.run(), this.#loop.run()]).catch((error: unknown) => {
      if (!this.#deciding.signal.aborted) this.#crash(error);
    });
  }

  async stop(): Promise<void> {
    this.#deciding.abort(new Error("the reconciler is stopping"));
    await this.#running;
    await this.#executor.drain(this.#options.drainMs);
    if (this.#lifetime.signal.aborted) return;
    this.#ledger.snapshot();
    this.#end(new Error("the reconciler was stopped"));
  }

  kill(): void {
    this.#end(new Error("the reconciler was killed"));
  }

  nudge(): void {
    this.#reader.nudge();
  }

  record(event: OperatorEvent): void {
    this.#append([event]);
    if (event.type === "host.dead") this.#deadSince.set(event.host, this.#ports.clock.monotonic());
    this.#loop.requestNow();
  }

  view(): ReconcilerView {
    return {
      startedAtMs: this.#startedAtMs,
      source: this.#revisions.status(),
      desired: this.#revisions.desired(),
      memory: this.#ledger.memory(),
      fleet: this.#fleet.views,
      pass: this.#pass,
      passes: this.#counters,
      inFlight: this.#executor.inFlight(),
      waiting: this.#executor.waiting(),
      settled: this.#isSettled(),
    };
  }

  settled(signal: AbortSignal): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const ends = AbortSignal.any([signal, this.#lifetime.signal]);
    const abort = (): void => reject(ends.reason as Error);
    if (ends.aborted) abort();
    ends.addEventListener("abort", abort, { once: true });
    this.#waiters.add(resolve);
    this.#checkSettled();
    return promise.finally(() => {
      this.#waiters.delete(resolve);
      ends.removeEventListener("abort", abort);
    });
  }

  onEvent(listener: (event: ReconcilerEvent) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  #runPass(full: boolean): number | null {
    const desired = this.#revisions.desired();
    if (desired === null || this.#listens()) return null;
    const { clock, log } = this.#ports;
    const startedAtMs = clock.monotonic();
    this.#journalReturns();
    const uninventoried = this.#ledger.memory().uninventoried?.size;
    const frozen = destroysFrozen(this.#revisions.status());
    const result = this.#passes.run({ desired, destroysFrozen: frozen, startedAtMs: this.#startedMonotonicMs }, full);
    this.#ledger.snapshotIfDue();
    const durationMs = clock.monotonic() - startedAtMs;
    this.#counters = counted(this.#counters, result, full, durationMs);
    this.#pass = result;
    logPass(log, result, durationMs);
    this.#emit({ type: "passed", result, full, durationMs });
    // What this pass journalled (the inventory, claims that are over) changes what the next one decides, and no step will call for it.
    const inventoriedMore = this.#ledger.memory().uninventoried?.size !== uninventoried;
    if (inventoriedMore || onlyJournals(result)) this.#loop.request(this.#options.debounceMs);
    this.#checkSettled();
    return result.plan?.wakeAtMs ?? null;
  }

  /** Right after the start nothing was heard of most hosts: a pass would take that for silence. */
  #listens(): boolean {
    if (!this.#listening) return false;
    const leftMs = this.#followedAtMs + this.#options.listenMs - this.#ports.clock.monotonic();
    this.#listening = this.#fleet.unheard() > 0 && leftMs > 0;
    if (this.#listening) this.#loop.request(leftMs);
    return this.#listening;
  }

  /** Another Revision, or another state of its source: plan for it before anything else. */
  #revisionChanged(): void {
    const desired = this.#revisions.desired();
    if (desired !== null && desired !== this.#followed) this.#follow(desired);
    this.#loop.requestNow();
  }

  #follow(desired: Desired): void {
    const isFirst = this.#followed === null;
    this.#followed = desired;
    this.#followedAtMs = this.#ports.clock.monotonic();
    const memory = this.#ledger.memory();
    this.#hosts = hostsToFollow(desired, this.#readSettings(desired), this.#hosts, memory);
    this.#fleet.follow(this.#hosts);
    this.#ports.hosts.follow(this.#hosts, this.#fleet.listener);
    if (!isFirst) return;
    const { running, sets } = memory;
    this.#executor.recover([...running.values()], ({ set, index }) => sets.get(set)?.failures.get(index)?.input ?? "");
  }

  #observed(host: string): void {
    this.#executor.observed(host);
    this.#loop.request(this.#executor.working(host) ? this.#options.busyHostMs : this.#options.debounceMs);
  }

  #heard(host: string): void {
    if (this.#fleet.views.get(host)?.problem !== "") this.#executor.refresh(host);
    if (this.#hasReturned(host)) this.#loop.request(this.#options.debounceMs);
  }

  /** A host that was confirmed dead and was heard since. */
  #hasReturned(host: string): boolean {
    if ((this.#ledger.memory().hosts.get(host)?.confirmedDeadAtMs ?? null) === null) return false;
    const heardAtMs = this.#fleet.views.get(host)?.heardAtMs ?? null;
    return heardAtMs !== null && heardAtMs >= (this.#deadSince.get(host) ?? this.#startedMonotonicMs);
  }

  #journalReturns(): void {
    const returned = [...this.#ledger.memory().hosts.keys()].filter((host) => this.#hasReturned(host));
    if (returned.length > 0) this.#append(returned.map((host) => ({ type: "host.returned", host })));
  }

  /** Journals events. When that fails this process must not go on: the next one begins from what was written. */
  #append(events: readonly EventBody[]): void {
    this.#lifetime.signal.throwIfAborted();
    try {
      this.#ledger.append(events);
    } catch (error) {
      if (!(error instanceof JournalError && isOperators(events))) this.#crash(error);
      throw error;
    }
    logEvents(this.#ports.log, events);
    for (const event of events) this.#emit({ type: "journalled", event });
  }

  #isSettled(): boolean {
    if (this.#lifetime.signal.aborted || this.#revisions.status().reads === 0 || this.#reader.reading()) return false;
    if (this.#revisions.desired() === null) return true;
    const hearing = this.#fleet.unheard() > 0 && this.#ports.clock.monotonic() < this.#followedAtMs + this.#options.hearWithinMs;
    const planned = this.#pass !== null && this.#pass.violations.length === 0 && this.#pass.plan?.actions.length === 0;
    return planned && !hearing && !this.#loop.requested() && this.#executor.idle();
  }

  #checkSettled(): void {
    if (this.#waiters.size === 0 || !this.#isSettled()) return;
    for (const resolve of this.#waiters) resolve();
  }

  #emit(event: ReconcilerEvent): void {
    for (const listener of this.#listeners) listener(event);
  }

  #crash(cause: unknown): void {
    if (this.#lifetime.signal.aborted) return;
    const error = cause instanceof Error ? cause : new Error(String(cause));
    this.#ports.log.error({ error }, "the reconciler can't go on");
    this.#end(error);
    this.#reportCrash(error);
  }

  #end(reason: Error): void {
    this.#deciding.abort(reason);
    this.#lifetime.abort(reason);
  }
}

/** A sound plan that wrote to the journal and has no actions. */
function onlyJournals({ plan, violations }: PassResult): boolean {
  return plan !== null && violations.length === 0 && plan.intents.length > 0 && plan.actions.length === 0;
}

function isOperators(events: readonly EventBody[]): boolean {
  return events.every((event) => OPERATOR_EVENTS.has(event.type));
}

const OPERATOR_EVENTS: ReadonlySet<string> = new Set<OperatorEvent["type"]>([
  "hold.placed",
  "hold.released",
  "host.state",
  "host.dead",
  "destroys.confirmed",
  "restore.asked",
  "restore.cancelled",
  "purge.asked",
]);

function counted(before: PassCounters, { plan, violations }: PassResult, full: boolean, durationMs: number): PassCounters {
  const works = plan !== null && plan.intents.length + plan.actions.length > 0;
  return {
    count: before.count + 1,
    full: before.full + (full ? 1 : 0),
    withWork: before.withWork + (works ? 1 : 0),
    violated: before.violated + (violations.length > 0 ? 1 : 0),
    lastMs: durationMs,
    longestMs: Math.max(before.longestMs, durationMs),
    totalMs: before.totalMs + durationMs,
  };
}
