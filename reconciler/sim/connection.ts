import type { HostSettings } from "../core/host-settings.ts";
import type { HostObservation } from "../core/observation.ts";
import type { ActionResult, ApplyRequest } from "../core/agent-wire.ts";
import { HostError, type Clock, type FollowedHost, type Hosts, type HostsListener } from "../run/ports.ts";
import type { SimAgent } from "./agent.ts";
import { observe } from "./host-state.ts";
import type { SimNetwork } from "./network.ts";
import type { Random } from "./random.ts";
import { ResultStream } from "./result-stream.ts";
import type { Timers } from "./timers.ts";

/** One host of the world with what stands between it and the reconciler. */
export interface SimMember {
  readonly agent: SimAgent;
  readonly network: SimNetwork;
}

/** What a connection needs of the world. */
export interface ConnectionWorld {
  readonly clock: Clock;
  readonly timers: Timers;
  readonly random: Random;
  member(host: string): SimMember | null;
  closed(connection: SimConnection): void;
}

/** Heartbeats missed before a silent host counts as lost. */
const MISSED_HEARTBEATS = 3;
/** How long a request waits for a host that does not answer, milliseconds. */
const ANSWER_WITHIN_MS = 10_000;

/** The reconciler's side of its conversation with one host. */
interface Link {
  readonly host: string;
  settings: HostSettings;
  up: boolean;
  problem: string;
  /** Run of the agent the link was made to. */
  boot: number;
  missed: number;
  /** Version last pushed. */
  sent: number;
  pushing: boolean;
  /** Fail what waits for this host. */
  readonly waiting: Set<(error: HostError) => void>;
  /** Replies held back by a cut line that may still be mended in time. */
  held: (() => void)[];
}

/** One reconciler's connections to simulated hosts; the hosts go on when it closes. */
export class SimConnection implements Hosts {
  readonly #world: ConnectionWorld;
  readonly #links = new Map<string, Link>();
  #listener: HostsListener | null = null;
  #closed = false;

  constructor(world: ConnectionWorld) {
    this.#world = world;
  }

