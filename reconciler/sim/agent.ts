import type { HostSettings } from "../core/host-settings.ts";
import { slotKey } from "../core/ids.ts";
import type { Action } from "../core/plan.ts";
import type { ActionResult } from "../core/agent-wire.ts";
import type { Clock } from "../run/ports.ts";
import { instanceOf, isLive, putInstance, touch, type SimHost, type SimInstance } from "./host-state.ts";
import { ENGINE_PARALLELISM, stepDurationMs } from "./latency.ts";
import type { Random } from "./random.ts";
import { failed, type Conditions, type Verdict } from "./step.ts";
import { imageTag } from "./steps-disk.ts";
import { stepFor } from "./steps.ts";
import type { Timers } from "./timers.ts";

/** What an agent needs of the world around it. */
export interface AgentWorld {
  readonly clock: Clock;
  readonly timers: Timers;
  readonly random: Random;
  /** A step begins; the number names it until `stepEnded` or `stepsLost`. */
  stepAccepted(host: SimHost, action: Action): number;
  stepEnded(host: SimHost, id: number, action: Action, verdict: Verdict): void;
  /** A power cut: none of the host's steps under way will end. */
  stepsLost(host: SimHost): void;
  /** Runs changes that must survive together. */
  atomically(change: () => void): void;
}

interface Slot {
  readonly set: string;
  readonly index: number;
  readonly generation: number;
}

/** The agent and the container engine of one simulated host: takes steps, supervises Instances, keeps the lease. */
export class SimAgent {
  readonly host: SimHost;
  readonly #world: AgentWorld;
  /** Counts power cuts: what began before the last one never ends. */
  #life = 0;
  /** Counts runs of the agent process: replies of an earlier run are lost. */
  #run = 0;
  #restarting = false;
  /** Monotonic times at which the faults end. */
  #hungUntilMs = 0;
  #diskFullUntilMs = 0;
  #slow = { factor: 1, untilMs: 0 };
  #leaseForMs: number | null = null;
  /** Monotonic; null: nothing was echoed since the host came up. */
  #leaseRenewedAtMs: number | null = null;
  /** Held by a hung engine. */
  #held: (() => void)[] = [];
  /** Waiting for one of the engine's workers. */
  #queue: (() => void)[] = [];
  #working = 0;
  /** Waiting for an Instance to change. */
  #watchers: (() => void)[] = [];

  constructor(host: SimHost, world: AgentWorld) {
    this.host = host;
    this.#world = world;
  }

  /** False while the host is off and while the agent itself restarts (the containers go on). */
  get listening(): boolean {
    return this.host.powered && !this.#restarting;
  }

  /** How many times slower than usual the host is now. */
  get slowness(): number {
    return this.#world.clock.monotonic() < this.#slow.untilMs ? this.#slow.factor : 1;
  }

