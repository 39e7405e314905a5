import type { Clock, Log } from "../../ports.ts";
import type { RunCommand } from "../../commands.ts";
import type { HostFiles } from "../host-files.ts";
import type { EndpointRecord, StateFile } from "../state.ts";
import { LIST_LIMITS, limitLink, parseLimits } from "../tc/shaping.ts";
import { createTurns } from "../in-turn.ts";
import type { FlowGuard } from "./flow-guard.ts";
import { portCookie } from "./flows.ts";
import { parseLinkCounters, setLink } from "../links.ts";
import { type Overhaul, planOverhaul, portOf, readBack } from "./overhaul.ts";
import { ID, type SwitchSnapshot } from "./snapshot.ts";
import { hostLink, type OvsSwitch } from "./switch.ts";
import { guardedPort, type Wiring } from "./wiring.ts";

export interface RepairParts {
  readonly file: StateFile;
  readonly run: RunCommand;
  readonly ovs: OvsSwitch;
  readonly guard: FlowGuard;
  readonly wiring: Wiring;
  readonly files: HostFiles;
  readonly clock: Clock;
  readonly log: Log;
}

/** Makes the switch what the agent remembers: bridge, tunnels, ports, flows, limits; collects what leaked. */
export class Repairer {
  readonly #parts: RepairParts;
  readonly #inTurn = createTurns();
  #qos: string | null = null;
  /** The run of the switch's daemon of which everything was put back; null: none since the agent started. */
  #restoredRun: string | null = null;
  #readBack = false;

  constructor(parts: RepairParts) {
    this.#parts = parts;
  }

  /** The one record all our ports share. Docker may start containers before the switch was looked at for the first time. */
  qos(signal: AbortSignal): Promise<string> {
    return this.#inTurn(async () => {
      this.#qos ??= (await this.#parts.ovs.read(signal)).qos ?? (await this.#parts.ovs.makeQos(signal));
      return this.#qos;
    });
  }

  /** Ids of endpoints that wait for leave to send. */
  unsettled(): string[] {
    return this.#wired()
      .filter(({ id }) => this.#parts.guard.get(id)?.open !== true)
      .map(({ id }) => id);
  }

  /** `run` names the present run of the switch's daemon. */
  async overhaul(run: string, signal: AbortSignal): Promise<void> {
    const { file, ovs, wiring, clock } = this.#parts;
    const settings = file.state.settings!;
    let snapshot = await ovs.read(signal);
    await this.#recoverState(snapshot);
    const input = { settings, state: file.state, links: this.#links(), busy: wiring.busy, nowMs: clock.now() };
    const work = planOverhaul({ ...input, snapshot });
    this.#qos = snapshot.qos;
    await this.qos(signal);
    if (work.makeBridge) {
      await ovs.makeBridge(settings, signal);
      snapshot = await ovs.read(signal);
    }
    await this.#collect(work, signal);
    for (const peer of work.tunnels) await ovs.plugTunnel(settings.bridge, peer, settings.overlay!.vni, signal);
    await this.#replug(work, signal);
    const isOurs = snapshot.bridges.some(({ name, ids }) => name === settings.bridge && ids[ID.fleet] === file.state.fleet);
    await this.#restoreFlows(isOurs, run, signal);
    for (const id of work.plug) await this.#setLink(id, "up", signal);
    await this.#restoreLimits(signal);
    for (const id of this.unsettled()) wiring.settle(id);
    this.#restoredRun = run;
  }

  /** Without a state of its own, the agent takes up what the switch tells of wires that are in use. */
  async #recoverState(snapshot: SwitchSnapshot): Promise<void> {
    const { file, clock, log } = this.#parts;
    if (file.found === "state" || this.#readBack) return;
    this.#readBack = true;
    const { ports, endpoints } = file.state;
    for (const { port, endpoint } of readBack(snapshot, this.#links(), clock.now())) {
      const known = ports.get(`${port.set}/${port.index}`);
      if (known !== undefined && known.generation >= port.generation) continue;
      ports.set(`${port.set}/${port.index}`, port);
      endpoints.set(endpoint.id, endpoint);
      log.warn({ set: port.set, index: port.index, ip: port.ip }, "a port was read back from the switch: the agent's own state is lost");
    }
    await file.save();
  }

  async #collect({ unplug, forget }: Overhaul, signal: AbortSignal): Promise<void> {
    const { file, ovs, wiring, log } = this.#parts;
    if (unplug.length + forget.length === 0) return;
    log.info({ ports: unplug, endpoints: forget }, "ports that nobody uses any more are taken away");
    await ovs.unplug(unplug, signal);
    for (const id of forget) {
      const endpoint = file.state.endpoints.get(id);
      if (endpoint !== undefined) await wiring.unwire(endpoint, signal);
    }
    await file.save();
  }

  /** The link is down until the flows are there, so that nothing passes unguarded. */
  async #replug({ plug }: Overhaul, signal: AbortSignal): Promise<void> {
    const { file, wiring, log } = this.#parts;
    for (const id of plug) {
      const endpoint = file.state.endpoints.get(id);
      const port = endpoint === undefined ? null : portOf(file.state, endpoint);
      if (endpoint === undefined || port === null) continue;
      log.warn({ set: port.set, index: port.index }, "a port of an Instance is put back on the bridge");
      await this.#setLink(id, "down", signal);
      await wiring.plug(endpoint, port, signal);
    }
  }

  /** After a start of the agent, ports that send keep sending; their limits are looked at next. */
  async #restoreFlows(isOurs: boolean, run: string, signal: AbortSignal): Promise<void> {
    const { file, guard, log } = this.#parts;
    const { bridge } = file.state.settings!;
    const isFirst = this.#restoredRun === null;
    const open = isFirst ? await guard.openCookies(bridge, signal) : new Set<string>();
    for (const endpoint of this.#wired()) {
      const mayOpen = portOf(file.state, endpoint)?.egressBps === null || open.has(portCookie(file.state.fleet, endpoint.ip));
      if (guard.get(endpoint.id) === null) guard.note(endpoint.id, guardedPort(endpoint, mayOpen));
    }
    const restored = await guard.restore(bridge, isOurs, () => this.#links(), signal);
    if (restored && !isFirst) log.warn({ bridge, run }, "the flows of the bridge were put back");
  }

  /** Limits to Instances are read at once for all; those inside only after a start of the agent, as the kernel keeps them. */
  async #restoreLimits(signal: AbortSignal): Promise<void> {
    const { file, run, wiring } = this.#parts;
    const present = parseLimits(await run(LIST_LIMITS, signal));
    const links = this.#links();
    for (const endpoint of this.#wired()) {
      const port = portOf(file.state, endpoint);
      const link = hostLink(endpoint.id);
      if (port === null || wiring.busy.has(endpoint.id) || !links.has(link)) continue;
      if ((present.get(link) ?? null) !== port.ingressBps) await run(limitLink(link, port.ingressBps), signal);
      if (this.#restoredRun === null && port.egressBps !== null) wiring.settle(endpoint.id);
    }
  }

  async #setLink(endpointId: string, to: "up" | "down", signal: AbortSignal): Promise<void> {
    await setLink(this.#parts.run, hostLink(endpointId), to, signal);
  }

  #wired(): EndpointRecord[] {
    return [...this.#parts.file.state.endpoints.values()].filter(({ wired }) => wired);
  }

  #links(): ReadonlySet<string> {
    return new Set(parseLinkCounters(this.#parts.files.links()).keys());
  }
}
