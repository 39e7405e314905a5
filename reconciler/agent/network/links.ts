import type { RunCommand } from "./commands.ts";
import { CommandError } from "./commands.ts";

export interface VethRequest {
  readonly host: string;
  readonly peer: string;
  readonly mac: string;
  readonly mtu: number;
  /** A process in whose network namespace the peer is made; the host's own when absent. */
  readonly inside?: number;
  /** Of which the host's end becomes a port. */
  readonly bridge?: string;
}

/** MAC of an address: the same wherever the Instance goes, so that its neighbours need not learn a new one. */
export function macOf(ip: string): string {
  const bytes = ip.split(".").map((byte) => Number(byte).toString(16).padStart(2, "0"));
  return `02:5e:${bytes.join(":")}`;
}

/** A new veth pair in the host's namespace, the host's end up; one of that name left from an attempt that broke off is replaced. */
export async function makeVeth(run: RunCommand, request: VethRequest, signal: AbortSignal): Promise<void> {
  const { host, peer, mac, mtu, inside, bridge } = request;
  const where = inside === undefined ? "" : ` netns ${inside}`;
  const master = bridge === undefined ? "" : ` master ${bridge}`;
  const input = `link add ${host} mtu ${mtu} type veth peer name ${peer} mtu ${mtu} address ${mac}${where}\nlink set ${host}${master} up\n`;
  const make = (): Promise<string> => run({ program: "ip", args: ["-batch", "-"], input }, signal);
  try {
    await make();
  } catch (error) {
    if (!(error instanceof CommandError) || !error.stderr.includes("File exists")) throw error;
    await removeLink(run, host, signal);
    await make();
  }
}

/** The datapath in user space does not complete partial checksums, so an Instance on it must not leave them partial. Outlives the move. */
export async function completeChecksums(run: RunCommand, link: string, signal: AbortSignal): Promise<void> {
  await run({ program: "ethtool", args: ["-K", link, "tx", "off"] }, signal);
}

/** Both ends; done when there is none. */
export async function removeLink(run: RunCommand, link: string, signal: AbortSignal): Promise<void> {
  try {
    await run({ program: "ip", args: ["link", "del", link] }, signal);
  } catch (error) {
    if (!(error instanceof CommandError) || !error.stderr.includes("Cannot find device")) throw error;
  }
}

export async function setLink(run: RunCommand, link: string, to: "up" | "down", signal: AbortSignal): Promise<void> {
  await run({ program: "ip", args: ["link", "set", link, to] }, signal);
}

/** Counters of one link as the host sees them. */
export interface LinkCounters {
  readonly receivedBytes: number;
  readonly sentBytes: number;
}

/** Reads /proc/net/dev: a line for each link, `name: received-bytes … sent-bytes …`. */
export function parseLinkCounters(text: string): Map<string, LinkCounters> {
  const counters = new Map<string, LinkCounters>();
  for (const line of text.split("\n")) {
    const colon = line.indexOf(":");
    if (colon < 0) continue;
    const fields = line
      .slice(colon + 1)
      .trim()
      .split(/\s+/);
    counters.set(line.slice(0, colon).trim(), { receivedBytes: Number(fields[0]), sentBytes: Number(fields[8]) });
  }
  return counters;
}