  /** Takes one step; `reply` hears its result unless the host or the agent dies first. */
  submit(action: Action, reply: (result: ActionResult) => void): void {
    const id = this.#world.stepAccepted(this.host, action);
    const mine = this.#run;
    const end = (verdict: Verdict): void => {
      this.#world.stepEnded(this.host, id, action, verdict);
      if (mine === this.#run) reply({ number: action.number, ...verdict, version: this.host.version });
    };
    const overheadMs = this.#world.random.between(1, 5);
    if (action.kind === "awaitHealthy") this.#later(overheadMs, () => this.#awaitHealthy(action, end));
    else if (!stepFor(action).engine) this.#later(overheadMs, () => this.#work(action, end));
    else {
      this.#queue.push(() => this.#work(action, end));
      this.#later(overheadMs, () => this.whenEngineAnswers(() => this.#pump()));
    }
  }

  /** Runs when the container engine answers: now, or when its hang ends. */
  whenEngineAnswers(run: () => void): void {
    if (this.#world.clock.monotonic() >= this.#hungUntilMs) run();
    else this.#held.push(run);
  }

  /** An Instance changed: those who wait for one look again. */
  instanceChanged(): void {
    if (this.#watchers.length === 0) return;
    const woken = this.#watchers;
    this.#watchers = [];
    for (const look of woken) look();
  }

  /** The reconciler echoed the heartbeat sent at this monotonic time, having said how it wants the host. */
  renewLease(sentAtMs: number, { leaseForMs, limits = "required" }: Pick<HostSettings, "leaseForMs" | "limits">): void {
    this.#leaseForMs = leaseForMs;
    this.host.limits = limits;
    this.#leaseRenewedAtMs = sentAtMs;
  }

  /** Stops what must not run twice if the lease would be over before the next call, `withinMs` from now. */
  keepLease(withinMs: number): void {
    if (!this.host.powered || this.#leased(withinMs)) return;
    for (const instance of this.#instances()) {
      if (!isLive(this.host, instance) || !instance.observed.exclusive) continue;
      this.#fence(instance, "stopped: the host lost touch with its reconciler for longer than its lease");
    }
  }

  /** The plug is pulled: what is on disk stays, steps under way are gone. */
  powerOff(): void {
    if (!this.host.powered) return;
    this.#life++;
    this.#restarting = false;
    this.#held = [];
    this.#queue = [];
    this.#watchers = [];
    this.#working = 0;
    this.#hungUntilMs = 0;
    this.host.powered = false;
    touch(this.host, "host", "powered", false);
    this.#world.stepsLost(this.host);
  }

  /** Instances that may run twice start by themselves; the others wait to be told. */
  powerOn(): void {
    if (this.host.powered) return;
    const running = this.#instances().filter((instance) => instance.observed.phase === "running");
    for (const instance of running) {
      if (instance.observed.exclusive) this.#fence(instance, "not started after the boot: it waits for the reconciler");
      else putInstance(this.host, { ...instance, observed: { ...instance.observed, healthy: false } });
    }
    this.#leaseRenewedAtMs = null;
    this.host.powered = true;
    touch(this.host, "host", "powered", true);
    this.#newBoot();
    for (const instance of running) this.#supervise(instance.observed);
  }

  /** The container engine takes requests but answers and carries them out only after `forMs`. */
  hang(forMs: number): void {
    this.#hungUntilMs = Math.max(this.#hungUntilMs, this.#world.clock.monotonic() + forMs);
    const mine = this.#life;
    this.#world.timers.after(forMs, () => {
      if (mine !== this.#life || this.#world.clock.monotonic() < this.#hungUntilMs) return;
      const held = this.#held;
      this.#held = [];
      for (const run of held) run();
    });
  }

  /** The agent process dies and comes back with a new boot id; containers and the lease go on. */
  restart(): void {
    if (!this.listening) return;
    this.#restarting = true;
    this.#run++;
    this.#later(this.#world.random.between(500, 2000), () => {
      this.#restarting = false;
      this.#newBoot();
    });
  }

  /** Kills the containers of an Instance; with `restarts` the engine starts them again by itself. */
  crashInstance(slot: Slot, restarts: boolean): void {
    if (!this.host.powered) return;
    this.#fail(slot, "exited with 137");
    if (!restarts) return;
    this.#later(this.#world.random.between(500, 3000), () => {
      const now = this.#find(slot);
      if (now?.observed.phase !== "failed" || (now.observed.exclusive && !this.#leased(0))) return;
      putInstance(this.host, { ...now, observed: { ...now.observed, phase: "running", message: "" } });
      this.#supervise(slot);
    });
  }

  fillDisk(forMs: number): void {
    this.#diskFullUntilMs = this.#world.clock.monotonic() + forMs;
  }

  slowDown(factor: number, forMs: number): void {
    this.#slow = { factor, untilMs: this.#world.clock.monotonic() + forMs };
  }

  /** Ends every fault that has a duration. */
  recover(): void {
    this.#diskFullUntilMs = 0;
    this.#slow = { factor: 1, untilMs: 0 };
    this.#hungUntilMs = 0;
    this.hang(0);
  }

  /** After the world was loaded: a new run of the agent, which takes up what it finds. */
  resume(): void {
    this.#newBoot();
    for (const instance of this.#instances()) this.#supervise(instance.observed);
  }

  /** An Instance was started past the agent, in a world that is being prepared. */
  adopt(slot: Slot): void {
    this.#supervise(slot);
    const tags = Object.values(this.#find(slot)?.observed.images ?? {}).map(imageTag);
    if (!tags.includes("crash") && !tags.includes("unhealthy")) this.#becomeHealthy(slot);
  }

  /** Runs `then` after `ms` of this host's time, unless it loses power meanwhile. */
  #later(ms: number, then: () => void): void {
    const mine = this.#life;
    this.#world.timers.after(ms * this.slowness, () => {
      if (mine === this.#life && this.host.powered) then();
    });
  }

  #pump(): void {
    while (this.#working < ENGINE_PARALLELISM && this.#queue.length > 0) {
      this.#working++;
      this.#queue.shift()!();
    }
  }

