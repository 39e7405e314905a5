import type { NetworkSettings } from "../../../core/host-settings.ts";
import { parseCidr } from "../../../core/addresses.ts";
import { describeError } from "../../../sys/log.ts";
import type { Clock, Log, PortRequest } from "../../ports.ts";
import type { RunCommand } from "../../commands.ts";
import type { EndpointHandler, EndpointRequest, JoinAnswer } from "../plugin/protocol.ts";
import type { EndpointRecord, StateFile } from "../state.ts";
import { limitInside, limitLink } from "../tc/shaping.ts";
import type { FlowGuard } from "./flow-guard.ts";
import type { GuardedPort } from "./flows.ts";
import { completeChecksums, macOf, makeVeth, removeLink } from "../links.ts";
import { portOf } from "./overhaul.ts";
import { hostLink, type OvsSwitch, peerLink } from "./switch.ts";

export interface WiringParts {
  readonly file: StateFile;
  readonly run: RunCommand;
  readonly ovs: OvsSwitch;
  readonly guard: FlowGuard;
  readonly clock: Clock;
  readonly log: Log;
  /** Row of the record that keeps the switch away from queues. */
  readonly qos: (signal: AbortSignal) => Promise<string>;
}

/** Name of the one link in an Instance. */
const INSIDE = "eth0";
/** Between looks for the link after Docker was told to move it, and when to leave it to the next repair. */
const LOOK_EVERY_MS = 5;
const LOOK_FOR_MS = 20_000;
/** RFC 5227: twice. The first goes with the flows, and may meet a tunnel that does not know its way yet. */
const ANNOUNCE_AGAIN_MS = 2_000;

/** Joins Instances to the bridge as Docker starts and stops them: link, limits, port, flows. */
export class Wiring implements EndpointHandler {
  /** Endpoints on which a call is at work. */
  readonly busy = new Set<string>();
  readonly #parts: WiringParts;
  readonly #closing = new AbortController();
  /** Endpoints to be announced once more. */
  readonly #toAnnounce = new Set<string>();
  /** By endpoint: what goes on after the reply to Join. */
  readonly #settling = new Map<string, Promise<void>>();

  constructor(parts: WiringParts) {
    this.#parts = parts;
  }

