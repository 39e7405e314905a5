import {
  containsAddress,
  containsRange,
  countAddresses,
  formatAddressRange,
  formatCidr,
  leasableRanges,
  parseAddress,
  parseAddressRange,
  parseCidr,
  usableRange,
} from "../../core/addresses.ts";
import type { AddressRange, Cidr } from "../../core/addresses.ts";
import type { DesiredHost, DesiredPool } from "../../core/desired.ts";
import { expandHostRange } from "../../core/host-range.ts";
import type * as written from "../../core/manifest-types.ts";
import { sortedUnique } from "../../core/order.ts";
import { listed } from "./report.ts";
import type { Path, Report } from "./report.ts";

type Spec = written.HostPool["spec"];
type Network = DesiredPool["network"];

/** Every host of an overlay has a tunnel to every other. */
const MAX_OVERLAY_HOSTS = 256;
const ETHERNET_MTU = 1500;
/** Outer IP, UDP, VXLAN and Ethernet headers, and a VLAN tag inside: without room for the tag pings pass and TCP hangs. */
const OVERLAY_OVERHEAD = 54;

export interface ReadNetwork {
  readonly desired: Network;
  /** null when the network is malformed. */
  readonly cidr: Cidr | null;
  /** Addresses that Instances may get. */
  readonly leasable: number;
}

/** The pool's network in canonical form. */
export function readNetwork(spec: Spec, report: Report): ReadNetwork {
  const { network } = spec;
  const { cidr, reserved, leasable } = readRange(network, report);
  const overlay = network.overlay === undefined ? null : { vni: network.overlay.vni };
  const desired: Network = {
    cidr: cidr === null ? network.cidr : formatCidr(cidr),
    gateway: network.gateway,
    vlan: network.vlan ?? null,
    reserved: sortedUnique(reserved.map(formatAddressRange)),
    driver: network.driver ?? defaultDriver(spec),
    bridge: network.bridge ?? "setpoint0",
    datapath: network.datapath ?? "system",
    mtu: network.mtu ?? ETHERNET_MTU - (overlay === null ? 0 : OVERLAY_OVERHEAD),
    overlay,
  };
  checkDriver(network, desired, report);
  return { desired, cidr, leasable };
}

/** Docker's own bridge needs nothing, but ends at its host. */
function defaultDriver({ network, hosts }: Spec): Network["driver"] {
  if (network.vlan !== undefined || network.overlay !== undefined || network.datapath !== undefined) return "ovs";
  const [only, ...more] = hosts;
  if (more.length > 0 || only === undefined || (only.agent ?? "sim") === "sim") return "ovs";
  const range = expandHostRange(only.name);
  return range.kind === "names" && range.names.length === 1 ? "bridge" : "ovs";
}

/** What Docker's own bridge can't do. */
function checkDriver(network: Spec["network"], { driver }: Network, report: Report): void {
  if (driver !== "bridge") return;
  for (const field of ["vlan", "overlay", "datapath"] as const) {
    if (network[field] === undefined) continue;
    const message = `network.${field} needs \`driver: ovs\`; Docker's own bridge has no ${field}.`;
    report.error("network-driver", ["spec", "network", field], message, `Write \`driver: ovs\` or remove ${field}.`);
  }
}

/** Each host of an overlay needs an address the others can send to, outside of the Instances' own range. */
export function checkHostNetwork(
  pool: DesiredPool,
  hosts: readonly DesiredHost[],
  entries: ReadonlyMap<string, number>,
  report: Report,
): void {
  checkSharedAddresses(hosts, entries, report);
  if (pool.network.overlay === null) return;
  const path = ["spec", "network", "overlay"];
  if (hosts.length > MAX_OVERLAY_HOSTS) {
    const message = `The overlay joins ${hosts.length} hosts, each with a tunnel to every other; at most ${MAX_OVERLAY_HOSTS} are allowed.`;
    report.error("overlay-hosts", path, message, "Split the pool, or connect the hosts by a network of their own.");
  }
  const without = hosts.filter(({ address }) => address === null);
  if (without.length > 0) {
    const message = `The overlay needs the address of every host; ${listed(
      without.map(({ name }) => name),
      3,
    )} ${without.length === 1 ? "has" : "have"} none.`;
    report.error("overlay-hosts", path, message, "Write `address` in each entry of hosts.");
  }
  const range = parseCidr(pool.network.cidr);
  const inside = hosts.find(({ address }) => range !== null && address !== null && containsAddress(range, parseAddress(address)!));
  if (inside !== undefined) {
    const message = `The address ${inside.address} of host \`${inside.name}\` lies in the Instances' range ${pool.network.cidr}, which is reached through the overlay itself.`;
    report.error("overlay-hosts", ["spec", "hosts", entries.get(inside.name)!, "address"], message, "Use another range for the Instances.");
  }
}

function checkSharedAddresses(hosts: readonly DesiredHost[], entries: ReadonlyMap<string, number>, report: Report): void {
  const owner = new Map<string, string>();
  for (const { name, address } of hosts) {
    if (address === null) continue;
    const first = owner.get(address);
    if (first === undefined) {
      owner.set(address, name);
      continue;
    }
    const message = `Hosts \`${first}\` and \`${name}\` have the same address ${address}.`;
    return report.error("bad-address", ["spec", "hosts", entries.get(name)!, "address"], message, "Correct one of them.");
  }
}

function readRange(network: Spec["network"], report: Report): { cidr: Cidr | null; reserved: readonly AddressRange[]; leasable: number } {
  const path = ["spec", "network"];
  const cidr = parseCidr(network.cidr);
  const gateway = parseAddress(network.gateway);
  if (cidr === null || gateway === null) {
    const message = `\`${network.cidr}\` with gateway \`${network.gateway}\` is not an IPv4 network; write them like 10.20.0.0/16 and 10.20.0.1.`;
    report.error("bad-network", [...path, "cidr"], message);
    return { cidr: null, reserved: [], leasable: 0 };
  }
  const text = formatCidr(cidr);
  if (text !== network.cidr) {
    const message = `\`${network.cidr}\` has bits set behind its prefix; the network that holds this address is ${text}.`;
    report.error("bad-network", [...path, "cidr"], message, `Write ${text}.`);
  }
  if (!containsAddress(usableRange(cidr), gateway)) {
    const message = `The gateway ${network.gateway} is not a usable address of ${text}; usable: ${formatAddressRange(usableRange(cidr))}.`;
    report.error("gateway-outside", [...path, "gateway"], message, "Choose an address of that range.");
  }
  const reserved = readReserved(network.reserved ?? [], cidr, [...path, "reserved"], report);
  return { cidr, reserved, leasable: countAddresses(leasableRanges(cidr, gateway, reserved)) };
}

function readReserved(reserved: readonly string[], cidr: Cidr, path: Path, report: Report): AddressRange[] {
  const ranges: AddressRange[] = [];
  for (const [index, text] of reserved.entries()) {
    const range = parseAddressRange(text);
    if (range === null) {
      const message = `The reserved range \`${text}\` runs backwards; write the smaller address first.`;
      report.error("bad-network", [...path, index], message);
    } else if (!containsRange(cidr, range)) {
      const message = `The reserved ${text} is not inside ${formatCidr(cidr)}, so reserving it has no effect.`;
      report.error("reserved-outside", [...path, index], message, "Correct or remove it.");
    } else {
      ranges.push(range);
    }
  }
  return ranges;
}
