import type { JournalEvent } from "../../reconciler/core/events.ts";
import type { HostObservation } from "../../reconciler/core/observation.ts";
import type { Action } from "../../reconciler/core/plan.ts";
import { NO_RESOURCES } from "../../reconciler/core/resources.ts";
import type { ActionResult, ApplyRequest } from "../../reconciler/core/agent-wire.ts";
import { type Clock, HostError, type Hosts, type HostsListener, type Journal } from "../../reconciler/run/ports.ts";

/** What a fake host does with one action. */
export type Behaviour =
  /** Takes so long, then has the effect and says so. */
  | { readonly does: "done"; readonly tookMs: number }
  | { readonly does: "refused" | "failed"; readonly code: string }
  /** Never answers; has no effect. */
  | { readonly does: "hang" }
  /** Has the effect, then the reply is lost. */
  | { readonly does: "lose-reply" }
  /** Has the effect and says so, but no observation is pushed. */
  | { readonly does: "done-unseen" };

/** A host whose unset behaviour is an error: a test that reaches it fails. */
export interface FakeHost {
  apply?: (action: Action) => Behaviour;
  observe?: "answers" | "hangs" | "fails";
  boot: string;
  version: number;
  /** What was done here, each thing once: `startInstance web/0#1`. */
  readonly effects: Set<string>;
  /** Greatest number of actions under way at once. */
  busiest: number;
  underWay: number;
  requests: ApplyRequest[];
  /** When each of them came; monotonic. */
  requestedAtMs: number[];
}

/** `startInstance web/0#1` */
export function effectOf({ kind, set, index, generation }: Pick<Action, "kind" | "set" | "index" | "generation">): string {
  return `${kind} ${set}/${index}#${generation}`;
}

/** An in-memory fleet that keeps a world and complains of what a real one would suffer from silently. */
export class FakeHosts implements Hosts {
  readonly world = new Map<string, FakeHost>();
  /** Broken rules and unset behaviour; a test ends by asserting that there are none. */
  readonly complaints: string[] = [];
  /** Every action as it took effect, in order. */
  readonly log: string[] = [];
  /** Hosts that do not report themselves when they are followed. */
  readonly silent = new Set<string>();
  readonly #clock: Clock;
  readonly #journal: Pick<Journal, "load">;
  #listener: HostsListener | null = null;
  #followed: readonly string[] = [];

  constructor(clock: Clock, journal: Pick<Journal, "load">) {
    this.#clock = clock;
    this.#journal = journal;
  }

  add(name: string, behaviour: Pick<FakeHost, "apply" | "observe">): FakeHost {
    const host: FakeHost = {
      ...behaviour,
      boot: "boot-1",
      version: 1,
      effects: new Set(),
      busiest: 0,
      underWay: 0,
      requests: [],
      requestedAtMs: [],
    };
    this.world.set(name, host);
    return host;
  }

  follow(hosts: readonly { readonly name: string }[], listener: HostsListener): void {
    this.#listener = listener;
    const before = new Set(this.#followed);
    this.#followed = hosts.map((host) => host.name);
    for (const { name } of hosts) if (!before.has(name) && !this.silent.has(name)) this.push(name);
  }

  /** The one who listened is gone; the next to follow hears from every host. */
  forget(): void {
    this.#listener = null;
    this.#followed = [];
  }

  /** The host reports itself. */
  push(name: string): void {
    this.#listener?.observed(name, this.#observation(name));
  }

  heartbeat(name: string): void {
    this.#listener!.heard(name);
  }

  lose(name: string, problem: string): void {
    this.#listener!.lost(name, problem);
  }

  async observe(name: string, signal: AbortSignal): Promise<HostObservation> {
    const { observe } = this.#host(name);
    if (observe === undefined) throw this.#complain(`unset: observe of ${name}`);
    await this.#clock.sleep(observe === "hangs" ? 1e9 : 5, signal);
    if (observe === "fails") throw new HostError("no route to host");
    return this.#observation(name);
  }

  async *apply(name: string, request: ApplyRequest, signal: AbortSignal): AsyncGenerator<ActionResult> {
    const host = this.#host(name);
    host.requests.push(request);
    host.requestedAtMs.push(this.#clock.monotonic());
    this.#checkJournalled(name, request.actions);
    host.underWay += request.actions.length;
    host.busiest = Math.max(host.busiest, host.underWay);
    const open = new Map(request.actions.map((action) => [action.number, this.#run(name, host, action, signal)]));
    while (open.size > 0) {
      const result = await Promise.race(open.values());
      open.delete(result.number);
      yield result;
    }
  }

  close(): Promise<void> {
    return Promise.resolve();
  }

  async #run(name: string, host: FakeHost, action: Action, signal: AbortSignal): Promise<ActionResult> {
    const behaviour = host.apply?.(action);
    if (behaviour === undefined) throw this.#complain(`unset: apply of ${effectOf(action)} on ${name}`);
    await this.#clock.sleep(behaviour.does === "hang" ? 1e9 : behaviour.does === "done" ? behaviour.tookMs : 10, signal);
    host.underWay -= 1;
    const result = { number: action.number, outcome: "done", code: "", message: "", retry: "transient", version: host.version } as const;
    if (behaviour.does === "failed" || behaviour.does === "refused") {
      return { ...result, outcome: behaviour.does, code: behaviour.code, message: `${behaviour.code}!`, retry: "permanent" };
    }
    host.effects.add(effectOf(action));
    host.version += 1;
    this.log.push(`${name} ${effectOf(action)}`);
    if (behaviour.does === "lose-reply") throw new HostError("connection reset");
    if (behaviour.does === "done") {
      const { version } = host;
      void this.#clock.sleep(50).then(() => host.version === version && this.push(name));
    }
    return { ...result, version: host.version };
  }

  /** Intent before effect: what arrives must stand in the journal as started. */
  #checkJournalled(name: string, actions: readonly Action[]): void {
    const open = new Map<string, JournalEvent>();
    for (const event of this.#journal.load().events) {
      if (event.type === "action.started") open.set(`${event.host} ${event.kind} ${event.set}/${event.index}#${event.generation}`, event);
    }
    for (const action of actions) {
      if (!open.has(`${name} ${effectOf(action)}`)) this.#complain(`${effectOf(action)} arrived on ${name} before it was journalled`);
    }
  }

  #observation(name: string): HostObservation {
    const { boot, version, effects } = this.#host(name);
    return {
      host: name,
      boot,
      version,
      capacity: NO_RESOURCES,
      capabilities: ["docker"],
      instances: [],
      volumes: [],
      trash: [],
      ports: [],
      images: [...effects].sort(),
      floors: {},
      foreign: [],
    };
  }

  #host(name: string): FakeHost {
    const host = this.world.get(name);
    if (host === undefined) throw this.#complain(`unset: host ${name}`);
    return host;
  }

  #complain(text: string): Error {
    this.complaints.push(text);
    return new Error(text);
  }
}
