import type { Capability } from "../../../core/desired.ts";
import type { NetworkSettings } from "../../../core/host-settings.ts";
import { type Clock, type Endpoint, type InstanceRef, type Log, type PortRequest, type Resolver, StepError } from "../../ports.ts";
import type { RunCommand } from "../../commands.ts";
import { type DockerNetworks, EngineUnreachable } from "../docker-networks.ts";
import { dockerNetworkName, type NetworkDriver } from "../driver.ts";
import type { HostFiles } from "../host-files.ts";
import { parseLinkCounters } from "../links.ts";
import type { NetworkState } from "../state.ts";
import { Wires } from "./wires.ts";

export interface BridgeDriverParts {
  readonly state: NetworkState;
  readonly run: RunCommand;
  readonly networks: DockerNetworks;
  readonly files: HostFiles;
  readonly clock: Clock;
  readonly log: Log;
  readonly resolver: () => Resolver | null;
  readonly stays: boolean;
}

type Slot = Pick<InstanceRef, "set" | "index">;

/** Someone may remove the network by hand. */
const LOOK_EVERY_MS = 60_000;

/**
 * A network of Docker's own bridge driver, which routes and publishes host ports. Instances without such ports are wired to it by the agent where it
 * can and stays (see Wires), all others by Docker, which is given their addresses one by one. VLANs are refused; rates are taken and not enforced, as a
 * host without `tc` gets them only where the reconciler says so.
 */
export class BridgeDriver implements NetworkDriver {
  readonly #parts: BridgeDriverParts;
  readonly #wires: Wires;
  #canWire = false;
  #lastLook: { readonly atMs: number; readonly engineRun: string } | null = null;
  #isWaiting = false;

  constructor(parts: BridgeDriverParts) {
    this.#parts = parts;
    this.#wires = new Wires(parts.run, parts.files, () => parts.state.fleet);
  }

  capabilities(): readonly Capability[] {
    return [];
  }

  /** While the engine is down there is nothing to be made: it is done when it answers. */
  async apply(settings: NetworkSettings, signal: AbortSignal): Promise<void> {
    const { state, networks, files, clock, log } = this.#parts;
    const engineRun = files.engineRun();
    try {
      await networks.ensure(wantedNetwork(state.fleet, settings), () => refuseTakenLink(settings, files), signal);
      this.#canWire = await this.#wires.canMake(settings.bridge, signal);
      if (this.#canWire) await this.#wires.join(state.ports.values(), settings.bridge, signal);
      this.#lastLook = { atMs: clock.monotonic(), engineRun };
      this.#isWaiting = false;
    } catch (error) {
      this.#lastLook = null;
      if (!(error instanceof EngineUnreachable)) throw error;
      if (!this.#isWaiting) log.info({ error: error.message }, "Docker's network is made when Docker answers");
      this.#isWaiting = true;
    }
  }

  check({ vlan, set, index }: PortRequest): void {
    if (vlan === null) return;
    const text = `${set}/${index} wants VLAN ${vlan}, which Docker's bridge does not have; set \`driver: ovs\` in the HostPool's network`;
    throw new StepError("no-capability", text, { retry: "permanent", outcome: "refused" });
  }

  isWired(slot: Slot): boolean {
    return this.#wires.isThere(slot);
  }

  endpoint({ ip }: PortRequest, publishes: boolean): Endpoint {
    // Servers on the host's own loopback are reached by Docker's own resolver alone, which comes with its network.
    const resolver = this.#canWire && this.#parts.stays ? this.#parts.resolver() : null;
    if (resolver !== null && !publishes) return { networkMode: "none", settings: {}, publish: false, resolver };
    const settings = { IPAMConfig: { IPv4Address: ip } };
    return { networkMode: dockerNetworkName(this.#parts.state.fleet), settings, publish: true, resolver: null };
  }

  /** The bridge is gone when somebody removed Docker's network, which nothing keeps from it: Docker sees no container there. */
  async wire(port: PortRequest, infraPid: number, signal: AbortSignal): Promise<void> {
    const settings = this.#parts.state.settings!;
    if (!this.#parts.files.hasLink(settings.bridge)) await this.apply(settings, signal);
    await this.#wires.make(port, settings, infraPid, signal);
  }

  shape(): Promise<void> {
    return Promise.resolve();
  }

  async unwire(slot: Slot, signal: AbortSignal): Promise<void> {
    await this.#wires.remove(slot, signal);
  }

  async repair(signal: AbortSignal): Promise<void> {
    const { state, files, clock } = this.#parts;
    const settings = state.settings!;
    const look = this.#lastLook;
    const isFresh = look !== null && clock.monotonic() - look.atMs < LOOK_EVERY_MS && look.engineRun === files.engineRun();
    if (!isFresh || (this.#canWire && !files.hasLink(settings.bridge))) await this.apply(settings, signal);
  }

  counters(): ReturnType<NetworkDriver["counters"]> {
    return this.#wires.counters(this.#parts.state.ports.values());
  }

  close(): Promise<void> {
    return Promise.resolve();
  }
}

function wantedNetwork(fleet: string, { cidr, gateway, bridge, mtu }: NetworkSettings): Parameters<DockerNetworks["ensure"]>[0] {
  const options = { "com.docker.network.bridge.name": bridge, "com.docker.network.driver.mtu": String(mtu) };
  return { name: dockerNetworkName(fleet), driver: "bridge", subnet: { cidr, gateway }, options };
}

/** Docker would take over a bridge that is there already, addresses and all. */
function refuseTakenLink({ bridge }: NetworkSettings, files: HostFiles): void {
  if (!parseLinkCounters(files.links()).has(bridge)) return;
  const text = `the host has a link ${bridge} already that is not Setpoint's; name another bridge in the HostPool's network, or remove the link`;
  throw new StepError("not-ours", text, { outcome: "refused" });
}
