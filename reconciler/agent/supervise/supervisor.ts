import { slotKey } from "../../core/ids.ts";
import { Alarm } from "../alarm.ts";
import { withinTime } from "../deadline.ts";
import type { HostCore } from "../host-core.ts";
import { instanceKey } from "../instance-key.ts";
import type { InstanceRef, OwnedContainer } from "../ports.ts";
import { hasCrashed } from "../observe/observation.ts";
import type { InstanceRecord } from "../state/agent-state.ts";
import type { HealthTarget } from "./health.ts";

const FIRST_BACKOFF_MS = 1_000;
const LONGEST_BACKOFF_MS = 60_000;
/** An Instance that ran this long starts with the first backoff again. */
const FORGIVEN_AFTER_MS = 600_000;
/** A container without a health check counts as healthy after this; one that crashed before, after as long as its last backoff. */
const SETTLE_MS = 500;
const LONGEST_SETTLE_MS = 10_000;
/** Starting an Instance again, and killing one. */
const RESUME_WITHIN_MS = 120_000;
const KILL_WITHIN_MS = 10_000;

interface Crashes {
  count: number;
  /** Monotonic; when it is started again. Infinity while it runs. */
  dueAtMs: number;
  /** Monotonic; when it was last started by us. */
  startedAtMs: number;
}

/**
 * Keeps what should run running, between steps: looks at every listing of the engine and decides from that alone, so a lost
 * event costs time and nothing else. What a step works on is left to the step.
 */
export class Supervisor {
  readonly #core: HostCore;
  readonly #alarm: Alarm;
  readonly #crashes = new Map<string, Crashes>();
  /** Being killed or limited now, by instanceKey. */
  readonly #handling = new Set<string>();
  /** Those whose wire, which the agent made, was gone when that was last looked at, by instanceKey. */
  readonly #cut = new Set<string>();
  /** Kills that were logged; a hung engine lists the killed ones for a while. */
  readonly #told = new Set<string>();

  constructor(core: HostCore) {
    this.#core = core;
    this.#alarm = new Alarm(core.parts.clock, () => this.look());
  }

