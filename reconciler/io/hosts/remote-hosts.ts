import { type Clock, type FollowedHost, HostError, type Hosts, type HostsListener, type Log } from "../../run/ports.ts";
import type { DialOptions } from "./dial.ts";
import { HostLink, type LinkPorts } from "./link.ts";
import { createTurns } from "./turns.ts";
import { createWheel } from "./wheel.ts";

export interface RemoteHostsOptions extends DialOptions {
  readonly clock: Clock;
  readonly log: Log;
  /** 0 to 1, for the jitter of retries; default Math.random. */
  readonly random?: () => number;
}

/** Logins under way at once: thousands of them together would starve each other. */
const DIALS_AT_ONCE = 64;

/** Hosts behind real agents, by unix socket or ssh. */
export function createRemoteHosts({ clock, log, stateDir, environment, random = Math.random }: RemoteHostsOptions): Hosts {
  const wheel = createWheel(clock);
  const links = new Map<string, { readonly agent: string; readonly link: HostLink }>();
  const closing = new Set<Promise<void>>();
  let listener: HostsListener | null = null;
  const ports: LinkPorts = {
    clock,
    wheel,
    log,
    random,
    dial: { stateDir, environment },
    dialling: createTurns(DIALS_AT_ONCE, Infinity),
    listener: {
      observed: (host, observation) => listener?.observed(host, observation),
      heard: (host) => listener?.heard(host),
      lost: (host, problem) => listener?.lost(host, problem),
    },
  };

  function drop(name: string): void {
    const closed = links.get(name)!.link.close();
    links.delete(name);
    closing.add(closed);
    void closed.finally(() => closing.delete(closed));
  }

  function linkTo(host: string): HostLink {
    const known = links.get(host);
    if (known === undefined) throw new HostError(`${host} is not among the hosts followed`);
    return known.link;
  }

  return {
    follow(hosts: readonly FollowedHost[], heard) {
      listener = heard;
      const wanted = new Map(hosts.map((host) => [host.name, host]));
      for (const [name, { agent }] of links) if (wanted.get(name)?.agent !== agent) drop(name);
      for (const host of hosts) {
        const known = links.get(host.name);
        if (known === undefined) links.set(host.name, { agent: host.agent, link: new HostLink(host, ports) });
        else known.link.update(host.settings);
      }
    },
    observe: async (host, signal) => await linkTo(host).observe(signal),
    async *apply(host, request, signal) {
      yield* linkTo(host).apply(request, signal);
    },
    async close() {
      listener = null;
      for (const name of links.keys()) drop(name);
      await Promise.all(closing);
      wheel.close();
    },
  };
}
