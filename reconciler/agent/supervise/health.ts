import type { HealthCheck } from "../../core/desired.ts";
import { Alarm } from "../alarm.ts";
import { withinTime } from "../deadline.ts";
import { StepError, type Clock, type OwnedContainer, type Probe } from "../ports.ts";

/** A running app container whose health is followed. */
export interface HealthTarget {
  readonly container: OwnedContainer;
  readonly infraPid: number;
  readonly ip: string;
  /** null: it is healthy once it has run for `settleMs`. */
  readonly check: HealthCheck | null;
  readonly settleMs: number;
}

export interface Health {
  readonly healthy: boolean;
  /** Why it is not, once the check had its chance; else empty. */
  readonly message: string;
}

/** Probes under way at once on a host. */
const MOST_PROBES = 8;
/** A container that was not healthy yet is asked sooner than its interval says: after this, doubling. */
const FIRST_PAUSE_MS = 100;

const STARTING: Health = { healthy: false, message: "" };
const HEALTHY: Health = { healthy: true, message: "" };

interface Followed {
  target: HealthTarget;
  health: Health;
  /** Monotonic. */
  readonly startedAtMs: number;
  dueAtMs: number;
  probing: boolean;
  /** Probes before the first that passed. */
  tries: number;
  passed: boolean;
  /** In a row, those within the start period not counted. */
  failures: number;
}

/** The health of all containers of a host: one timer, a few probes at once. */
export class HealthChecks {
  readonly #probe: Probe;
  readonly #clock: Clock;
  readonly #lifetime: AbortSignal;
  readonly #changed: () => void;
  readonly #alarm: Alarm;
  #followed = new Map<string, Followed>();
  #probing = 0;

  constructor(probe: Probe, clock: Clock, lifetime: AbortSignal, changed: () => void) {
    this.#probe = probe;
    this.#clock = clock;
    this.#lifetime = lifetime;
    this.#changed = changed;
    this.#alarm = new Alarm(clock, () => this.#work());
  }

  /** Follows exactly these from now on; a container that was started anew begins anew. */
  follow(targets: readonly HealthTarget[]): void {
    const before = this.#followed;
    this.#followed = new Map();
    for (const target of targets) {
      const key = keyOf(target.container);
      const known = before.get(key);
      if (known !== undefined && sameCheck(known.target, target)) known.target = target;
      this.#followed.set(key, known !== undefined && known.target === target ? known : this.#begin(target));
    }
    this.#work();
  }

  healthOf(container: OwnedContainer): Health {
    return this.#followed.get(keyOf(container))?.health ?? STARTING;
  }

  close(): void {
    this.#alarm.close();
    this.#followed.clear();
  }

  #begin(target: HealthTarget): Followed {
    const nowMs = this.#clock.monotonic();
    const { startedAtMs } = target.container;
    const ageMs = startedAtMs === null ? 0 : Math.max(0, this.#clock.now() - startedAtMs);
    const dueAtMs = target.check === null ? nowMs - ageMs + target.settleMs : nowMs;
    const health = target.check === null && dueAtMs <= nowMs ? HEALTHY : STARTING;
    return { target, health, startedAtMs: nowMs - ageMs, dueAtMs, probing: false, tries: 0, passed: false, failures: 0 };
  }

  /** Starts what is due, as far as there is room, and sets the timer for the next. */
  #work(): void {
    const nowMs = this.#clock.monotonic();
    let nextMs = Infinity;
    for (const followed of this.#followed.values()) {
      if (followed.probing) continue;
      if (followed.target.check === null) {
        if (followed.health.healthy) continue;
        if (followed.dueAtMs <= nowMs) this.#set(followed, HEALTHY);
        else nextMs = Math.min(nextMs, followed.dueAtMs);
      } else if (followed.dueAtMs > nowMs) nextMs = Math.min(nextMs, followed.dueAtMs);
      // Without room the end of a probe looks again.
      else if (this.#probing < MOST_PROBES) void this.#ask(followed, followed.target.check);
    }
    if (nextMs < Infinity) this.#alarm.setAt(nextMs);
  }

  async #ask(followed: Followed, check: HealthCheck): Promise<void> {
    followed.probing = true;
    this.#probing++;
    const problem = await this.#askOnce(followed.target, check);
    this.#probing--;
    followed.probing = false;
    if (this.#lifetime.aborted || this.#followed.get(keyOf(followed.target.container)) !== followed) return this.#work();
    followed.tries++;
    this.#judge(followed, check, problem);
    this.#work();
  }

  /** null: it passes. */
  async #askOnce({ container, infraPid, ip }: HealthTarget, check: HealthCheck): Promise<string | null> {
    const limits = { ms: check.timeoutMs, what: "the probe", lifetime: this.#lifetime };
    try {
      return await withinTime(this.#clock, limits, (signal) => this.#probe({ containerId: container.id, infraPid, ip }, check, signal));
    } catch (error) {
      if (error instanceof StepError && error.code === "engine-silent") return `no answer within ${check.timeoutMs} ms`;
      return error instanceof Error ? error.message : String(error);
    }
  }

  #judge(followed: Followed, check: HealthCheck, problem: string | null): void {
    const nowMs = this.#clock.monotonic();
    const early = !followed.passed && nowMs - followed.startedAtMs < check.startPeriodMs;
    followed.passed ||= problem === null;
    if (problem === null) followed.failures = 0;
    else if (!early) followed.failures++;
    if (problem === null) this.#set(followed, HEALTHY);
    else if (followed.failures >= check.failures) {
      this.#set(followed, { healthy: false, message: `the health check of ${followed.target.container.container} fails: ${problem}` });
    }
    const pauseMs = followed.passed ? check.intervalMs : FIRST_PAUSE_MS * 2 ** Math.min(followed.tries - 1, 16);
    followed.dueAtMs = nowMs + Math.min(check.intervalMs, pauseMs);
  }

  #set(followed: Followed, health: Health): void {
    if (followed.health.healthy === health.healthy && followed.health.message === health.message) return;
    followed.health = health;
    this.#changed();
  }
}

function keyOf({ id, pid, startedAtMs }: OwnedContainer): string {
  return `${id} ${startedAtMs ?? pid}`;
}

function sameCheck(a: HealthTarget, b: HealthTarget): boolean {
  return a.ip === b.ip && a.infraPid === b.infraPid && JSON.stringify(a.check) === JSON.stringify(b.check);
}
