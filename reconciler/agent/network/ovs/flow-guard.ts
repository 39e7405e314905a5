import { createTurns, type InTurn } from "../../in-turn.ts";
import {
  announceAll,
  bridgeFlows,
  type Flow,
  type GuardedPort,
  portFlows,
  removePort,
  replaceAll,
  replacePort,
  summarize,
} from "./flows.ts";
import type { OvsSwitch } from "./switch.ts";

/**
 * The flows that should be on the bridge, and the one place that changes them: changes run one after the other and each is made of
 * what should be there when its turn comes, so that none undoes another.
 */
export class FlowGuard {
  readonly #switch: OvsSwitch;
  readonly #fleet: () => string;
  /** By endpoint. */
  readonly #ports = new Map<string, GuardedPort>();
  readonly #inTurn: InTurn = createTurns();

  constructor(ovs: OvsSwitch, fleet: () => string) {
    this.#switch = ovs;
    this.#fleet = fleet;
  }

  get(endpointId: string): GuardedPort | null {
    return this.#ports.get(endpointId) ?? null;
  }

  /** Remembers without touching the switch: for what `restore` puts there. */
  note(endpointId: string, port: GuardedPort): void {
    this.#ports.set(endpointId, port);
  }

  /** The port's flows, in place of what its address had. */
  put(bridge: string, endpointId: string, port: GuardedPort, signal: AbortSignal): Promise<void> {
    this.#ports.set(endpointId, port);
    return this.#inTurn(async () => {
      const now = this.#ports.get(endpointId);
      if (now !== undefined) await this.#switch.change(bridge, replacePort(this.#fleet(), now), signal);
    });
  }

  /** Announces those of the ports that send now. */
  announce(bridge: string, endpointIds: Iterable<string>, signal: AbortSignal): Promise<void> {
    return this.#inTurn(async () => {
      const ports = [...endpointIds].flatMap((id) => this.#ports.get(id) ?? []).filter(({ open }) => open);
      if (ports.length > 0) await this.#switch.change(bridge, announceAll(ports), signal);
    });
  }

  /** An address that another endpoint has by now keeps its flows. */
  drop(bridge: string, endpointId: string, signal: AbortSignal): Promise<void> {
    const port = this.#ports.get(endpointId);
    this.#ports.delete(endpointId);
    if (port === undefined) return Promise.resolve();
    return this.#inTurn(async () => {
      if (this.#hasAddress(port.ip)) return;
      await this.#switch.change(bridge, removePort(this.#fleet(), port.ip), signal);
    });
  }

  /** Puts back all flows if any is missing or one too many is there; true when something was. Ports whose link is gone are left out. */
  restore(bridge: string, ownBridge: boolean, links: () => ReadonlySet<string>, signal: AbortSignal): Promise<boolean> {
    return this.#inTurn(async () => {
      const fleet = this.#fleet();
      const present = summarize(await this.#switch.flows(bridge, signal));
      const wanted = (): Flow[] => {
        const there = links();
        const ports = [...this.#ports.values()].filter(({ link }) => there.has(link));
        return [...bridgeFlows(fleet, ownBridge), ...ports.flatMap((port) => portFlows(fleet, port))];
      };
      if (summarize(wanted()).join("\n") === present.join("\n")) return false;
      await this.#retry(() => this.#switch.change(bridge, replaceAll(fleet, wanted()), signal));
      return true;
    });
  }

  /** Cookies of the ports that send now, as the switch has them. */
  async openCookies(bridge: string, signal: AbortSignal): Promise<ReadonlySet<string>> {
    const flows = await this.#switch.flows(bridge, signal);
    return new Set(flows.filter(({ text }) => text.includes("arp_spa=")).map(({ cookie }) => cookie));
  }

  /** A bundle with the name of a link that goes at this moment is refused as a whole. */
  async #retry(change: () => Promise<void>): Promise<void> {
    for (let attempt = 1; ; attempt++) {
      try {
        return await change();
      } catch (error) {
        if (attempt === 3) throw error;
      }
    }
  }

  #hasAddress(ip: string): boolean {
    return [...this.#ports.values()].some((port) => port.ip === ip);
  }
}
