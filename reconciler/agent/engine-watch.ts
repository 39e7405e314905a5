import { slotKey } from "../core/ids.ts";
import { withinTime } from "./deadline.ts";
import type { HostCore } from "./host-core.ts";
import { type InstanceRef, StepError } from "./ports.ts";
import { createRounds } from "./rounds.ts";
import type { Supervisor } from "./supervise/supervisor.ts";

const PING_EVERY_MS = 5_000;
const PING_WITHIN_MS = 2_000;
/** Between two pings while the engine does not answer. */
const RETRY_MS = 1_000;
/** Pings in a row without answer after which the engine counts as hung. */
const MOST_MISSES = 3;
/** Pings in a row that nobody took after which it counts as gone. More than one: a restart is no news. */
const MOST_REFUSALS = 2;
/** Everything is listed anew at least this often, whatever events came. */
const RESYNC_EVERY_MS = 60_000;
const REPAIR_WITHIN_MS = 30_000;
/** After an event, so that those that come together share a look. */
const GATHER_MS = 20;
/** Past this many changed Instances one listing of all is cheaper. */
const MOST_SINGLE_LOOKS = 8;

/** Knows whether the engine answers, hears its events, and has everything looked at when it comes back. */
export class EngineWatch {
  readonly #core: HostCore;
  readonly #supervisor: Supervisor;
  /** Resolves when the engine was asked once, whatever came of it. */
  readonly asked: Promise<void>;
  readonly #lookSoon = createRounds(
    () => this.#lookAtChanged(),
    () => this.#pause(GATHER_MS),
  );
  #tellAsked: () => void = () => undefined;
  #misses = 0;
  #refusals = 0;
  /** Aborted when the next ping is due at once. */
  #nextPing = new AbortController();
  #listedAtMs = 0;
  #repairTrouble = "";

  constructor(core: HostCore, supervisor: Supervisor) {
    this.#core = core;
    this.#supervisor = supervisor;
    this.asked = new Promise((resolve) => (this.#tellAsked = resolve));
  }

  /** Runs until the agent stops; never rejects. */
  async run(): Promise<void> {
    await Promise.all([this.#untilStopped(() => this.#ping()), this.#untilStopped(() => this.#listen())]);
    // Who still waits is told that the agent stopped.
    this.#tellAsked();
  }

  /** A listing failed: the engine counts as gone until it answers a ping and a listing again. */
  lost(problem: string): void {
    const { picture, parts } = this.#core;
    if (picture.engineProblem !== problem) parts.log.warn({ problem }, "the container engine does not answer");
    picture.engineProblem = problem;
    this.#core.publish();
  }

  async #untilStopped(turn: () => Promise<void>): Promise<void> {
    const { signal } = this.#core.lifetime;
    while (!signal.aborted) {
      try {
        await turn();
      } catch (error) {
        if (signal.aborted) return;
        this.#core.parts.log.warn({ error }, "watching the container engine met trouble");
        await this.#pause(RETRY_MS);
      }
    }
  }

  /** One ping and what follows from it, then the pause before the next. */
  async #ping(): Promise<void> {
    const { picture, parts } = this.#core;
    this.#nextPing = new AbortController();
    const problem = await this.#pingOnce();
    const isGone = this.#misses >= MOST_MISSES || this.#refusals >= MOST_REFUSALS;
    if (problem !== null && (isGone || !picture.looked)) this.lost(problem);
    if (problem === null && picture.engineProblem !== null) await this.#back();
    else if (problem === null && parts.clock.monotonic() - this.#listedAtMs >= RESYNC_EVERY_MS) await this.#resync();
    else if (problem === null && this.#due().length > 0) await this.#lookSoon();
    await this.#repair();
    await this.#refreshSecrets();
    this.#tellAsked();
    await this.#pause(problem === null ? PING_EVERY_MS : RETRY_MS, this.#nextPing.signal);
  }

  /** What is wrong with the engine; null: it answers. Counts. */
  async #pingOnce(): Promise<string | null> {
    const { clock, engine } = this.#core.parts;
    const limits = { ms: PING_WITHIN_MS, what: "a ping", lifetime: this.#core.lifetime.signal };
    try {
      await withinTime(clock, limits, (signal) => engine.ping(signal));
      this.#misses = this.#refusals = 0;
      return null;
    } catch (error) {
      this.#core.lifetime.signal.throwIfAborted();
      this.#misses++;
      this.#refusals = error instanceof StepError && error.code === "engine-unreachable" ? this.#refusals + 1 : 0;
      return error instanceof Error ? error.message : String(error);
    }
  }

  /** It answers again, perhaps another one: everything is looked at, and what should run is started. */
  async #back(): Promise<void> {
    const core = this.#core;
    core.picture.forgetFacts();
    try {
      await core.look();
      core.picture.engineProblem = null;
      this.#listedAtMs = core.parts.clock.monotonic();
    } catch (error) {
      if (core.lifetime.signal.aborted) throw error;
      return this.lost(error instanceof Error ? error.message : String(error));
    }
    core.parts.log.info({ ...core.picture.facts }, "the container engine answers");
    await core.applyNetwork();
    await this.#repair();
    this.#supervisor.hurry();
    core.publish();
  }

  /** Also gives up records of Instances that left nothing behind. */
  async #resync(): Promise<void> {
    const core = this.#core;
    await core.look();
    this.#listedAtMs = core.parts.clock.monotonic();
    if (core.networkProblem !== null) await core.applyNetwork();
    const gone = [...core.state.records].filter(([key, record]) => !core.picture.instances.has(key) && !core.isBusy(record));
    await core.state.forget(gone.map(([key]) => key));
  }

  /** Every round, since nothing tells of files that an operator wrote. */
  async #refreshSecrets(): Promise<void> {
    const { clock, log } = this.#core.parts;
    if (this.#core.settings === null) return;
    const limits = { ms: REPAIR_WITHIN_MS, what: "bringing secrets up to date", lifetime: this.#core.lifetime.signal };
    try {
      await withinTime(clock, limits, (signal) => this.#core.refreshSecrets(signal));
    } catch (error) {
      this.#core.lifetime.signal.throwIfAborted();
      log.warn({ error }, "secrets could not be brought up to date");
    }
  }

  async #repair(): Promise<void> {
    const { clock, network, log } = this.#core.parts;
    if (this.#core.settings === null) return;
    const limits = { ms: REPAIR_WITHIN_MS, what: "repairing the network", lifetime: this.#core.lifetime.signal };
    try {
      await withinTime(clock, limits, (signal) => network.repair(signal));
      this.#repairTrouble = "";
    } catch (error) {
      this.#core.lifetime.signal.throwIfAborted();
      const trouble = error instanceof Error ? error.message : String(error);
      // Once, not every five seconds.
      if (trouble !== this.#repairTrouble) log.warn({ error }, "the network could not be repaired");
      this.#repairTrouble = trouble;
    }
    this.#supervisor.lookAtWires();
    this.#core.publish();
  }

  /** Every event makes its Instance be looked at soon. */
  async #listen(): Promise<void> {
    const { picture, parts, lifetime } = this.#core;
    for await (const event of parts.engine.events(lifetime.signal)) {
      if (event.kind === "lost") this.#nextPing.abort();
      else if (event.kind === "restarted" && picture.engineProblem === null) await this.#back();
      else if (!picture.looked) continue;
      else if (event.instance === null) this.#core.look().catch(() => undefined);
      else this.#changed(event.instance).catch(() => undefined);
    }
    await this.#pause(RETRY_MS);
  }

  /** What a step works on is looked at by the step, or when that is over. */
  async #changed(ref: InstanceRef): Promise<void> {
    const { picture, lanes } = this.#core;
    if (!picture.expire(ref)) return;
    while (this.#core.isBusy(ref)) await lanes.passed(slotKey(ref.set, ref.index));
    if (this.#due().length > 0) await this.#lookSoon();
  }

  /** Many at once are one listing of all. */
  async #lookAtChanged(): Promise<void> {
    const core = this.#core;
    const due = this.#due();
    if (due.length > MOST_SINGLE_LOOKS) await core.look();
    else await Promise.all(due.map((ref) => core.lookAt(ref)));
  }

  #due(): readonly InstanceRef[] {
    return this.#core.picture.stale.filter((ref) => !this.#core.isBusy(ref));
  }

  async #pause(ms: number, until?: AbortSignal): Promise<void> {
    const { parts, lifetime } = this.#core;
    const signal = until === undefined ? lifetime.signal : AbortSignal.any([lifetime.signal, until]);
    await parts.clock.sleep(ms, signal).catch(() => undefined);
  }
}
