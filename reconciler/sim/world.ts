import type { DesiredHost } from "../core/desired.ts";
import { slotKey } from "../core/ids.ts";
import type { Action } from "../core/plan.ts";
import type { ActionResult } from "../core/agent-wire.ts";
import type { Clock, Hosts } from "../run/ports.ts";
import { SimAgent } from "./agent.ts";
import { SimConnection, type SimMember } from "./connection.ts";
import type { Fault } from "./faults.ts";
import { ALL_CAPABILITIES, createHostState, touch, type ForeignObject, type SimHost, type Table } from "./host-state.ts";
import { SimNetwork } from "./network.ts";
import { createRandom, type Random } from "./random.ts";
import type { Verdict } from "./step.ts";
import { stepFor } from "./steps.ts";
import type { SimStore } from "./store.ts";
import { createTimers, type Timers } from "./timers.ts";

export interface SimWorldOptions {
  readonly clock: Clock;
  /** All chance in the world comes from it. */
  readonly seed: string | number;
  /** World milliseconds per millisecond of the clock, for all latencies; default 1, Infinity: none. Heartbeats stay as they are. */
  readonly speed?: number;
  /** Where the world survives its process; default: nowhere. Closed with the world. */
  readonly store?: SimStore;
  /** Milliseconds between two signs of life of a host; default 1000. */
  readonly heartbeatMs?: number;
  /** Hears the true course of the world; for tests. */
  readonly witness?: SimWitness;
}

export interface SimWitness {
  stepEnded(host: SimHost, action: Action, verdict: Verdict): void;
  changed(host: SimHost, table: Table, key: string): void;
}

/**
 * Simulated hosts with everything that can happen to them: the embedded default of the product and the world of the
 * tests. Reconcilers talk to it through connect(); it goes on without them.
 */
export class SimWorld {
  readonly #clock: Clock;
  readonly #timers: Timers;
  readonly #heartbeats: Timers;
  readonly #random: Random;
  readonly #store: SimStore | null;
  readonly #witness: SimWitness | null;
  readonly #heartbeatMs: number;
  readonly #members = new Map<string, SimMember>();
  readonly #connections = new Set<SimConnection>();
  #steps = 0;
  #loading = false;

  constructor(options: SimWorldOptions) {
    this.#clock = options.clock;
    this.#timers = createTimers(options.clock, options.speed ?? 1);
    this.#heartbeats = createTimers(options.clock, 1);
    this.#random = createRandom(options.seed);
    this.#store = options.store ?? null;
    this.#witness = options.witness ?? null;
    this.#heartbeatMs = options.heartbeatMs ?? 1000;
    this.#load();
    this.#scheduleBeat();
  }

