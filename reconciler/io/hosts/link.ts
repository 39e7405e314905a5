import { type AgentAddress, parseAgentAddress } from "../../core/agent-address.ts";
import type { ActionResult, ApplyRequest, LeaseEcho } from "../../core/agent-wire.ts";
import type { HostSettings } from "../../core/host-settings.ts";
import type { HostObservation } from "../../core/observation.ts";
import { type Clock, type FollowedHost, HostError, type HostsListener, type Log } from "../../run/ports.ts";
import { type AgentClient, createAgentClient, RefusedError } from "./agent-client.ts";
import { readResults } from "./apply-stream.ts";
import { createDeadline } from "./deadline.ts";
import { dialFor, type DialOptions, explainDial } from "./dial.ts";
import { shareObservation } from "./share.ts";
import { createTurns, type Turns } from "./turns.ts";
import { watchLines } from "./watch.ts";
import type { Wheel } from "./wheel.ts";

/** What all links share. */
export interface LinkPorts {
  readonly clock: Clock;
  readonly wheel: Wheel;
  readonly log: Log;
  readonly dial: DialOptions;
  /** How many hosts are being called up at once. */
  readonly dialling: Turns;
  /** 0 to 1. */
  readonly random: () => number;
  readonly listener: HostsListener;
}

/** For login, settings and the first word of the watch, each. */
const CONNECT_WITHIN_MS = 20_000;
/** A host that does not answer keeps others waiting no longer than this. */
const DIAL_TURN_MS = 1_000;
const OBSERVE_WITHIN_MS = 10_000;
/** On top of the longest deadline of the steps sent. */
const APPLY_MARGIN_MS = 10_000;
const ECHO_WITHIN_MS = 5_000;
/** Echoes come no further apart, whatever the lease: an agent closes an idle stream after a minute. */
const ECHO_AT_LEAST_EVERY_MS = 10_000;
const FIRST_RETRY_MS = 500;
const LAST_RETRY_MS = 30_000;
/** A connection that held this long was a good one. */
const STEADY_AFTER_MS = 5_000;
const REQUESTS_AT_ONCE = 8;
const MOST_WAITING = 64;

/** One connection, from the login to its loss. */
interface Session {
  readonly client: AgentClient;
  readonly over: AbortController;
  /** What the agent was told last. */
  told: HostSettings;
  echoedAtMs: number;
  echoing: boolean;
}

/** The reconciler's side of its conversation with one host; calls again after every loss, for ever. */
export class HostLink {
  readonly #host: string;
  readonly #address: Exclude<AgentAddress, { kind: "sim" }>;
  readonly #ports: LinkPorts;
  readonly #closed = new AbortController();
  readonly #turns = createTurns(REQUESTS_AT_ONCE, MOST_WAITING);
  readonly #done: Promise<void>;
  #settings: HostSettings;
  #session: Session | null = null;
  #last: HostObservation | null = null;
  /** Monotonic; null while it is not up. */
  #upAtMs: number | null = null;
  #problem = "not connected yet";

  /** `agent` is one that parses, and not a simulated one. */
  constructor({ name, agent, settings }: FollowedHost, ports: LinkPorts) {
    const parsed = parseAgentAddress(agent);
    if (parsed.kind === "problem" || parsed.address.kind === "sim") throw new Error(`no real agent: ${agent}`);
    this.#host = name;
    this.#address = parsed.address;
    this.#settings = settings;
    this.#ports = ports;
    this.#done = this.#callForEver();
  }

