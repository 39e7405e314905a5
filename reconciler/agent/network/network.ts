import { containsAddress, parseAddress, parseCidr } from "../../core/addresses.ts";
import type { NetworkSettings } from "../../core/host-settings.ts";
import { slotKey } from "../../core/ids.ts";
import { compareSlots } from "../../core/order.ts";
import { type Clock, type InstanceRef, type Log, type Network, type PortRequest, type Resolver, StepError } from "../ports.ts";
import { BridgeDriver } from "./bridge/bridge-driver.ts";
import type { RunCommand } from "../commands.ts";
import { asStepError, createNetworkRunner } from "./commands.ts";
import { createDockerNetworks, type DockerNetworks } from "./docker-networks.ts";
import type { NetworkDriver } from "./driver.ts";
import { createHostFiles, type HostFiles } from "./host-files.ts";
import { readResolver } from "./resolver.ts";
import { OvsDriver } from "./ovs/ovs-driver.ts";
import { StateFile } from "./state.ts";

export interface NetworkOptions {
  /** Of the network alone; `network.json` is kept there. */
  readonly stateFolder: string;
  /** `/run/docker/plugins/setpoint.sock`: the name of the file is the driver's name for Docker. */
  readonly pluginSocket: string;
  readonly dockerSocket: string;
  /** False: nobody will make a wire again that is lost, so Docker makes them all. */
  readonly stays: boolean;
  /** The fleet that the agent belongs to; asked at `apply` and kept from then on. */
  readonly fleet: () => string;
  readonly clock: Clock;
  readonly log: Log;
  /** Where Open vSwitch has its sockets and pid files; as Debian has it when absent. */
  readonly ovsRunFolder?: string;
  /** Stand-ins for tests; the host itself when absent. */
  readonly run?: RunCommand;
  readonly networks?: DockerNetworks;
  readonly files?: HostFiles;
  readonly resolver?: () => Resolver | null;
}

const OVS_RUN_FOLDER = "/run/openvswitch";

/** The host's network for Instances. Does nothing to the host before `apply`; ports are known at once, from the state folder. */
export function createNetwork(options: NetworkOptions): Network {
  const { stateFolder, pluginSocket, dockerSocket, stays, clock, log, ovsRunFolder = OVS_RUN_FOLDER } = options;
  const file = new StateFile(stateFolder);
  if (file.found === "damaged")
    log.error({ stateFolder }, "network.json was damaged and is put aside; ports in use are read back from the switch");
  const { state } = file;
  const networks = options.networks ?? createDockerNetworks(dockerSocket, () => state.fleet);
  const files = options.files ?? createHostFiles(ovsRunFolder, dockerSocket);
  const run = options.run ?? createNetworkRunner(ovsRunFolder);
  const resolver = options.resolver ?? (() => readResolver());
  const parts = { run, networks, files, clock, log, resolver };
  const bridge = new BridgeDriver({ ...parts, state, stays });
  const ovs = new OvsDriver({ ...parts, file, pluginSocket });
  return new HostNetwork(file, { bridge, ovs }, options.fleet);
}

/** Keeps the ports, which are the same with any driver. */
class HostNetwork implements Network {
  readonly #file: StateFile;
  readonly #drivers: Readonly<Record<NetworkSettings["driver"], NetworkDriver>>;
  readonly #fleet: () => string;

  constructor(file: StateFile, drivers: Readonly<Record<NetworkSettings["driver"], NetworkDriver>>, fleet: () => string) {
    this.#file = file;
    this.#drivers = drivers;
    this.#fleet = fleet;
  }

  capabilities(): ReturnType<Network["capabilities"]> {
    return this.#driverOrNull()?.capabilities() ?? [];
  }