  /** Checks, lets the time pass that the step takes, and checks and changes at its end. */
  #work(action: Action, end: (verdict: Verdict) => void): void {
    const step = stepFor(action);
    const leave = (verdict: Verdict): void => {
      if (step.engine) {
        this.#working--;
        this.#later(0, () => this.whenEngineAnswers(() => this.#pump()));
      }
      end(verdict);
    };
    const early = step.check(this.host, action, this.#conditions());
    if (early !== null) return leave(early);
    step.begin?.(this.host, action, this.#conditions());
    const finish = (): void => this.#world.atomically(() => leave(this.#finish(action)));
    this.#later(stepDurationMs(this.host, action, this.#world.random), () => {
      if (step.engine) this.whenEngineAnswers(finish);
      else finish();
    });
  }

  #finish(action: Action): Verdict {
    const verdict = stepFor(action).finish(this.host, action, this.#conditions());
    if (verdict.outcome === "done" && (action.kind === "startInstance" || action.kind === "replaceContainers")) this.#supervise(action);
    return verdict;
  }

  #conditions(): Conditions {
    return {
      leased: this.#leased(0),
      diskFull: this.#world.clock.monotonic() < this.#diskFullUntilMs,
      memoryUse: this.#world.random.between(0.3, 0.7),
    };
  }

  #leased(withinMs: number): boolean {
    if (this.#leaseForMs === null) return true;
    return this.#leaseRenewedAtMs !== null && this.#leaseRenewedAtMs + this.#leaseForMs > this.#world.clock.monotonic() + withinMs;
  }

  /** What a started Instance does by itself: become healthy, never become it, or crash. */
  #supervise(slot: Slot): void {
    const started = this.#find(slot);
    if (started?.observed.phase !== "running") return;
    const tags = Object.values(started.observed.images).map(imageTag);
    if (tags.includes("crash")) {
      this.#later(this.#world.random.between(500, 2000), () => this.#fail(slot, "exited with 1 right after the start"));
    } else if (tags.includes("unhealthy")) {
      const message = "the health check fails: connection refused";
      putInstance(this.host, { ...started, observed: { ...started.observed, message } });
    } else if (!started.observed.healthy) {
      const checked = started.spec.template.containers.some((container) => container.health !== null);
      this.#later(checked ? this.#world.random.between(500, 4000) : 0, () => this.#becomeHealthy(slot));
    }
  }

  #becomeHealthy(slot: Slot): void {
    const now = this.#find(slot);
    if (now?.observed.phase !== "running" || now.observed.healthy) return;
    putInstance(this.host, { ...now, observed: { ...now.observed, healthy: true, message: "" } });
  }

  #fail(slot: Slot, message: string): void {
    const now = this.#find(slot);
    if (now?.observed.phase !== "running") return;
    putInstance(this.host, { ...now, observed: { ...now.observed, phase: "failed", healthy: false, message } });
  }

  /** Kills by cgroup, so a hung engine can't keep the containers alive. */
  #fence(instance: SimInstance, message: string): void {
    putInstance(this.host, { ...instance, observed: { ...instance.observed, phase: "fenced", healthy: false, message } });
  }

  /** Answers when the Instance is healthy or can't become it, at the latest shortly before the step's deadline. */
  #awaitHealthy(action: Action, end: (verdict: Verdict) => void): void {
    let over = false;
    const finish = (verdict: Verdict): void => {
      if (!over) end(verdict);
      over = true;
    };
    const look = (): void => {
      if (over) return;
      const verdict = stepFor(action).check(this.host, action, this.#conditions());
      if (verdict === null) this.#watchers.push(look);
      else finish(verdict);
    };
    this.#later(action.deadlineMs * 0.9, () => {
      const why = this.#find(action)?.observed.message ?? "";
      finish(failed("unhealthy", `${slotKey(action.set, action.index)} did not become healthy in time${why === "" ? "" : `: ${why}`}`));
    });
    look();
  }

  #newBoot(): void {
    this.#run++;
    this.host.boot++;
    this.host.version = 0;
    touch(this.host, "host", "boot", this.host.boot);
  }

  #find(slot: Slot): SimInstance | null {
    return instanceOf(this.host, slot.set, slot.index, slot.generation);
  }

  #instances(): SimInstance[] {
    return [...this.host.slots.values()].flatMap((slot) => [...slot.instances.values()]);
  }
}