  async create(request: EndpointRequest, signal: AbortSignal): Promise<{ readonly address: string; readonly mac: string }> {
    const { state } = this.#parts.file;
    const port = this.#portFor(request);
    const address = `${port.ip}/${parseCidr(this.#settings().cidr)!.prefix}`;
    if (request.wantedAddress !== "" && request.wantedAddress !== address) {
      throw new Error(`the port of ${name(request)} has the address ${address}, not ${request.wantedAddress}`);
    }
    const mac = request.wantedMac === "" ? macOf(port.ip) : request.wantedMac.toLowerCase();
    const { set, index, generation } = port;
    const { endpointId: id } = request;
    await this.#exclusively(id, async () => {
      const same = (other: EndpointRecord): boolean => other.ip === port.ip || (other.set === set && other.index === index);
      for (const older of [...state.endpoints.values()].filter((other) => other.id !== id && same(other))) await this.unwire(older, signal);
      const record = { id, set, index, generation, ip: port.ip, mac, sandbox: null, wired: false, createdAtMs: this.#parts.clock.now() };
      if (!state.endpoints.has(id)) state.endpoints.set(id, record);
      await this.#parts.file.save();
    });
    return { address, mac };
  }

  async join(endpointId: string, sandbox: string, signal: AbortSignal): Promise<JoinAnswer> {
    const { file, run } = this.#parts;
    const endpoint = file.state.endpoints.get(endpointId);
    const port = endpoint === undefined ? null : portOf(file.state, endpoint);
    if (endpoint === undefined || port === null)
      throw new Error(`endpoint ${endpointId.slice(0, 12)} serves no port of this host; start again`);
    const settings = this.#settings();
    const link = hostLink(endpointId);
    await this.#exclusively(endpointId, async () => {
      const known = { ...endpoint, sandbox };
      const veth = { host: link, peer: peerLink(endpointId), mac: endpoint.mac, mtu: settings.mtu };
      await makeVeth(run, veth, signal);
      // Nothing can pass yet: Docker has not moved the other end.
      const limits = port.ingressBps === null ? [] : [run(limitLink(link, port.ingressBps), signal)];
      const offload = settings.datapath === "netdev" ? [completeChecksums(run, veth.peer, signal)] : [];
      await Promise.all([this.plug(known, port, signal), ...limits, ...offload]);
      await this.#guard(known, port.egressBps === null, signal);
      // Before the reply; until then the agent knows the endpoint from its creation.
      file.state.endpoints.set(endpointId, { ...known, wired: true });
      await file.save();
    });
    return { link: peerLink(endpointId), gateway: settings.gateway };
  }

  joined(endpointId: string): void {
    this.settle(endpointId);
  }

  async leave(endpointId: string, signal: AbortSignal): Promise<void> {
    await this.remove(endpointId, signal);
  }

  async remove(endpointId: string, signal: AbortSignal): Promise<void> {
    const endpoint = this.#parts.file.state.endpoints.get(endpointId);
    if (endpoint === undefined) return;
    await this.#exclusively(endpointId, () => this.unwire(endpoint, signal));
    await this.#parts.file.save();
  }

  /** Takes link, port and flows away and forgets the endpoint; the caller saves. */
  async unwire(endpoint: EndpointRecord, signal: AbortSignal): Promise<void> {
    const { file, run, ovs, guard } = this.#parts;
    await removeLink(run, hostLink(endpoint.id), signal);
    await ovs.unplug([hostLink(endpoint.id)], signal);
    await guard.drop(this.#settings().bridge, endpoint.id, signal);
    file.state.endpoints.delete(endpoint.id);
  }

  async plug(endpoint: EndpointRecord, port: PortRequest, signal: AbortSignal): Promise<void> {
    const { qos, ovs } = this.#parts;
    const settings = this.#settings();
    await ovs.plug(settings.bridge, await qos(signal), { endpoint, port, vlan: port.vlan ?? settings.vlan }, signal);
  }

  /** Both limits of a wire as they are in the port now. */
  async limit(endpoint: EndpointRecord, port: PortRequest, signal: AbortSignal): Promise<void> {
    const { run, ovs } = this.#parts;
    await run(limitLink(hostLink(endpoint.id), port.ingressBps), signal);
    if (endpoint.sandbox !== null) await run(limitInside(endpoint.sandbox, INSIDE, port.egressBps), signal);
    await ovs.setRates(endpoint.id, port, signal);
  }

  /** Limits what the Instance sends as soon as its link is in its namespace, and only then lets it send. */
  settle(endpointId: string): void {
    if (this.#settling.has(endpointId) || this.#closing.signal.aborted) return;
    const signal = AbortSignal.any([this.#closing.signal, AbortSignal.timeout(LOOK_FOR_MS)]);
    const settled = this.#settle(endpointId, signal)
      .catch((error: unknown) => {
        if (this.#closing.signal.aborted || !this.#parts.file.state.endpoints.has(endpointId)) return;
        this.#parts.log.warn(
          { endpoint: endpointId, error: describeError(error) },
          "an Instance may not send yet: its limit could not be set",
        );
      })
      .finally(() => this.#settling.delete(endpointId));
    this.#settling.set(endpointId, settled);
  }

  /** Resolves when nothing goes on any more that came after a Join. */
  async settled(): Promise<void> {
    await Promise.all(this.#settling.values());
  }

  async close(): Promise<void> {
    this.#closing.abort(new Error("the agent is stopping"));
    await this.settled();
  }

  async #settle(endpointId: string, signal: AbortSignal): Promise<void> {
    await this.#limitSending(endpointId, signal);
    const endpoint = this.#parts.file.state.endpoints.get(endpointId);
    if (endpoint === undefined) return;
    if (this.#parts.guard.get(endpointId)?.open !== true) await this.#guard(endpoint, true, signal);
    await this.#announceAgain(endpointId, signal);
  }

  /** Once for all that come within the time: each costs a program. */
  async #announceAgain(endpointId: string, signal: AbortSignal): Promise<void> {
    this.#toAnnounce.add(endpointId);
    if (this.#toAnnounce.size > 1) return;
    try {
      await this.#parts.clock.sleep(ANNOUNCE_AGAIN_MS, signal);
    } finally {
      const ids = [...this.#toAnnounce];
      this.#toAnnounce.clear();
      // One whose link went meanwhile spoils it for all, which does no harm: the first was for them.
      await this.#parts.guard.announce(this.#settings().bridge, ids, signal).catch(() => {});
    }
  }

  /** Tries until the link has come into the namespace: no call of Docker's tells when. */
  async #limitSending(endpointId: string, signal: AbortSignal): Promise<void> {
    const { file, run, clock } = this.#parts;
    for (;;) {
      const endpoint = file.state.endpoints.get(endpointId);
      const port = endpoint === undefined ? null : portOf(file.state, endpoint);
      const bps = port?.egressBps ?? null;
      if (endpoint === undefined || endpoint.sandbox === null || bps === null) return;
      try {
        await run(limitInside(endpoint.sandbox, INSIDE, bps), signal);
        return;
      } catch (error) {
        await clock.sleep(LOOK_EVERY_MS, signal).catch(() => {
          throw error;
        });
      }
    }
  }

  async #guard(endpoint: EndpointRecord, open: boolean, signal: AbortSignal): Promise<void> {
    await this.#parts.guard.put(this.#settings().bridge, endpoint.id, guardedPort(endpoint, open), signal);
  }

  #portFor(request: EndpointRequest): PortRequest {
    const { state } = this.#parts.file;
    if (request.fleet !== state.fleet) throw new Error(`the container is of fleet ${request.fleet}, this host's network of ${state.fleet}`);
    const port = state.ports.get(`${request.set}/${request.index}`);
    if (port === undefined)
      throw new Error(`${name(request)} has no port on this host; Setpoint attaches one before it starts the Instance`);
    if (port.generation !== request.generation) {
      throw new Error(
        `the port of ${request.set}/${request.index} is generation ${port.generation}'s; generation ${request.generation} may not use it`,
      );
    }
    if (port.ip !== request.ip) throw new Error(`the container was made for ${request.ip}, the port of ${name(request)} has ${port.ip}`);
    return port;
  }

  #settings(): NetworkSettings {
    const { settings } = this.#parts.file.state;
    if (settings === null) throw new Error("the agent has no settings of the network yet; a reconciler sends them when it first connects");
    return settings;
  }

  async #exclusively(endpointId: string, run: () => Promise<void>): Promise<void> {
    this.busy.add(endpointId);
    try {
      await run();
    } finally {
      this.busy.delete(endpointId);
    }
  }
}

export function guardedPort({ id, ip, mac }: EndpointRecord, open: boolean): GuardedPort {
  return { link: hostLink(id), ip, mac, open };
}

function name({ set, index, generation }: { readonly set: string; readonly index: number; readonly generation: number }): string {
  return `${set}/${index}@${generation}`;
}
