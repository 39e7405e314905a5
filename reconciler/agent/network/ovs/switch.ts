import { createHash } from "node:crypto";
import type { NetworkSettings } from "../../../core/host-settings.ts";
import type { PortRequest } from "../../ports.ts";
import type { RunCommand } from "../../commands.ts";
import type { EndpointRecord } from "../state.ts";
import { fleetCookies, parseFlows, type Flow } from "./flows.ts";
import { ID, parseSnapshot, snapshotArgs, type SwitchSnapshot } from "./snapshot.ts";

/** Seconds that ovs-vsctl waits for database and switch; below the deadline of a plugin call. */
const TIMEOUT = "--timeout=4";
const OPENFLOW = ["-O", "OpenFlow14"];

/** What is plugged in: an endpoint's link with the port it belongs to. */
export interface Plug {
  readonly endpoint: EndpointRecord;
  readonly port: PortRequest;
  readonly vlan: number | null;
}

/** Open vSwitch by its own command line tools. Every change may be done twice. */
export class OvsSwitch {
  readonly #run: RunCommand;
  readonly #fleet: () => string;

  constructor(run: RunCommand, fleet: () => string) {
    this.#run = run;
    this.#fleet = fleet;
  }

  async read(signal: AbortSignal): Promise<SwitchSnapshot> {
    return parseSnapshot(await this.#vsctl(["--format=json", ...snapshotArgs(this.#fleet())], signal));
  }

  /** A new bridge drops everything until flows are there; one that is there already and not ours keeps its ways. */
  async makeBridge({ bridge, datapath }: NetworkSettings, signal: AbortSignal): Promise<void> {
    const settings = [`datapath_type=${datapath}`, "fail_mode=secure", assign(ID.fleet, this.#fleet())];
    await this.#vsctl(["--", "--may-exist", "add-br", bridge, "--", "set", "bridge", bridge, ...settings], signal);
  }

  /** A restart of the switch wipes queues from links whose port has no such record. */
  async makeQos(signal: AbortSignal): Promise<string> {
    const created = await this.#vsctl(["--", "create", "qos", "type=linux-noop", assign(ID.fleet, this.#fleet())], signal);
    return created.trim();
  }

  /** The port goes to the bridge with everything about it, in one change of the database. */
  async plug(bridge: string, qos: string, { endpoint, port, vlan }: Plug, signal: AbortSignal): Promise<void> {
    const link = hostLink(endpoint.id);
    const removed = ["--", "--if-exists", "del-port", link];
    // Without a VLAN: an access port of VLAN 0, since a port without a tag would be a trunk of all VLANs.
    const access = [`tag=${vlan ?? 0}`, "vlan_mode=access", `qos=${qos}`];
    const added = ["--", "add-port", bridge, link, ...access, ...portIds(this.#fleet(), endpoint, port)];
    await this.#vsctl([...removed, ...added, "--", "set", "interface", link, assign(ID.fleet, this.#fleet())], signal);
  }

  async setRates(endpointId: string, port: PortRequest, signal: AbortSignal): Promise<void> {
    await this.#vsctl(["--no-wait", "--", "--if-exists", "set", "port", hostLink(endpointId), ...rateIds(port)], signal);
  }

  async unplug(names: readonly string[], signal: AbortSignal): Promise<void> {
    if (names.length === 0) return;
    // Without waiting, so that ports can go while the switch itself is down.
    await this.#vsctl(["--no-wait", ...names.flatMap((name) => ["--", "--if-exists", "del-port", name])], signal);
  }

  /** Tunnels are shielded from each other: what came out of one is not sent into another, so a full mesh has no loops. */
  async plugTunnel(bridge: string, peer: string, vni: number, signal: AbortSignal): Promise<void> {
    const name = tunnelName(peer);
    const ours = assign(ID.fleet, this.#fleet());
    const port = ["set", "port", name, "protected=true", ours, assign(ID.peer, peer)];
    const options = ["type=vxlan", `options:remote_ip=${quote(peer)}`, `options:key=${vni}`, ours];
    await this.#vsctl(
      ["--", "--if-exists", "del-port", name, "--", "add-port", bridge, name, "--", ...port, "--", "set", "interface", name, ...options],
      signal,
    );
  }

  /** Flows of the fleet's, as the switch has them. */
  async flows(bridge: string, signal: AbortSignal): Promise<Flow[]> {
    const args = [...OPENFLOW, "--no-stats", "--names", "dump-flows", bridge, fleetCookies(this.#fleet())];
    return parseFlows(await this.#run({ program: "ovs-ofctl", args }, signal));
  }

  /** Carries out a bundle: all of it or nothing. */
  async change(bridge: string, bundle: string, signal: AbortSignal): Promise<void> {
    await this.#run({ program: "ovs-ofctl", args: [...OPENFLOW, "bundle", bridge, "-"], input: bundle }, signal);
  }

  #vsctl(args: readonly string[], signal: AbortSignal): Promise<string> {
    return this.#run({ program: "ovs-vsctl", args: [TIMEOUT, ...args] }, signal);
  }
}

/** The host's end of an endpoint's veth pair; the kernel allows 15 letters. */
export function hostLink(endpointId: string): string {
  return `sp${endpointId.slice(0, 11)}`;
}

/** The other end, until Docker moves it into the namespace and gives it its name there. */
export function peerLink(endpointId: string): string {
  return `sc${endpointId.slice(0, 11)}`;
}

export function tunnelName(peer: string): string {
  return `sx${createHash("sha256").update(peer).digest("hex").slice(0, 11)}`;
}

/** Enough to know the port again when the agent's own state is lost. */
function portIds(fleet: string, endpoint: EndpointRecord, port: PortRequest): string[] {
  const slot = [assign(ID.set, port.set), assign(ID.index, port.index), assign(ID.generation, port.generation)];
  const wire = [
    assign(ID.endpoint, endpoint.id),
    assign(ID.sandbox, endpoint.sandbox ?? ""),
    assign(ID.ip, port.ip),
    assign(ID.mac, endpoint.mac),
  ];
  return [assign(ID.fleet, fleet), ...slot, ...wire, ...rateIds(port)];
}

function rateIds({ ingressBps, egressBps }: PortRequest): string[] {
  return [assign(ID.ingress, ingressBps ?? ""), assign(ID.egress, egressBps ?? "")];
}

function assign(key: string, value: string | number): string {
  return `external_ids:${key}=${quote(String(value))}`;
}

/** As the OVSDB tools read a string. */
function quote(value: string): string {
  return JSON.stringify(value);
}
