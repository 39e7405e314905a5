import { withDeadline } from "../deadline.ts";
import type { FleetKeeper } from "../fleet.ts";
import type { Clock, Hosts } from "../ports.ts";

/**
 * Sees to it that what was done is also observed. A slot is freed once the fleet's view of its host contains the
 * step's effect or, when the outcome is unknown, once the host answered a fresh observation.
 */
export interface Witness {
  /** The step ended; its effect is in `version` of the run of the agent that was seen when it started. */
  expect(host: string, slot: string, boot: string, version: number): void;
  /** The step's outcome is unknown: nothing more is sent to the host until it was observed afresh. */
  doubt(host: string, slot: string): void;
  /** The host speaks again after a problem: its last observation may be out of date. */
  refresh(host: string): void;
  /** True while a host's word is awaited after an unknown outcome. */
  closed(host: string): boolean;
  /** The fleet has a newer observation of this host. */
  observed(host: string): void;
}

export interface WitnessLimits {
  /** How long the watch stream may take to show an effect before the host is asked. */
  readonly showWithinMs: number;
  /** For one fresh observation. */
  readonly observeMs: number;
  /** Failed observations in a row before the host counts as lost and its slots are freed. */
  readonly tries: number;
  /** Pause after the first failed observation; doubles up to `retryMaxMs`. */
  readonly retryMs: number;
  readonly retryMaxMs: number;
}

export interface WitnessPorts {
  readonly hosts: Hosts;
  readonly fleet: FleetKeeper;
  readonly clock: Clock;
  readonly limits: WitnessLimits;
  readonly lifetime: AbortSignal;
  /** One step of this slot is settled. */
  readonly free: (slot: string) => void;
  /** Steps may go to this host again. */
  readonly opened: (host: string) => void;
  readonly crash: (error: unknown) => void;
}

/** What is awaited of one host. */
interface Awaited {
  readonly host: string;
  expected: { readonly slot: string; readonly boot: string; readonly version: number; readonly sinceMs: number }[];
  /** Slots to free after the next fresh observation. */
  doubted: string[];
  closed: boolean;
  stale: boolean;
  watching: boolean;
  asking: boolean;
}

/** A witness that awaits nothing yet. */
export function createWitness(ports: WitnessPorts): Witness {
  const byHost = new Map<string, Awaited>();
  const awaitedOf = (host: string): Awaited => {
    const awaited = byHost.get(host) ?? unconcerned(host);
    byHost.set(host, awaited);
    return awaited;
  };
  const background = (work: Promise<void>): void => {
    // The end of the lifetime interrupts these loops; what is awaited then is for the next start to find out.
    work.catch((error: unknown) => {
      if (!ports.lifetime.aborted) ports.crash(error);
    });
  };
  const ask = (awaited: Awaited): void => {
    if (!awaited.asking) background(askUntilSettled(ports, awaited));
  };
  return {
    closed: (host) => byHost.get(host)?.closed ?? false,
    expect(host, slot, boot, version) {
      if (ports.fleet.reached(host, boot, version)) return ports.free(slot);
      const awaited = awaitedOf(host);
      awaited.expected.push({ slot, boot, version, sinceMs: ports.clock.monotonic() });
      if (!awaited.watching) background(watchForEffects(ports, awaited, ask));
    },
    doubt(host, slot) {
      const awaited = awaitedOf(host);
      awaited.doubted.push(slot);
      awaited.closed = true;
      ask(awaited);
    },
    refresh(host) {
      const awaited = awaitedOf(host);
      awaited.stale = true;
      ask(awaited);
    },
    observed(host) {
      const awaited = byHost.get(host);
      if (awaited !== undefined) freeShown(ports, awaited);
    },
  };
}

function unconcerned(host: string): Awaited {
  return { host, expected: [], doubted: [], closed: false, stale: false, watching: false, asking: false };
}

/** Frees the slots whose effect the fleet's view shows. */
function freeShown(ports: WitnessPorts, awaited: Awaited): void {
  const hidden: Awaited["expected"] = [];
  const shown: string[] = [];
  for (const effect of awaited.expected) {
    if (ports.fleet.reached(awaited.host, effect.boot, effect.version)) shown.push(effect.slot);
    else hidden.push(effect);
  }
  awaited.expected = hidden;
  for (const slot of shown) ports.free(slot);
}

/** Asks the host when the stream did not show an effect in time. Ends when no effect is awaited. */
async function watchForEffects(ports: WitnessPorts, awaited: Awaited, ask: (awaited: Awaited) => void): Promise<void> {
  awaited.watching = true;
  while (awaited.expected.length > 0) {
    const dueMs = awaited.expected[0]!.sinceMs + ports.limits.showWithinMs;
    await ports.clock.sleep(Math.max(0, dueMs - ports.clock.monotonic()), ports.lifetime);
    const nowMs = ports.clock.monotonic();
    const overdue = awaited.expected.filter((effect) => effect.sinceMs + ports.limits.showWithinMs <= nowMs);
    awaited.expected = awaited.expected.filter((effect) => effect.sinceMs + ports.limits.showWithinMs > nowMs);
    awaited.doubted.push(...overdue.map((effect) => effect.slot));
    if (overdue.length > 0) ask(awaited);
  }
  awaited.watching = false;
}

/** Asks until the host answered everything that was in doubt when asked, or is followed no more. */
async function askUntilSettled(ports: WitnessPorts, awaited: Awaited): Promise<void> {
  awaited.asking = true;
  let failures = 0;
  while (awaited.doubted.length > 0 || awaited.closed || awaited.stale) {
    if (!ports.fleet.views.has(awaited.host)) {
      settle(ports, awaited, awaited.doubted.splice(0));
      break;
    }
    const before = awaited.doubted;
    awaited.doubted = [];
    const problem = await observeOnce(ports, awaited.host);
    if (problem === null) {
      failures = 0;
      settle(ports, awaited, before);
      continue;
    }
    awaited.doubted = [...before, ...awaited.doubted];
    failures += 1;
    if (failures >= ports.limits.tries) giveUp(ports, awaited, problem);
    await ports.clock.sleep(Math.min(ports.limits.retryMs * 2 ** Math.min(failures - 1, 16), ports.limits.retryMaxMs), ports.lifetime);
  }
  awaited.asking = false;
}

/** Frees slots after a fresh observation and lets the host have steps again, unless newer doubts came up meanwhile. */
function settle(ports: WitnessPorts, awaited: Awaited, slots: readonly string[]): void {
  awaited.stale = false;
  const opens = awaited.closed && awaited.doubted.length === 0;
  if (opens) awaited.closed = false;
  for (const slot of slots) ports.free(slot);
  if (opens) ports.opened(awaited.host);
}

/** The host counts as lost: the planner sees it as unknown, so its slots need not be kept busy; no step goes there. */
function giveUp(ports: WitnessPorts, awaited: Awaited, problem: string): void {
  awaited.closed = true;
  ports.fleet.listener.lost(awaited.host, `does not answer an observation: ${problem}`);
  for (const slot of awaited.doubted.splice(0)) ports.free(slot);
}

/** Observes the host now and tells the fleet; null, or why it did not work. */
async function observeOnce(ports: WitnessPorts, host: string): Promise<string | null> {
  try {
    const observation = await withDeadline(ports.clock, ports.limits.observeMs, ports.lifetime, (signal) =>
      ports.hosts.observe(host, signal),
    );
    ports.fleet.listener.observed(host, observation);
    return null;
  } catch (error) {
    if (ports.lifetime.aborted) throw error;
    return error instanceof Error ? error.message : String(error);
  }
}
