import type { ActionResult, LeaseEcho, WatchLine } from "../core/agent-wire.ts";
import { HEARTBEAT_EVERY_MS } from "../core/agent-wire.ts";
import { UserError } from "../core/errors/user-error.ts";
import type { HostSettings } from "../core/host-settings.ts";
import type { HostObservation } from "../core/observation.ts";
import type { Action } from "../core/plan.ts";
import type { HostSample } from "../core/samples.ts";
import { isDeepStrictEqual } from "node:util";
import { Alarm } from "./alarm.ts";
import { StepRunner } from "./apply/steps.ts";
import { EngineWatch } from "./engine-watch.ts";
import { HostCore, type AgentParts } from "./host-core.ts";
import { instanceKey } from "./instance-key.ts";
import { StorageWatch } from "./storage-watch.ts";
import { Supervisor } from "./supervise/supervisor.ts";

export type { AgentParts } from "./host-core.ts";

/** The half of Setpoint that runs on a host: observes, takes steps, supervises, keeps the lease. */
export interface Agent {
  /** Identifies this run. */
  readonly boot: string;
  /** What it was told last; null: it serves no fleet yet, and touches nothing. */
  readonly settings: HostSettings | null;
  /** Begins to watch the engine and to supervise. Resolves when the network is as the settings say, or that takes long. */
  start(): Promise<void>;
  /** Takes over settings. Rejects with UserError `agent-fleet` when it belongs to another fleet. */
  configure(settings: HostSettings): Promise<void>;
  /** A full report made after this call, or of what is known when the engine does not answer. Needs settings. */
  observe(): Promise<HostObservation>;
  /** First a report, then whatever changes, heartbeats and samples, until the returned function is called. Needs settings. */
  watch(listener: (line: WatchLine) => void): Promise<() => void>;
  /** False for a heartbeat that this run did not send. */
  renewLease(echo: LeaseEcho): boolean;
  /** Carries one step out and says how it ended. Rejects only when the agent stops. Needs settings. */
  apply(action: Action): Promise<ActionResult>;
  /** Stops watching and supervising; containers run on. Resolves when its state is on the disk. */
  close(): Promise<void>;
}

/** How long new settings wait for the network to be as they say before they are answered. */
const NETWORK_PATIENCE_MS = 5_000;
/** Between two reports while much changes. */
const REPORT_EVERY_MS = 100;

/** An agent of this machine. Throws UserError `agent-state` when its state folder can't be used or is damaged. */
export function createAgent(parts: AgentParts): Agent {
  const core = new HostCore(parts);
  const supervisor = new Supervisor(core);
  const engine = new EngineWatch(core, supervisor);
  const storage = new StorageWatch(core);
  const steps = new StepRunner(core);
  const watchers = new Set<(line: WatchLine) => void>();
  core.onLooked = () => {
    supervisor.look();
    parts.sampler.follow(core.picture.inventory.containers.filter((container) => container.state === "running"));
  };
  const reports = new Reports(core, watchers);
  const running: Promise<unknown>[] = [];
  return {
    boot: core.boot,
    get settings() {
      return core.settings;
    },
    async start() {
      const network = core.applyNetwork();
      running.push(network, storage.run(), engine.run(), beat(core, supervisor, watchers));
      await Promise.race([network, patience(core)]);
    },
    configure: (settings) => configure(core, storage, settings),
    async observe() {
      requireSettings(core);
      await Promise.all([engine.asked, storage.looked]);
      if (core.picture.engineProblem === null) await core.look().catch((error: Error) => engine.lost(error.message));
      core.publish();
      return core.observation!;
    },
    async watch(listener) {
      requireSettings(core);
      await Promise.all([engine.asked, storage.looked]);
      core.publish();
      watchers.add(listener);
      listener({ type: "observation", observation: core.observation! });
      listener({ type: "heartbeat", ...core.lease.nextBeat() });
      return () => void watchers.delete(listener);
    },
    renewLease: (echo) => core.lease.renew(echo),
    async apply(action) {
      requireSettings(core);
      await engine.asked;
      return await steps.run(action);
    },
    async close() {
      supervisor.close();
      reports.close();
      await core.close();
      await Promise.allSettled(running);
      await parts.network.close();
      await parts.volumes.close();
      parts.sampler.close();
    },
  };
}

