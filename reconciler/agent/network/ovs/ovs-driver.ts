import type { Capability } from "../../../core/desired.ts";
import type { NetworkSettings } from "../../../core/host-settings.ts";
import { describeError } from "../../../sys/log.ts";
import { type Clock, type Endpoint, type InstanceRef, type Log, type PortRequest, type Resolver, StepError } from "../../ports.ts";
import type { RunCommand } from "../../commands.ts";
import { type DockerNetworks, EngineUnreachable } from "../docker-networks.ts";
import { dockerNetworkName, type NetworkDriver } from "../driver.ts";
import type { HostFiles } from "../host-files.ts";
import { type PluginServer, servePlugin } from "../plugin/plugin-server.ts";
import { OPTION } from "../plugin/protocol.ts";
import type { EndpointRecord, StateFile } from "../state.ts";
import { canLimit } from "../tc/probe.ts";
import { createTurns } from "../in-turn.ts";
import { FlowGuard } from "./flow-guard.ts";
import { parseLinkCounters } from "../links.ts";
import { Repairer } from "./repairer.ts";
import { hostLink, OvsSwitch } from "./switch.ts";
import { Wiring } from "./wiring.ts";

export interface OvsDriverParts {
  readonly file: StateFile;
  readonly run: RunCommand;
  readonly networks: DockerNetworks;
  readonly files: HostFiles;
  readonly clock: Clock;
  readonly log: Log;
  readonly resolver: () => Resolver | null;
  /** `…/plugins/NAME.sock`: NAME is the driver's name for Docker. */
  readonly pluginSocket: string;
}

/** A repair looks at everything this often though nothing seems wrong: someone may have removed flows or ports by hand. */
const LOOK_AT_ALL_EVERY_MS = 60_000;
/** So long may the switch be in trouble before the host no longer counts as having one: a restart is no reason to avoid it. */
const TROUBLE_MS = 60_000;

/** Ports on an Open vSwitch bridge, brought there by our own Docker network plugin, limited by tc. */
export class OvsDriver implements NetworkDriver {
  readonly #parts: OvsDriverParts;
  readonly #wiring: Wiring;
  readonly #repairer: Repairer;
  readonly #inTurn = createTurns();
  #server: Promise<PluginServer> | null = null;
  #canLimit = false;
  /** Monotonic. */
  #lastGoodMs: number | null = null;
  #lastLook: { readonly atMs: number; readonly signs: string } | null = null;
  #dockerNetwork: "unknown" | "waiting" | "there" = "unknown";
  #problem = "the network was not set up yet";

  constructor(parts: OvsDriverParts) {
    this.#parts = parts;
    const fleet = (): string => parts.file.state.fleet;
    const ovs = new OvsSwitch(parts.run, fleet);
    const guard = new FlowGuard(ovs, fleet);
    this.#wiring = new Wiring({ ...parts, ovs, guard, qos: (signal) => this.#repairer.qos(signal) });
    this.#repairer = new Repairer({ ...parts, ovs, guard, wiring: this.#wiring });
  }

  capabilities(): readonly Capability[] {
    const isGood = this.#lastGoodMs !== null && (this.#problem === "" || this.#parts.clock.monotonic() - this.#lastGoodMs < TROUBLE_MS);
    if (!isGood) return [];
    return this.#canLimit ? ["ovs", "tc"] : ["ovs"];
  }

