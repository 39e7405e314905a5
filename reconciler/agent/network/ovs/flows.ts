import { createHash } from "node:crypto";
import { parseAddress } from "../../../core/addresses.ts";
import { compareText } from "../../../core/order.ts";

/*
 * Flows on the bridge, so that a port sends only as what it was given, and rules can come between:
 *
 *   table 0   who sends? ARP and IPv4 of ours go on if port, MAC and address fit, all else from a port of ours is dropped;
 *             on a bridge of our own, what comes from other ports (uplink, tunnels, foreign) goes to table 20
 *   table 10  what a local Instance may send, table 20 what it may receive: all, as there are no rules yet
 *   table 30  an ordinary switch with the VLANs of the ports
 *
 * Every flow's cookie tells whose it is: a mark of ours, the fleet, and the address of the port (0: of the bridge).
 */

const TABLE = { send: 10, receive: 20, forward: 30 } as const;
const COOKIE_MARK = "5e70";
const NO_ADDRESS = "00000000";
const UNTAGGED = "vlan_tci=0x0000/0x1fff";

/** What a port may send as. `open`: false drops everything, until its limits are in place. */
export interface GuardedPort {
  readonly link: string;
  readonly ip: string;
  readonly mac: string;
  readonly open: boolean;
}

/** A flow as ovs-ofctl reads it; the cookie stands apart, as flows are counted by it. */
export interface Flow {
  readonly cookie: string;
  readonly text: string;
}

/** `0x5e70` + fleet + address. */
export function portCookie(fleet: string, ip: string): string {
  return `0x${COOKIE_MARK}${fleetMark(fleet)}${parseAddress(ip)!.toString(16).padStart(8, "0")}`;
}

/** Cookie of what belongs to no port, and what a mask of all our cookies matches. */
export function bridgeCookie(fleet: string): string {
  return `0x${COOKIE_MARK}${fleetMark(fleet)}${NO_ADDRESS}`;
}

export function fleetCookies(fleet: string): string {
  return `cookie=${bridgeCookie(fleet)}/0xffffffff00000000`;
}

function fleetMark(fleet: string): string {
  return createHash("sha256").update(fleet).digest("hex").slice(0, 4);
}

/** Only a bridge that we made sends what comes from other ports through our tables; on another's its owner's flows say what becomes of that. */
export function bridgeFlows(fleet: string, ownBridge: boolean): Flow[] {
  const cookie = bridgeCookie(fleet);
  const forward = [
    `table=${TABLE.send},priority=0,actions=resubmit(,${TABLE.receive})`,
    `table=${TABLE.receive},priority=0,actions=resubmit(,${TABLE.forward})`,
    `table=${TABLE.forward},priority=0,actions=NORMAL`,
  ];
  const others = ownBridge ? [`table=0,priority=0,actions=resubmit(,${TABLE.receive})`] : [];
  return [...others, ...forward].map((text) => ({ cookie, text }));
}

export function portFlows(fleet: string, { link, ip, mac, open }: GuardedPort): Flow[] {
  const cookie = portCookie(fleet, ip);
  const from = `in_port=${link},${UNTAGGED},dl_src=${mac}`;
  const allow = [
    `table=0,priority=200,arp,${from},arp_spa=${ip},arp_sha=${mac},actions=resubmit(,${TABLE.forward})`,
    `table=0,priority=190,ip,${from},nw_src=${ip},actions=resubmit(,${TABLE.send})`,
  ];
  const drop = `table=0,priority=100,in_port=${link},actions=drop`;
  return [...(open ? allow : []), drop].map((text) => ({ cookie, text }));
}

/** A bundle for ovs-ofctl that replaces, all at once, the flows of a port; one that may send is announced with it. */
export function replacePort(fleet: string, port: GuardedPort): string {
  const flows = [deletion(`cookie=${portCookie(fleet, port.ip)}/-1`), ...portFlows(fleet, port).map(addition)];
  return bundle([...flows, ...(port.open ? [announcement(port)] : [])]);
}

/** The same for everything of the fleet's. */
export function replaceAll(fleet: string, flows: readonly Flow[]): string {
  return bundle([deletion(fleetCookies(fleet)), ...flows.map(addition)]);
}

export function removePort(fleet: string, ip: string): string {
  return bundle([deletion(`cookie=${portCookie(fleet, ip)}/-1`)]);
}

/** Lets everyone on the network learn at once where the addresses are. */
export function announceAll(ports: readonly GuardedPort[]): string {
  return bundle(ports.map(announcement));
}

function addition({ cookie, text }: Flow): string {
  return `flow add cookie=${cookie},${text}`;
}

function deletion(match: string): string {
  return `flow delete ${match}`;
}

function announcement({ link, ip, mac }: GuardedPort): string {
  return `packet-out in_port=${link},packet=${announcementPacket(ip, mac)},actions=resubmit(,${TABLE.forward})`;
}

function bundle(lines: readonly string[]): string {
  return `${lines.join("\n")}\n`;
}

/** What is compared of the flows of a bridge: how many there are by cookie and ingress port. Sorted. */
export function summarize(flows: readonly Flow[]): string[] {
  const counts = new Map<string, number>();
  for (const { cookie, text } of flows) {
    const key = `${cookie} ${/\bin_port="?([^",\s]+)/.exec(text)?.[1] ?? "-"}`;
    counts.set(key, (counts.get(key) ?? 0) + 1);
  }
  return [...counts].map(([key, count]) => `${key} ${count}`).sort(compareText);
}

/** The answer of `ovs-ofctl dump-flows`. */
export function parseFlows(dump: string): Flow[] {
  return [...dump.matchAll(/^ *cookie=(0x[0-9a-f]+), *(.*)$/gm)].map((match) => ({ cookie: match[1]!, text: match[2]! }));
}

/** An ARP announcement (RFC 5227): tells switches and neighbours where the address is now. Hex, with Ethernet header. */
export function announcementPacket(ip: string, mac: string): string {
  const macHex = mac.replaceAll(":", "");
  const ipHex = parseAddress(ip)!.toString(16).padStart(8, "0");
  const header = `ffffffffffff${macHex}0806`;
  const request = "0001080006040001";
  return `${header}${request}${macHex}${ipHex}000000000000${ipHex}`;
}