  /** A reconciler's way in. Closing it stops nothing on the hosts. */
  connect(): Hosts {
    const world = { clock: this.#clock, timers: this.#timers, random: this.#random };
    const connection = new SimConnection({
      ...world,
      member: (host) => this.#members.get(host) ?? null,
      closed: (closed) => this.#connections.delete(closed),
    });
    this.#connections.add(connection);
    return connection;
  }

  /**
   * Makes machines for these hosts and gives those that exist the capacity written here. A host that is no longer
   * named stays as it is, as a machine does that is taken out of the manifests.
   */
  define(hosts: readonly DesiredHost[]): void {
    this.#atomically(() => {
      for (const host of hosts) {
        const state = this.#members.get(host.name)?.agent.host ?? this.#add(host);
        if (JSON.stringify(state.capacity) === JSON.stringify(host.capacity)) continue;
        state.capacity = host.capacity;
        touch(state, "host", "capacity", host.capacity);
      }
    });
  }

  /** Names of all machines, in the order they were made. */
  names(): string[] {
    return [...this.#members.keys()];
  }

  /** The true state of a host; to look at, not to change. Throws for an unknown one. */
  state(host: string): SimHost {
    return this.#member(host).agent.host;
  }

  /** Carries out one step at once, without latency or faults: to prepare a world. */
  carryOut(host: string, action: Action): ActionResult {
    const state = this.state(host);
    const conditions = { leased: true, diskFull: false, memoryUse: 0.5 };
    const step = stepFor(action);
    const early = step.check(state, action, conditions);
    if (early === null) step.begin?.(state, action, conditions);
    const verdict = early ?? step.finish(state, action, conditions);
    if (action.kind === "startInstance") this.#member(host).agent.adopt(action);
    return { number: action.number, ...verdict, version: state.version };
  }

  /** Puts something on a host that is not ours. */
  addForeign(host: string, object: ForeignObject): void {
    const state = this.state(host);
    const key = `${object.kind}:${object.name}`;
    state.foreign.set(key, object);
    touch(state, "foreign", key, object);
  }

  /** Lets something go wrong on a host, or come back. */
  inject(host: string, fault: Fault): void {
    const { agent, network } = this.#member(host);
    switch (fault.kind) {
      case "crash":
        return agent.powerOff();
      case "boot":
        return agent.powerOn();
      case "hang":
        return agent.hang(fault.forMs);
      case "partition":
        return network.cut(fault.direction, fault.forMs);
      case "loseReply":
        return network.loseReplies(fault.count);
      case "delayReply":
        return network.delayReplies(fault.count, fault.byMs);
      case "deliverTwice":
        return network.deliverTwice(fault.count);
      case "clockJump":
        return;
      case "slow":
        return agent.slowDown(fault.factor, fault.forMs);
      case "crashInstance":
        return this.#crashInstance(agent, fault.set, fault.index, fault.restarts);
      case "diskFull":
        return agent.fillDisk(fault.forMs);
      case "loseCapability":
        return this.#loseCapability(agent.host, fault.capability, fault.forMs);
      case "loseRuntime":
        return this.#lack(agent.host, `runtime ${fault.runtime}`, fault.forMs);
      case "loseSecret":
        return this.#lack(agent.host, `secret ${fault.secret}`, fault.forMs);
      case "restartAgent":
        return agent.restart();
      default:
        return fault satisfies never;
    }
  }

  /** Ends all faults; hosts that are off stay off unless `boot`. */
  calm(boot: boolean): void {
    for (const { agent, network } of this.#members.values()) {
      network.mend();
      agent.recover();
      agent.host.lacks.clear();
      for (const capability of ALL_CAPABILITIES) this.#gainCapability(agent.host, capability);
      if (boot) agent.powerOn();
    }
  }

  /** Ends the faults of one host and switches it on. Throws for an unknown one. */
  restore(host: string): void {
    const { agent, network } = this.#member(host);
    network.mend();
    agent.recover();
    agent.host.lacks.clear();
    agent.powerOn();
  }

  /** Nothing moves any more; with a store the world goes on from here when it is opened again. */
  close(): void {
    this.#timers.close();
    this.#heartbeats.close();
    for (const connection of this.#connections) void connection.close();
    this.#store?.close();
  }

  #member(host: string): SimMember {
    const member = this.#members.get(host);
    if (member === undefined) throw new Error(`the simulated world has no host ${host}`);
    return member;
  }

  #add(host: Pick<DesiredHost, "name" | "capacity">): SimHost {
    const state = createHostState(host, (table, key, value) => this.#changed(state, table, key, value));
    const agent = new SimAgent(state, {
      clock: this.#clock,
      timers: this.#timers,
      random: this.#random,
      stepAccepted: (host, action) => this.#stepAccepted(host, action),
      stepEnded: (host, id, action, verdict) => {
        this.#store?.forgetStep(id);
        this.#witness?.stepEnded(host, action, verdict);
      },
      stepsLost: (host) => this.#store?.forgetSteps(host.name),
      atomically: (change) => this.#atomically(change),
    });
    this.#members.set(host.name, { agent, network: new SimNetwork(this.#clock) });
    if (!this.#loading) this.#store?.put(host.name, "host", "capacity", host.capacity);
    return state;
  }

  #changed(host: SimHost, table: Table, key: string, value: unknown): void {
    if (this.#loading) return;
    this.#store?.put(host.name, table, key, value);
    if (table === "instance") this.#members.get(host.name)?.agent.instanceChanged();
    for (const connection of this.#connections) connection.changed(host.name);
    this.#witness?.changed(host, table, key);
  }

  #stepAccepted(host: SimHost, action: Action): number {
    return this.#store?.acceptStep(host.name, action) ?? ++this.#steps;
  }

  #atomically(change: () => void): void {
    if (this.#store === null) change();
    else this.#store.atomically(change);
  }

  /** Reads the world back. A step that was under way when the process died ended or not: both are what hosts do. */
  #load(): void {
    if (this.#store === null) return;
    this.#loading = true;
    const { hosts, steps } = this.#store.load((host, capacity) => this.#add({ name: host, capacity }));
    this.#loading = false;
    for (const host of hosts) this.#member(host.name).agent.resume();
    for (const { id, host, action } of steps) {
      this.#store.forgetStep(id);
      const { agent } = this.#member(host);
      if (agent.host.powered && this.#random.chance(0.5)) agent.submit(action, () => undefined);
    }
  }

  #scheduleBeat(): void {
    this.#heartbeats.after(this.#heartbeatMs, () => {
      for (const connection of this.#connections) connection.beat();
      for (const { agent } of this.#members.values()) agent.keepLease(this.#heartbeatMs);
      this.#scheduleBeat();
    });
  }

  #crashInstance(agent: SimAgent, set: string, index: number, restarts: boolean): void {
    for (const { observed } of agent.host.slots.get(slotKey(set, index))?.instances.values() ?? []) agent.crashInstance(observed, restarts);
  }

  #loseCapability(host: SimHost, capability: (typeof ALL_CAPABILITIES)[number], forMs: number): void {
    if (!host.capabilities.delete(capability)) return;
    touch(host, "host", "capabilities", [...host.capabilities]);
    this.#timers.after(forMs, () => this.#gainCapability(host, capability));
  }

  #lack(host: SimHost, what: string, forMs: number): void {
    host.lacks.add(what);
    this.#timers.after(forMs, () => void host.lacks.delete(what));
  }

  #gainCapability(host: SimHost, capability: (typeof ALL_CAPABILITIES)[number]): void {
    if (host.capabilities.has(capability)) return;
    host.capabilities.add(capability);
    touch(host, "host", "capabilities", [...host.capabilities]);
  }
}

/** Simulated hosts for one reconciler in the same process: its port, and the world behind it. */
export interface SimHosts extends Hosts {
  readonly world: SimWorld;
}

/** A world and one connection to it; closing closes both. Call `world.define` with the hosts of each accepted revision. */
export function createSimHosts(options: SimWorldOptions): SimHosts {
  const world = new SimWorld(options);
  const connection = world.connect();
  return {
    world,
    follow: (hosts, listener) => connection.follow(hosts, listener),
    observe: (host, signal) => connection.observe(host, signal),
    apply: (host, request, signal) => connection.apply(host, request, signal),
    async close() {
      await connection.close();
      world.close();
    },
  };
}
