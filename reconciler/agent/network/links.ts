import { type Command, CommandError, type RunCommand } from "../commands.ts";

export interface VethRequest {
  readonly host: string;
  readonly peer: string;
  readonly mac: string;
  readonly mtu: number;
}

/** MAC of an address: the same wherever the Instance goes, so that its neighbours need not learn a new one. */
export function macOf(ip: string): string {
  const bytes = ip.split(".").map((byte) => Number(byte).toString(16).padStart(2, "0"));
  return `02:5e:${bytes.join(":")}`;
}

/** A new veth pair in the host's namespace, the host's end up. */
export async function makeVeth(run: RunCommand, request: VethRequest, signal: AbortSignal): Promise<void> {
  const { host, peer, mac, mtu } = request;
  const input = `link add ${host} mtu ${mtu} type veth peer name ${peer} mtu ${mtu} address ${mac}\nlink set ${host} up\n`;
  await makeLink(run, host, { program: "ip", args: ["-batch", "-"], input }, signal);
}

/** Runs a command that makes a link; one of that name left from an attempt that broke off is replaced. */
export async function makeLink(run: RunCommand, link: string, command: Command, signal: AbortSignal): Promise<void> {
  try {
    await run(command, signal);
  } catch (error) {
    if (!(error instanceof CommandError) || !error.stderr.includes("File exists")) throw error;
    await removeLink(run, link, signal);
    await run(command, signal);
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