function requireSettings(core: HostCore): void {
  if (core.settings === null) throw new UserError("agent-settings", "this agent was not told yet which fleet and host it serves");
}

async function configure(core: HostCore, storage: StorageWatch, settings: HostSettings): Promise<void> {
  const before = core.settings;
  if (before !== null && before.fleet !== settings.fleet) {
    throw new UserError(
      "agent-fleet",
      `this agent serves the fleet ${before.fleet}, not ${settings.fleet}`,
      `Take the host out of one of the two. To hand it over: remove the containers of ${before.fleet}, stop the agent and delete ${core.parts.stateFolder}.`,
    );
  }
  if (before !== null && isDeepStrictEqual(before, settings)) return await core.state.settled();
  await core.state.configure(settings);
  core.parts.log.info({ fleet: settings.fleet, host: settings.host }, "settings taken over");
  if (before?.cpus !== settings.cpus) core.forgetLimits();
  const network = isDeepStrictEqual(before?.network, settings.network) ? Promise.resolve() : core.applyNetwork();
  const volumes = isDeepStrictEqual(before?.storage, settings.storage) ? Promise.resolve() : storage.look();
  await Promise.race([Promise.all([network, volumes]), patience(core)]);
  // Which containers are ours is known only now.
  if (core.picture.engineProblem === null) await core.look().catch(() => undefined);
  core.publish();
}

/** Resolves when those who wait for the network have waited long enough. */
async function patience(core: HostCore): Promise<void> {
  await core.parts.clock.sleep(NETWORK_PATIENCE_MS, core.lifetime.signal).catch(() => undefined);
}

/** Once a second: the lease is kept, and those who watch hear a heartbeat and what the Instances used. Ends with the agent. */
async function beat(core: HostCore, supervisor: Supervisor, watchers: ReadonlySet<(line: WatchLine) => void>): Promise<void> {
  const { clock, log } = core.parts;
  while (!core.lifetime.signal.aborted) {
    supervisor.keepLease(HEARTBEAT_EVERY_MS);
    if (watchers.size > 0) {
      tell(watchers, { type: "heartbeat", ...core.lease.nextBeat() });
      try {
        if (core.settings !== null) tell(watchers, { type: "sample", sample: sample(core) });
      } catch (error) {
        log.warn({ error }, "sampling failed");
      }
    }
    await clock.sleep(HEARTBEAT_EVERY_MS, core.lifetime.signal).catch(() => undefined);
  }
}

function sample(core: HostCore): HostSample {
  const { clock, machine, network, sampler } = core.parts;
  const counters = network.counters();
  const instances = sampler.read().map((instance) => ({ ...instance, network: counters.get(instanceKey(instance)) ?? null }));
  return { host: core.host, atMs: clock.now(), total: machine.usage(), instances };
}

/** Tells those who watch of changes: at once, and while much changes the newest every so often, since each report is all of it. */
class Reports {
  readonly #core: HostCore;
  readonly #watchers: ReadonlySet<(line: WatchLine) => void>;
  readonly #alarm: Alarm;
  #toldAtMs = -Infinity;

  constructor(core: HostCore, watchers: ReadonlySet<(line: WatchLine) => void>) {
    this.#core = core;
    this.#watchers = watchers;
    this.#alarm = new Alarm(core.parts.clock, () => this.#tell());
    core.listen(() => {
      const dueAtMs = this.#toldAtMs + REPORT_EVERY_MS;
      if (core.parts.clock.monotonic() >= dueAtMs) this.#tell();
      else this.#alarm.setAt(dueAtMs);
    });
  }

  close(): void {
    this.#alarm.close();
  }

  #tell(): void {
    this.#toldAtMs = this.#core.parts.clock.monotonic();
    tell(this.#watchers, { type: "observation", observation: this.#core.observation! });
  }
}

function tell(watchers: ReadonlySet<(line: WatchLine) => void>, line: WatchLine): void {
  for (const watcher of watchers) watcher(line);
}
