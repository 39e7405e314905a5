import { join } from "node:path";
import type { HostSettings } from "../../reconciler/core/host-settings.ts";
import type { HostObservation } from "../../reconciler/core/observation.ts";
import type { Action } from "../../reconciler/core/plan.ts";
import { createRemoteHosts } from "../../reconciler/io/hosts/remote-hosts.ts";
import type { FollowedHost, Hosts, HostsListener } from "../../reconciler/run/ports.ts";
import { createSystemClock } from "../../reconciler/sys/clock.ts";
import { FakeAgent, socketFolder } from "./fake-agent.ts";

const SILENT = { info: () => undefined, warn: () => undefined, error: () => undefined };

export function settings(host: string, more: Partial<HostSettings> = {}): HostSettings {
  const network = { cidr: "10.0.0.0/24", gateway: "10.0.0.1", vlan: null, bridge: "setpoint0", mtu: 1500, overlay: null } as const;
  return { fleet: "test", host, leaseForMs: null, network: { ...network, driver: "bridge", datapath: "system" }, cpus: null, ...more };
}

/** A step on slot web/0. */
export function step(number: number, deadlineMs = 5_000): Action {
  const rest = { host: "h-1", set: "web", index: 0, generation: 1, taskId: "t", needs: [], input: "i", deadlineMs };
  return { ...rest, number, kind: "pullImage", image: "shop/web:1" };
}

/** Agents on unix sockets, a real transport that follows them, and what its listener heard. */
export class Bench {
  readonly folder = socketFolder();
  readonly agents = new Map<string, FakeAgent>();
  readonly hosts: Hosts;
  readonly seen = new Map<string, HostObservation[]>();
  readonly heard = new Map<string, number>();
  readonly lost: string[] = [];
  readonly listener: HostsListener = {
    observed: (host, observation) => void this.seen.set(host, [...(this.seen.get(host) ?? []), observation]),
    heard: (host) => void this.heard.set(host, (this.heard.get(host) ?? 0) + 1),
    lost: (host, problem) => void this.lost.push(`${host}: ${problem}`),
  };

  constructor(environment: Readonly<Record<string, string>> = {}) {
    this.hosts = createRemoteHosts({ clock: createSystemClock(), log: SILENT, stateDir: this.folder.path, environment, random: () => 0.5 });
  }

  async agent(host: string): Promise<FakeAgent> {
    const agent = await new FakeAgent(join(this.folder.path, `${host}.sock`), host).start();
    this.agents.set(host, agent);
    return agent;
  }

  follow(...hosts: readonly (string | FollowedHost)[]): void {
    this.hosts.follow(
      hosts.map((host) => (typeof host === "string" ? this.entry(host) : host)),
      this.listener,
    );
  }

  entry(name: string, more: Partial<HostSettings> = {}): FollowedHost {
    return { name, agent: `unix://${join(this.folder.path, `${name}.sock`)}`, settings: settings(name, more) };
  }

  async close(): Promise<void> {
    await this.hosts.close();
    for (const agent of this.agents.values()) await agent.stop();
    this.folder.remove();
  }
}

/** Resolves when the condition holds; rejects after `withinMs`. */
export async function until(holds: () => boolean, withinMs = 10_000): Promise<void> {
  const end = performance.now() + withinMs;
  while (!holds()) {
    if (performance.now() > end) throw new Error(`it did not happen within ${withinMs} ms: ${holds.toString()}`);
    await new Promise((resolve) => {
      setTimeout(resolve, 5);
    });
  }
}