  /** Starts, kills, limits and probes as the newest listing needs it. */
  look(): void {
    const { state, picture } = this.#core;
    if (this.#core.settings === null || !picture.looked) return;
    this.#core.health.follow(this.#healthTargets());
    for (const containers of picture.instances.values()) this.#enforce(containers[0]!, containers);
    if (picture.engineProblem !== null) return;
    for (const record of state.records.values()) this.#keepRunning(record);
    for (const container of this.#core.unlimited()) this.#limit(container);
    for (const key of this.#crashes.keys()) if (!state.records.has(key)) this.#crashes.delete(key);
    for (const key of this.#told) if (!picture.instances.has(key)) this.#told.delete(key);
  }

  /** Looks for wires that somebody removed, of which no event tells. */
  lookAtWires(): void {
    const { picture, parts } = this.#core;
    this.#cut.clear();
    for (const [key, [infra]] of picture.instances) {
      if (infra!.wiredByAgent && isRunning(infra!) && !parts.network.isWired(infra!)) this.#cut.add(key);
    }
    if (this.#cut.size > 0) this.look();
  }

  /** The engine or the host was restarted: what should run is started now, without backoff. */
  hurry(): void {
    this.#crashes.clear();
    const nowMs = this.#core.parts.clock.monotonic();
    for (const key of this.#core.state.records.keys()) this.#crashes.set(key, { count: 0, dueAtMs: nowMs, startedAtMs: nowMs });
    this.look();
  }

  /** Ends what must not run twice when the lease would be over before the next call, `withinMs` from now. */
  keepLease(withinMs: number): void {
    const core = this.#core;
    if (core.settings === null || core.leased(withinMs)) return;
    const was = core.lease.ranOut
      ? "stopped: the host lost touch with its reconciler for longer than its lease"
      : "not started: the host did not hear its reconciler since it booted";
    for (const record of core.state.records.values()) {
      if (!record.spec.exclusive || record.want !== "run") continue;
      this.#saved(core.state.put({ ...record, want: "fenced", why: was }));
    }
    for (const containers of core.picture.instances.values()) {
      const first = containers[0]!;
      if (first.labels.exclusive && containers.some(isRunning)) this.#kill(first, "its lease is over");
    }
    core.publishSoon();
  }

  close(): void {
    this.#alarm.close();
  }

  /** What runs although it must not: a call the engine carried out after everybody had given it up. */
  #enforce(ref: OwnedContainer, containers: readonly OwnedContainer[]): void {
    const core = this.#core;
    if (core.isBusy(ref)) return;
    const running = containers.some(isRunning);
    const record = core.state.recordOf(ref);
    if (core.state.wasRemoved(ref)) return this.#kill(ref, "it was removed", true);
    if (!running) return;
    if (record?.want === "fenced") return this.#kill(ref, record.why);
    const over = ref.labels.exclusive && ref.generation < core.state.floorOf(ref.set, ref.index);
    if (over) this.#kill(ref, "a newer generation has its place");
  }

  #kill(ref: OwnedContainer, why: string, remove = false): void {
    const core = this.#core;
    const slot = slotKey(ref.set, ref.index);
    this.#handle(ref, async () => {
      if (!this.#told.has(instanceKey(ref))) core.parts.log.warn({ slot, generation: ref.generation, why }, "Instance killed");
      this.#told.add(instanceKey(ref));
      const { clock, engine } = core.parts;
      const limits = { ms: KILL_WITHIN_MS, what: "killing an Instance", lifetime: core.lifetime.signal };
      await withinTime(clock, limits, (signal) => engine.killInstance(ref, signal));
      if (core.picture.engineProblem !== null) return;
      if (remove) await withinTime(clock, { ...limits, ms: RESUME_WITHIN_MS }, (signal) => engine.removeInstance(ref, signal));
      await core.look();
    });
  }

  #limit(ref: OwnedContainer): void {
    const core = this.#core;
    if (core.state.recordOf(ref) === undefined || core.isBusy(ref)) return;
    this.#handle(ref, async () => await core.applyLimitsNow(ref));
  }

  /** One thing at a time per Instance, in the background; trouble is told and the next look tries again. */
  #handle(ref: InstanceRef, work: () => Promise<void>): void {
    const key = instanceKey(ref);
    if (this.#handling.has(key)) return;
    this.#handling.add(key);
    const { log } = this.#core.parts;
    work()
      .catch((error: unknown) => {
        if (!this.#core.lifetime.signal.aborted) log.warn({ error, instance: key }, "supervision met trouble");
      })
      .finally(() => this.#handling.delete(key));
  }

  #keepRunning(record: InstanceRecord): void {
    const core = this.#core;
    const key = instanceKey(record);
    if (record.want !== "run" || core.isBusy(record)) return;
    const containers = core.picture.containersOf(record);
    if (containers.length === 0) return;
    const nowMs = core.parts.clock.monotonic();
    const known = this.#crashes.get(key);
    if (!this.#cut.has(key) && containers.every((it) => isRunning(it) && !it.stranded)) {
      if (!record.started) this.#saved(core.state.put({ ...record, started: true }));
      if (known !== undefined) known.dueAtMs = Infinity;
      return;
    }
    if (!record.started || (record.spec.exclusive && !core.leased())) return;
    const crashes = known ?? { count: 0, dueAtMs: Infinity, startedAtMs: nowMs };
    this.#crashes.set(key, crashes);
    if (crashes.dueAtMs === Infinity) {
      if (nowMs - crashes.startedAtMs >= FORGIVEN_AFTER_MS) crashes.count = 0;
      crashes.dueAtMs = nowMs + backoffMs(crashes.count);
      crashes.count++;
    }
    if (crashes.dueAtMs <= nowMs) void this.#resume(record, crashes);
    else this.#alarm.setAt(crashes.dueAtMs);
  }

  /** Infra first, then its members; in the slot's lane, so never beside a step. */
  async #resume(record: InstanceRecord, crashes: Crashes): Promise<void> {
    const core = this.#core;
    const key = instanceKey(record);
    const { clock, engine, log } = core.parts;
    const limits = { ms: RESUME_WITHIN_MS, what: "starting an Instance again", lifetime: core.lifetime.signal };
    try {
      await core.lanes.run(slotKey(record.set, record.index), async () => {
        const now = core.state.recordOf(record);
        if (now?.want !== "run" || (now.spec.exclusive && !core.leased())) return;
        crashes.startedAtMs = clock.monotonic();
        const what = hasCrashed(core.picture.containersOf(record)) ? "resume" : "revive";
        await core.during(record, what, () =>
          withinTime(clock, limits, async (signal) => {
            await core.mountVolumes(record, now.spec.template, signal);
            await core.parts.secrets.restore(record, now.spec.template, core.ownsFiles, signal);
            await core.enginePermits.run(signal, () => engine.resumeInstance(record, core.wire(record), signal));
            this.#cut.delete(key);
          }),
        );
        core.troubles.delete(key);
      });
      log.info({ instance: key, crashes: crashes.count }, "Instance started again");
    } catch (error) {
      if (core.lifetime.signal.aborted) return;
      core.troubles.set(key, `could not be started again: ${error instanceof Error ? error.message : String(error)}`);
      log.warn({ error, instance: key }, "Instance could not be started again");
    }
    crashes.dueAtMs = Infinity;
    // Decides what comes next: it runs, or the next try waits longer. While the engine is silent its return does.
    core.look().catch(() => undefined);
  }

  #healthTargets(): HealthTarget[] {
    const core = this.#core;
    const targets: HealthTarget[] = [];
    for (const [key, containers] of core.picture.instances) {
      const record = core.state.records.get(key);
      const infraPid = containers.find((it) => it.role === "infra")?.pid ?? 0;
      const crashed = this.#crashes.get(key)?.count ?? 0;
      const settleMs = crashed === 0 ? SETTLE_MS : Math.min(LONGEST_SETTLE_MS, SETTLE_MS + backoffMs(crashed - 1));
      for (const container of containers) {
        if (container.role !== "app" || !isRunning(container)) continue;
        const check = record?.spec.template.containers.find((it) => it.name === container.container)?.health ?? null;
        targets.push({ container, infraPid, ip: container.labels.ip, check, settleMs });
      }
    }
    return targets;
  }

  #saved(saving: Promise<void>): void {
    saving.catch((error: unknown) => this.#core.parts.log.error({ error }, "the agent's state could not be saved"));
  }
}

function backoffMs(crashes: number): number {
  return Math.min(LONGEST_BACKOFF_MS, FIRST_BACKOFF_MS * 2 ** Math.min(crashes, 16));
}

function isRunning(container: OwnedContainer): boolean {
  return container.state === "running";
}