  async apply(settings: NetworkSettings, signal: AbortSignal): Promise<void> {
    this.#file.state.settings = settings;
    this.#file.state.fleet = this.#fleet();
    await this.#file.save();
    await stepErrors(() => this.#drivers[settings.driver].apply(settings, signal));
  }

  async attach(port: PortRequest, signal: AbortSignal): Promise<void> {
    const { ports } = this.#file.state;
    const key = slotKey(port.set, port.index);
    const present = ports.get(key);
    if (present !== undefined && present.generation > port.generation) {
      throw refused("stale-generation", `the port of ${key} is generation ${present.generation}'s, newer than ${port.generation}`);
    }
    this.#driver().check(port);
    refuseOutside(port, this.#file.state.settings!);
    refuseTakenAddress(port, ports.values());
    if (present !== undefined && isSameWire(present, port)) {
      if (present.ingressBps === port.ingressBps && present.egressBps === port.egressBps) return this.#file.save();
      return this.shape(port, port.ingressBps, port.egressBps, signal);
    }
    if (present !== undefined && this.#driver().isWired(port))
      throw refused("in-use", `the port of ${key} serves a container of generation ${present.generation}`);
    ports.set(key, pickPort(port));
    await this.#file.save();
  }

  endpoint(ref: InstanceRef, publishes: boolean): ReturnType<Network["endpoint"]> {
    return this.#driver().endpoint(this.#port(ref, "not-ready"), publishes);
  }

  async wire(ref: InstanceRef, infraPid: number, signal: AbortSignal): Promise<void> {
    const port = this.#port(ref, "not-ready");
    await stepErrors(() => this.#driver().wire(port, infraPid, signal));
  }

  isWired(slot: Pick<InstanceRef, "set" | "index">): boolean {
    return this.#driverOrNull()?.isWired(slot) ?? false;
  }

  async shape(ref: InstanceRef, ingressBps: number | null, egressBps: number | null, signal: AbortSignal): Promise<void> {
    const port = { ...this.#port(ref, "not-found"), ingressBps, egressBps };
    this.#driver().check(port);
    this.#file.state.ports.set(slotKey(ref.set, ref.index), port);
    await this.#file.save();
    await stepErrors(() => this.#driver().shape(port, signal));
  }

  async detach(slot: Pick<InstanceRef, "set" | "index">, signal: AbortSignal): Promise<void> {
    await stepErrors(() => this.#driverOrNull()?.unwire(slot, signal) ?? Promise.resolve());
    this.#file.state.ports.delete(slotKey(slot.set, slot.index));
    await this.#file.save();
  }

  ports(): ReturnType<Network["ports"]> {
    return [...this.#file.state.ports.values()]
      .map(({ set, index, generation, ip }) => ({ set, index, generation, ip }))
      .sort(compareSlots);
  }

  async repair(signal: AbortSignal): Promise<void> {
    await stepErrors(() => this.#driverOrNull()?.repair(signal) ?? Promise.resolve());
  }

  counters(): ReturnType<Network["counters"]> {
    return this.#driverOrNull()?.counters() ?? new Map();
  }

  async close(): Promise<void> {
    await Promise.all(Object.values(this.#drivers).map((driver) => driver.close()));
  }

  #driverOrNull(): NetworkDriver | null {
    const { settings } = this.#file.state;
    return settings === null ? null : this.#drivers[settings.driver];
  }

  #driver(): NetworkDriver {
    const driver = this.#driverOrNull();
    if (driver === null)
      throw refused("not-ready", "the host has no settings of its network yet; a reconciler sends them when it connects");
    return driver;
  }

  #port(ref: InstanceRef, code: "not-ready" | "not-found"): PortRequest {
    const port = this.#file.state.ports.get(slotKey(ref.set, ref.index));
    if (port?.generation === ref.generation) return port;
    throw refused(code, `${slotKey(ref.set, ref.index)} has no port of generation ${ref.generation} on this host`);
  }
}

function isSameWire(a: PortRequest, b: PortRequest): boolean {
  return a.generation === b.generation && a.ip === b.ip && a.vlan === b.vlan;
}

/** Just the port, whatever else the caller's object has. */
function pickPort({ set, index, generation, ip, vlan, ingressBps, egressBps }: PortRequest): PortRequest {
  return { set, index, generation, ip, vlan, ingressBps, egressBps };
}

function refuseTakenAddress(port: PortRequest, ports: Iterable<PortRequest>): void {
  for (const { set, index, generation, ip } of ports) {
    if (ip !== port.ip || (set === port.set && index === port.index)) continue;
    throw refused("ip-in-use", `${ip} is used by generation ${generation} of ${slotKey(set, index)}`);
  }
}

/** An address outside the network would have no way out of it. */
function refuseOutside({ set, index, ip }: PortRequest, { cidr }: NetworkSettings): void {
  const [range, address] = [parseCidr(cidr), parseAddress(ip)];
  if (range !== null && address !== null && containsAddress(range, address)) return;
  throw refused(
    "network-failed",
    `${ip} of ${slotKey(set, index)} is not in ${cidr}, the host's network; its settings may be on their way`,
  );
}

function refused(code: string, text: string): StepError {
  return new StepError(code, text, { outcome: "refused" });
}

async function stepErrors(run: () => Promise<void>): Promise<void> {
  try {
    await run();
  } catch (error) {
    throw asStepError(error);
  }
}
