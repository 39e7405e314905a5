import type { NetworkSettings } from "../../../core/host-settings.ts";
import { compareText } from "../../../core/order.ts";
import type { PortRequest } from "../../ports.ts";
import type { EndpointRecord, NetworkState } from "../state.ts";
import type { SwitchPort, SwitchSnapshot } from "./snapshot.ts";
import { ID } from "./snapshot.ts";
import { hostLink, peerLink, tunnelName } from "./switch.ts";

/** What differs between the switch and what the agent remembers, as work to do. Lists are sorted. */
export interface Overhaul {
  readonly makeBridge: boolean;
  /** Names of ports of ours that nobody uses any more. */
  readonly unplug: readonly string[];
  /** Ids of endpoints whose link is gone, and so their container, or that were never joined. */
  readonly forget: readonly string[];
  /** Ids of endpoints that have a link but no port, or one on another bridge or VLAN. */
  readonly plug: readonly string[];
  /** Peers to which there is no tunnel yet, or another one. */
  readonly tunnels: readonly string[];
}

/** How long joining may take at most: Docker does it within milliseconds of making the endpoint. */
export const JOIN_WITHIN_MS = 60_000;

export interface OverhaulInput {
  readonly settings: NetworkSettings;
  readonly state: Pick<NetworkState, "ports" | "endpoints" | "fleet">;
  readonly snapshot: SwitchSnapshot;
  /** Names of the links of the host. */
  readonly links: ReadonlySet<string>;
  /** Ids of endpoints on which a call of the plugin is at work; they are left alone. */
  readonly busy: ReadonlySet<string>;
  readonly nowMs: number;
}

/** Decides the work; only what carries our external_ids is ever in it. */
export function planOverhaul({ settings, state, snapshot, links, busy, nowMs }: OverhaulInput): Overhaul {
  const forget = [...state.endpoints.values()].filter((endpoint) => !busy.has(endpoint.id) && isOver(endpoint, links, nowMs));
  const over = new Set(forget.map(({ id }) => id));
  const kept = [...state.endpoints.values()].filter(({ id }) => !over.has(id));
  const wantedPeers = new Map((settings.overlay?.peers ?? []).map((peer) => [tunnelName(peer), peer]));
  const used = new Set([...kept.map(({ id }) => hostLink(id)), ...wantedPeers.keys()]);
  const busyLinks = new Set([...busy].map(hostLink));
  const byName = new Map(snapshot.ports.map((port) => [port.name, port]));
  return {
    makeBridge: needsBridge(snapshot, settings, state.fleet),
    unplug: sorted(snapshot.ports.filter(({ name }) => !used.has(name) && !busyLinks.has(name)).map(({ name }) => name)),
    forget: sorted(forget.map(({ id }) => id)),
    plug: sorted(
      kept
        .filter(({ id, wired }) => wired && !busy.has(id))
        .filter((endpoint) => !isPlugged(byName.get(hostLink(endpoint.id)), settings, portOf(state, endpoint)))
        .map(({ id }) => id),
    ),
    tunnels: sorted([...wantedPeers].filter(([name]) => !isTunnel(byName.get(name), settings)).map(([, peer]) => peer)),
  };
}

/**
 * A link ends with the namespace that its other end is in. Where Docker never took the other end, or the agent died between the two,
 * nobody will: what is whole is made anew under another id.
 */
function isOver(endpoint: EndpointRecord, links: ReadonlySet<string>, nowMs: number): boolean {
  const taken = endpoint.wired && !links.has(peerLink(endpoint.id));
  return taken ? !links.has(hostLink(endpoint.id)) : Math.abs(nowMs - endpoint.createdAtMs) > JOIN_WITHIN_MS;
}

function needsBridge({ bridges }: SwitchSnapshot, { bridge, datapath }: NetworkSettings, fleet: string): boolean {
  const present = bridges.find(({ name }) => name === bridge);
  if (present === undefined) return true;
  return present.ids[ID.fleet] === fleet && (present.failMode !== "secure" || present.datapath !== datapath);
}

function isPlugged(port: SwitchPort | undefined, settings: NetworkSettings, request: PortRequest | null): boolean {
  if (request === null) return true;
  return port !== undefined && port.bridge === settings.bridge && port.tag === (request.vlan ?? settings.vlan ?? 0);
}

function isTunnel(port: SwitchPort | undefined, { bridge, overlay }: NetworkSettings): boolean {
  return port !== undefined && port.bridge === bridge && port.shielded && port.options["key"] === String(overlay?.vni);
}

/** The port that an endpoint serves; null when the slot's port is another generation's by now. */
export function portOf(state: Pick<NetworkState, "ports">, endpoint: EndpointRecord): PortRequest | null {
  const port = state.ports.get(`${endpoint.set}/${endpoint.index}`);
  return port?.generation === endpoint.generation ? port : null;
}

/** What the switch tells of the fleet's ports that have a link: for an agent whose own state is lost. */
export function readBack(
  snapshot: SwitchSnapshot,
  links: ReadonlySet<string>,
  nowMs: number,
): { port: PortRequest; endpoint: EndpointRecord }[] {
  return snapshot.ports.flatMap(({ name, ids, tag }) => {
    const [set, id, ip, mac] = [ids[ID.set], ids[ID.endpoint], ids[ID.ip], ids[ID.mac]];
    if (set === undefined || id === undefined || ip === undefined || mac === undefined || !links.has(name)) return [];
    const slot = { set, index: Number(ids[ID.index]), generation: Number(ids[ID.generation]) };
    const rates = { ingressBps: readRate(ids[ID.ingress]), egressBps: readRate(ids[ID.egress]) };
    const endpoint = { ...slot, id, ip, mac, sandbox: ids[ID.sandbox] || null, wired: true, createdAtMs: nowMs };
    return [{ port: { ...slot, ip, vlan: tag === 0 ? null : tag, ...rates }, endpoint }];
  });
}

function readRate(text: string | undefined): number | null {
  return text === undefined || text === "" ? null : Number(text);
}

function sorted(names: string[]): string[] {
  return names.sort(compareText);
}