  update(settings: HostSettings): void {
    if (settings === this.#settings) return;
    this.#settings = settings;
    if (this.#session !== null && this.#upAtMs !== null) void this.#tell(this.#session);
  }

  async observe(signal: AbortSignal): Promise<HostObservation> {
    const session = this.#live(signal);
    const until = this.#ports.clock.monotonic() + OBSERVE_WITHIN_MS;
    const why = `no observation within ${OBSERVE_WITHIN_MS / 1000} s`;
    const body = await this.#within(
      signal,
      session,
      () => until - this.#ports.clock.monotonic(),
      why,
      (signal) => session.client.send("GET", "/v1/observe", undefined, signal),
    );
    return shareObservation(this.#last, JSON.parse(body) as HostObservation);
  }

  async *apply(request: ApplyRequest, signal: AbortSignal): AsyncGenerator<ActionResult> {
    if (request.actions.length === 0) return;
    const session = this.#live(signal);
    const giveBack = await this.#turns.take(signal).catch((error: unknown) => this.#fail(error, signal, session));
    const { clock, wheel } = this.#ports;
    const silentMs = Math.max(...request.actions.map(({ deadlineMs }) => deadlineMs)) + APPLY_MARGIN_MS;
    let heardAtMs = clock.monotonic();
    const leftMs = (): number => heardAtMs + silentMs - clock.monotonic();
    const deadline = createDeadline(wheel, [signal, session.over.signal], leftMs, `no result within ${silentMs / 1000} s`);
    try {
      const response = await session.client.open("POST", "/v1/apply", request, deadline.signal);
      yield* readResults(response, request, () => {
        heardAtMs = clock.monotonic();
      });
    } catch (error) {
      this.#fail(deadline.signal.aborted ? deadline.signal.reason : error, signal, session);
    } finally {
      deadline.end();
      giveBack();
    }
  }

  /** Resolves when nothing of it is left. */
  async close(): Promise<void> {
    this.#closed.abort(new HostError("the connection was closed"));
    this.#session?.over.abort(new HostError(`${this.#host}: the host is followed no more`));
    this.#session?.client.close();
    await this.#done;
  }

  async #callForEver(): Promise<void> {
    const { wheel, random, clock } = this.#ports;
    let waitMs = FIRST_RETRY_MS;
    while (!this.#closed.signal.aborted) {
      const { problem, hopeless } = await this.#converse();
      if (this.#closed.signal.aborted) return;
      const steady = this.#upAtMs !== null && clock.monotonic() - this.#upAtMs > STEADY_AFTER_MS;
      this.#lose(problem);
      if (steady) waitMs = FIRST_RETRY_MS;
      else if (hopeless) waitMs = LAST_RETRY_MS;
      await wheel.sleep(waitMs * (0.75 + random() / 2), this.#closed.signal);
      waitMs = Math.min(waitMs * 2, LAST_RETRY_MS);
    }
  }

  /** Settings, then the watch until it ends; resolves with why it did. `hopeless`: the agent itself said no. */
  async #converse(): Promise<{ readonly problem: string; readonly hopeless: boolean }> {
    const dial = dialFor(this.#address, this.#ports.dial);
    const told = this.#settings;
    const client = createAgentClient(dial, told.fleet);
    const session: Session = { client, over: new AbortController(), told, echoedAtMs: -Infinity, echoing: false };
    this.#session = session;
    let problem = "";
    let hopeless = false;
    try {
      const response = await this.#callUp(session);
      problem = await watchLines(
        response,
        { wheel: this.#ports.wheel, now: () => this.#ports.clock.monotonic() },
        {
          observed: (observation) => this.#observed(session, observation),
          beat: (echo) => this.#beat(session, echo),
        },
      );
    } catch (error) {
      hopeless = error instanceof RefusedError;
      problem = this.#explain(error);
    }
    session.over.abort(new HostError(`${this.#host}: ${problem}`));
    client.close();
    this.#session = null;
    return { problem, hopeless };
  }

  async #callUp(session: Session) {
    const { wheel, dialling, clock } = this.#ports;
    const giveBack = await dialling.take(this.#closed.signal);
    const cancel = wheel.after(DIAL_TURN_MS, giveBack);
    const until = clock.monotonic() + CONNECT_WITHIN_MS;
    const leftMs = (): number => until - clock.monotonic();
    const deadline = createDeadline(
      wheel,
      [this.#closed.signal, session.over.signal],
      leftMs,
      `no answer within ${CONNECT_WITHIN_MS / 1000} s`,
    );
    try {
      await session.client.send("PUT", "/v1/settings", session.told, deadline.signal);
      return await session.client.open("GET", "/v1/watch", undefined, deadline.signal);
    } finally {
      deadline.end();
      cancel();
      giveBack();
    }
  }

  #observed(session: Session, observation: HostObservation): void {
    if (session !== this.#session) return;
    this.#last = shareObservation(this.#last, observation);
    if (this.#upAtMs === null) {
      this.#upAtMs = this.#ports.clock.monotonic();
      this.#problem = "";
      this.#ports.log.info({ host: this.#host }, "connected");
      if (session.told !== this.#settings) void this.#tell(session);
    }
    this.#ports.listener.observed(this.#host, this.#last);
  }

  #beat(session: Session, echo: LeaseEcho): void {
    if (session !== this.#session) return;
    this.#ports.listener.heard(this.#host);
    const nowMs = this.#ports.clock.monotonic();
    // A tenth of the lease apart: it never comes near its end while the line is up, and most beats cost no request.
    const apartMs = Math.min((this.#settings.leaseForMs ?? Infinity) / 10, ECHO_AT_LEAST_EVERY_MS);
    if (session.echoing || nowMs - session.echoedAtMs < apartMs) return;
    session.echoedAtMs = nowMs;
    void this.#echo(session, echo);
  }

  /** One that is lost is made up for by the next. */
  async #echo(session: Session, echo: LeaseEcho): Promise<void> {
    session.echoing = true;
    const { wheel, clock } = this.#ports;
    const until = clock.monotonic() + ECHO_WITHIN_MS;
    const deadline = createDeadline(wheel, [session.over.signal], () => until - clock.monotonic(), "no answer to a heartbeat");
    try {
      await session.client.send("POST", "/v1/lease", echo, deadline.signal);
    } catch {
      session.echoedAtMs = -Infinity;
    } finally {
      deadline.end();
      session.echoing = false;
    }
  }

  /** Tells the agent settings that changed. One that says no goes on with the old ones, and is told again with the next connection. */
  async #tell(session: Session): Promise<void> {
    if (session.told === this.#settings) return;
    session.told = this.#settings;
    const { wheel, clock, log } = this.#ports;
    const until = clock.monotonic() + CONNECT_WITHIN_MS;
    const deadline = createDeadline(wheel, [session.over.signal], () => until - clock.monotonic(), "no answer to new settings");
    try {
      await session.client.send("PUT", "/v1/settings", session.told, deadline.signal);
      if (session === this.#session) await this.#tell(session);
    } catch (error) {
      if (session.over.signal.aborted) return;
      log.warn({ host: this.#host, error: (error as Error).message }, "the agent did not take its new settings");
      if (!(error instanceof RefusedError)) session.client.close();
    } finally {
      deadline.end();
    }
  }

  #lose(problem: string): void {
    const wasUp = this.#upAtMs !== null;
    this.#upAtMs = null;
    if (!wasUp && problem === this.#problem) return;
    this.#problem = problem;
    this.#ports.log.warn({ host: this.#host, problem }, wasUp ? "connection lost" : "can't be reached");
    this.#ports.listener.lost(this.#host, problem);
  }

  /** The session that requests may use. */
  #live(signal: AbortSignal): Session {
    signal.throwIfAborted();
    if (this.#session === null || this.#upAtMs === null) throw new HostError(`${this.#host}: ${this.#problem}`);
    return this.#session;
  }

  async #within<Value>(
    signal: AbortSignal,
    session: Session,
    leftMs: () => number,
    why: string,
    work: (signal: AbortSignal) => Promise<Value>,
  ): Promise<Value> {
    const deadline = createDeadline(this.#ports.wheel, [signal, session.over.signal], leftMs, why);
    try {
      return await work(deadline.signal);
    } catch (error) {
      return this.#fail(error, signal, session);
    } finally {
      deadline.end();
    }
  }

  /** What a request rejects with: the caller's own reason, or a HostError. */
  #fail(error: unknown, signal: AbortSignal, session: Session): never {
    if (signal.aborted) throw signal.reason;
    if (error instanceof HostError) throw error;
    if (session.over.signal.aborted) throw session.over.signal.reason;
    throw new HostError(`${this.#host}: ${this.#explain(error)}`);
  }

  #explain(error: unknown): string {
    return error instanceof RefusedError ? `the agent refuses: ${error.message}` : explainDial(this.#address, error);
  }
}