  /** The plugin is served first: Docker may be waiting for it, and what needs no switch works without. */
  async apply(_settings: NetworkSettings, signal: AbortSignal): Promise<void> {
    this.#server ??= servePlugin(this.#parts.pluginSocket, this.#wiring, this.#parts.log);
    await this.#server.catch((error: unknown) => {
      this.#server = null;
      const text = `the plugin socket ${this.#parts.pluginSocket} can't be opened: ${describeError(error)}; the agent must run as root`;
      throw new StepError("no-capability", text, { outcome: "refused" });
    });
    this.#dockerNetwork = "unknown";
    await this.#lookAtAll(signal);
  }

  check(port: PortRequest): void {
    const capabilities = this.capabilities();
    if (!capabilities.includes("ovs")) throw incapable(`the host's switch can't be used: ${this.#problem}`);
    if ((port.ingressBps !== null || port.egressBps !== null) && !capabilities.includes("tc")) {
      throw incapable("the host can't limit rates: its kernel lacks tc's token bucket filter (sch_tbf), or iproute2 is not installed");
    }
  }

  isWired(slot: Pick<InstanceRef, "set" | "index">): boolean {
    const links = this.#links();
    return this.#endpointsOf(slot).some(({ id, wired }) => wired && links.has(hostLink(id)));
  }

  endpoint({ set, index, generation, ip }: PortRequest): Endpoint {
    const { fleet } = this.#parts.file.state;
    const resolver = this.#parts.resolver();
    const options = {
      [OPTION.fleet]: fleet,
      [OPTION.set]: set,
      [OPTION.index]: String(index),
      [OPTION.generation]: String(generation),
      [OPTION.ip]: ip,
    };
    return {
      networkMode: dockerNetworkName(fleet),
      settings: { DriverOpts: options },
      publish: false,
      resolver: resolver === null || resolver.nameservers.length === 0 ? null : resolver,
    };
  }

  /** Docker wires here, through our plugin: an infra container without its network was made for another driver. */
  wire({ set, index }: PortRequest): Promise<void> {
    const text = `the containers of ${set}/${index} were made for Docker's bridge, the host has Open vSwitch now: replace the Instance`;
    return Promise.reject(new StepError("network-failed", text, { retry: "permanent", outcome: "refused" }));
  }

  async shape(port: PortRequest, signal: AbortSignal): Promise<void> {
    const links = this.#links();
    for (const endpoint of this.#endpointsOf(port)) {
      if (endpoint.wired && endpoint.generation === port.generation && links.has(hostLink(endpoint.id))) {
        await this.#wiring.limit(endpoint, port, signal);
      }
    }
  }

  async unwire(slot: Pick<InstanceRef, "set" | "index">, signal: AbortSignal): Promise<void> {
    for (const endpoint of this.#endpointsOf(slot)) await this.#wiring.unwire(endpoint, signal);
  }

  /** A few reads of files while nothing changed; everything is looked at when something did, and once a minute. */
  async repair(signal: AbortSignal): Promise<void> {
    const now = this.#parts.clock.monotonic();
    const isFresh = this.#lastLook !== null && now - this.#lastLook.atMs < LOOK_AT_ALL_EVERY_MS;
    const isSettled = this.#problem === "" && this.#repairer.unsettled().length === 0;
    const isQuiet = isSettled && isFresh && this.#lastLook?.signs === this.#signs();
    if (!isQuiet) await this.#lookAtAll(signal);
    else if (this.#dockerNetwork !== "there") await this.#makeNetwork(signal);
  }

  counters(): ReadonlyMap<string, { readonly receivedBytes: number; readonly sentBytes: number }> {
    const links = this.#links();
    const counters = new Map<string, { receivedBytes: number; sentBytes: number }>();
    for (const { id, set, index, generation } of this.#parts.file.state.endpoints.values()) {
      const host = links.get(hostLink(id));
      // What the host's end sends, the Instance receives.
      if (host !== undefined) {
        counters.set(`${set}/${index}@${generation}`, { receivedBytes: host.sentBytes, sentBytes: host.receivedBytes });
      }
    }
    return counters;
  }

  async close(): Promise<void> {
    const server = await this.#server?.catch(() => null);
    await server?.close();
    await this.#wiring.close();
  }

  #lookAtAll(signal: AbortSignal): Promise<void> {
    return this.#inTurn(async () => {
      try {
        const signs = this.#signs();
        await this.#repairer.overhaul(this.#parts.files.switchRun(), signal);
        this.#canLimit ||= await canLimit(this.#parts.run, signal);
        await this.#makeNetwork(signal);
        // Signs of before: what changed meanwhile is looked at next time.
        this.#lastLook = { atMs: this.#parts.clock.monotonic(), signs };
        this.#lastGoodMs = this.#lastLook.atMs;
        this.#problem = "";
      } catch (error) {
        if (!signal.aborted) this.#problem = describeError(error);
        throw error;
      }
    });
  }

  /** While the engine is down there is no hurry: it needs the plugin, not the other way round. */
  async #makeNetwork(signal: AbortSignal): Promise<void> {
    const { file, networks, pluginSocket, log } = this.#parts;
    const driver = pluginSocket.slice(pluginSocket.lastIndexOf("/") + 1).replace(/\.sock$/, "");
    try {
      await networks.ensure({ name: dockerNetworkName(file.state.fleet), driver, subnet: null, options: {} }, () => {}, signal);
      this.#dockerNetwork = "there";
    } catch (error) {
      const isNews = this.#dockerNetwork !== "waiting";
      this.#dockerNetwork = "waiting";
      if (!(error instanceof EngineUnreachable)) throw error;
      if (isNews) log.info({ error: error.message }, "Docker's network is made when Docker answers");
    }
  }

  /** Whatever differs after something went away or came back. */
  #signs(): string {
    const { files, file } = this.#parts;
    const links = this.#links();
    const gone = [...file.state.endpoints.values()].filter(({ id, wired }) => !wired || !links.has(hostLink(id)));
    return [files.switchRun(), files.engineRun(), ...gone.map(({ id }) => id)].join(" ");
  }

  #links(): ReturnType<typeof parseLinkCounters> {
    return parseLinkCounters(this.#parts.files.links());
  }

  #endpointsOf({ set, index }: Pick<InstanceRef, "set" | "index">): EndpointRecord[] {
    return [...this.#parts.file.state.endpoints.values()].filter((endpoint) => endpoint.set === set && endpoint.index === index);
  }
}

function incapable(text: string): StepError {
  return new StepError("no-capability", text, { outcome: "refused" });
}