  follow(hosts: readonly FollowedHost[], listener: HostsListener): void {
    if (this.#closed) return;
    this.#listener = listener;
    const names = new Set(hosts.map((host) => host.name));
    for (const link of this.#links.values()) {
      if (names.has(link.host)) continue;
      this.#links.delete(link.host);
      this.#failWaiting(link, "the host is followed no more");
      link.up = false;
    }
    for (const { name, settings } of hosts) {
      const link = this.#links.get(name);
      if (link !== undefined) link.settings = settings;
      else this.#open(name, settings);
    }
  }

  observe(host: string, signal: AbortSignal): Promise<HostObservation> {
    return new Promise((resolve, reject) => {
      const link = this.#links.get(host);
      const settle = this.#await(link, signal, reject);
      if (settle === null) return reject(signal.aborted ? signal.reason : new HostError(this.#whyNot(host, link)));
      const { agent, network } = this.#world.member(host)!;
      this.#later(agent, () => {
        if (network.toHostCut || !agent.listening) return;
        agent.whenEngineAnswers(() =>
          this.#later(agent, () => {
            if (network.fromHostCut || !agent.listening || link!.boot !== agent.host.boot) return;
            if (settle()) resolve(observe(agent.host));
          }),
        );
      });
    });
  }

  apply(host: string, request: ApplyRequest, signal: AbortSignal): AsyncIterable<ActionResult> {
    const stream = new ResultStream(request.actions.length);
    const link = this.#links.get(host);
    if (request.actions.length === 0) return stream;
    const settle = this.#await(link, signal, (error) => stream.fail(error));
    if (settle === null) stream.fail(signal.aborted ? signal.reason : new HostError(this.#whyNot(host, link)));
    else this.#send(link!, request, stream, settle);
    return stream;
  }

  close(): Promise<void> {
    this.#closed = true;
    for (const link of this.#links.values()) this.#failWaiting(link, "the connection was closed");
    this.#links.clear();
    this.#listener = null;
    this.#world.closed(this);
    return Promise.resolve();
  }

  /** One heartbeat of every host followed. */
  beat(): void {
    for (const link of this.#links.values()) this.#beat(link);
  }

  /** The host has something new to report: pushed a little later, together with what follows soon. */
  changed(host: string): void {
    const link = this.#links.get(host);
    if (link === undefined || !link.up || link.pushing) return;
    link.pushing = true;
    const { agent } = this.#world.member(host)!;
    this.#world.timers.after(this.#world.random.between(5, 25) * agent.slowness, () => {
      link.pushing = false;
      if (link.up) this.#push(link);
    });
  }

  #open(name: string, settings: HostSettings): void {
    const problem = "not connected yet";
    const rest = { boot: 0, missed: 0, sent: -1, pushing: false, waiting: new Set<(error: HostError) => void>(), held: [] };
    const link: Link = { host: name, settings, up: false, problem, ...rest };
    this.#links.set(name, link);
    this.#world.timers.after(this.#world.random.between(5, 30), () => {
      if (this.#links.get(name) !== link || link.up) return;
      this.#dial(link);
      if (link.up) return;
      link.problem = this.#world.member(name) === null ? `the simulated world has no host ${name}` : "no answer";
      this.#listener?.lost(name, link.problem);
    });
  }

  #dial(link: Link): void {
    const member = this.#world.member(link.host);
    if (member === null || !member.agent.listening || member.network.toHostCut || member.network.fromHostCut) return;
    Object.assign(link, { up: true, problem: "", boot: member.agent.host.boot, missed: 0, sent: -1 });
    member.agent.renewLease(this.#world.clock.monotonic(), link.settings);
    this.#push(link);
  }

  #beat(link: Link): void {
    const member = this.#world.member(link.host);
    if (member === null) return;
    for (const deliver of member.network.takeParked()) deliver();
    if (!link.up) return this.#dial(link);
    const { agent, network } = member;
    if (agent.host.powered && !network.fromHostCut && (!agent.listening || agent.host.boot !== link.boot)) {
      return this.#lose(link, "the agent closed the connection");
    }
    if (!agent.host.powered || network.fromHostCut) {
      link.missed++;
      if (link.missed >= MISSED_HEARTBEATS) this.#lose(link, `no heartbeat for ${MISSED_HEARTBEATS} s`);
      return;
    }
    link.missed = 0;
    this.#listener?.heard(link.host);
    if (!network.toHostCut) agent.renewLease(this.#world.clock.monotonic(), link.settings);
    const held = link.held;
    link.held = [];
    for (const reply of held) reply();
    if (link.sent !== agent.host.version) this.#push(link);
  }

  #push(link: Link): void {
    const { agent, network } = this.#world.member(link.host)!;
    if (!agent.listening || network.fromHostCut || agent.host.boot !== link.boot) return;
    link.sent = agent.host.version;
    this.#listener?.observed(link.host, observe(agent.host));
  }

  #lose(link: Link, problem: string): void {
    link.up = false;
    link.problem = problem;
    link.held = [];
    this.#failWaiting(link, problem);
    this.#listener?.lost(link.host, problem);
  }

  #failWaiting(link: Link, problem: string): void {
    for (const fail of link.waiting) fail(new HostError(`${link.host}: ${problem}`));
    link.waiting.clear();
  }

  /**
   * Registers something that waits for the link: it fails with the link, with the signal, or when no answer comes
   * in time. The returned function ends the wait and says whether it was still on. null: the link is not usable.
   */
  #await(link: Link | undefined, signal: AbortSignal, reject: (error: unknown) => void): (() => boolean) | null {
    if (link === undefined || !link.up || signal.aborted) return null;
    let over = false;
    const settle = (): boolean => {
      if (over) return false;
      over = true;
      link.waiting.delete(fail);
      signal.removeEventListener("abort", abort);
      return true;
    };
    const fail = (error: unknown): void => {
      if (settle()) reject(error);
    };
    const abort = (): void => fail(signal.reason);
    link.waiting.add(fail);
    signal.addEventListener("abort", abort, { once: true });
    return settle;
  }

  #whyNot(host: string, link: Link | undefined): string {
    return link === undefined ? `${host} is not among the hosts followed` : `${host}: ${link.problem}`;
  }

  /** Carries a request to the host and its results back, with whatever happens on the way. */
  #send(link: Link, request: ApplyRequest, stream: ResultStream, settle: () => boolean): void {
    const { agent, network } = this.#world.member(link.host)!;
    const { lose, delayMs, twice } = network.treatRequest();
    const reply = (result: ActionResult): void => {
      const arrive = (): void => {
        if (lose) return this.#breakOff(link, stream, settle);
        stream.push(result);
        if (!stream.open) settle();
      };
      this.#later(agent, () => (network.fromHostCut ? void link.held.push(arrive) : arrive()), delayMs);
    };
    const submit = (answer: (result: ActionResult) => void): void => {
      if (!agent.listening) return;
      for (const action of request.actions) agent.submit(action, answer);
    };
    this.#later(agent, () => {
      if (network.toHostCut) {
        const arrives = this.#world.random.chance(0.5);
        if (arrives) network.park(() => submit(reply));
        this.#world.timers.after(ANSWER_WITHIN_MS, () => this.#breakOff(link, stream, settle));
      } else submit(reply);
    });
    if (twice) this.#world.timers.after(this.#world.random.between(10, 5000), () => submit(() => undefined));
  }

  #breakOff(link: Link, stream: ResultStream, settle: () => boolean): void {
    if (settle()) stream.fail(new HostError(`${link.host}: the connection broke before the answer came`));
  }

  #later(agent: SimAgent, then: () => void, extraMs = 0): void {
    this.#world.timers.after(this.#world.random.between(1, 5) * agent.slowness + extraMs, then);
  }
}
