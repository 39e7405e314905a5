import { hash } from "node:crypto";
import { parseCidr } from "../../../core/addresses.ts";
import type { NetworkSettings } from "../../../core/host-settings.ts";
import { slotKey } from "../../../core/ids.ts";
import { instanceKey } from "../../instance-key.ts";
import type { InstanceRef, PortRequest } from "../../ports.ts";
import { type Command, CommandError, type RunCommand } from "../../commands.ts";
import type { HostFiles } from "../host-files.ts";
import { macOf, makeLink, parseLinkCounters, removeLink } from "../links.ts";

type Slot = Pick<InstanceRef, "set" | "index">;

/** Name of the one link in an Instance. */
const INSIDE = "eth0";
/** Destination of the default route in /proc/net/route: made last, so where it is, all is. */
const HAS_DEFAULT_ROUTE = /^\S+\t00000000\t/m;

/**
 * Wires that the agent makes itself, from Docker's bridge into the empty network namespace of infra: Docker's own way starts dockerd once more for
 * each of them. A wire lives as long as the namespace, so nothing has to be remembered and nothing leaks.
 */
export class Wires {
  readonly #run: RunCommand;
  readonly #files: HostFiles;
  readonly #fleet: () => string;

  constructor(run: RunCommand, files: HostFiles, fleet: () => string) {
    this.#run = run;
    this.#files = files;
    this.#fleet = fleet;
  }

  isThere(slot: Slot): boolean {
    return this.#files.hasLink(this.#link(slot));
  }

  /** Whether namespaces of others may be entered here, and the bridge is one of this host: else Docker is elsewhere, or we are not root. */
  async canMake(bridge: string, signal: AbortSignal): Promise<boolean> {
    if (!this.#files.hasLink(bridge)) return false;
    try {
      await this.#run({ program: "nsenter", args: ["--net=/proc/self/ns/net", "ip", "link", "show", "dev", bridge] }, signal);
      return true;
    } catch (error) {
      if (error instanceof CommandError && error.kind !== "deadline") return false;
      throw error;
    }
  }

  /** One that broke off halfway is made anew. */
  async make(port: PortRequest, settings: NetworkSettings, infraPid: number, signal: AbortSignal): Promise<void> {
    const { bridge } = settings;
    const link = this.#link(port);
    if (this.#files.hasLink(link) && HAS_DEFAULT_ROUTE.test(this.#files.routesOf(infraPid))) return this.join([port], bridge, signal);
    await makeLink(this.#run, link, this.#wiring(link, port, settings, infraPid), signal);
  }

  /** Makes the links of these slots ports of the bridge, those that are not. */
  async join(slots: Iterable<Slot>, bridge: string, signal: AbortSignal): Promise<void> {
    const links = Array.from(slots, (slot) => this.#link(slot)).filter((link) => {
      return this.#files.hasLink(link) && this.#files.bridgeOf(link) !== bridge;
    });
    if (links.length === 0) return;
    // One that goes at this moment does not keep the others from it.
    const args = links.length === 1 ? ["-batch", "-"] : ["-force", "-batch", "-"];
    const input = links.map((link) => `link set ${link} master ${bridge}\n`).join("");
    await this.#run({ program: "ip", args, input }, signal);
  }

  async remove(slot: Slot, signal: AbortSignal): Promise<void> {
    if (this.isThere(slot)) await removeLink(this.#run, this.#link(slot), signal);
  }

  /** By `set/index@generation`. */
  counters(ports: Iterable<PortRequest>): Map<string, { readonly receivedBytes: number; readonly sentBytes: number }> {
    const links = parseLinkCounters(this.#files.links());
    const counters = new Map<string, { receivedBytes: number; sentBytes: number }>();
    for (const port of ports) {
      const host = links.get(this.#link(port));
      // What the host's end sends, the Instance receives.
      if (host === undefined) continue;
      counters.set(instanceKey(port), { receivedBytes: host.sentBytes, sentBytes: host.receivedBytes });
    }
    return counters;
  }

  /** The host's end; the kernel allows 15 letters. */
  #link({ set, index }: Slot): string {
    return `sp${hash("sha256", `${this.#fleet()}/${slotKey(set, index)}`, "hex").slice(0, 11)}`;
  }

  /**
   * All of it by one program, which works in the Instance's namespace: each start of a program costs milliseconds. From there the host is that of
   * our own process and the bridge has a number only. An address of version 6 would be of the link alone, and is none of ours.
   */
  #wiring(link: string, { ip }: PortRequest, { cidr, gateway, bridge, mtu }: NetworkSettings, infraPid: number): Command {
    const host = `${link} netns ${this.#files.ownPid()} mtu ${mtu} master if${this.#files.indexOf(bridge)} up`;
    const lines = [
      `link add ${host} type veth peer name ${INSIDE} mtu ${mtu} address ${macOf(ip)}`,
      ...(this.#files.hasIpv6() ? [`link set ${INSIDE} addrgenmode none`] : []),
      `addr add ${ip}/${parseCidr(cidr)!.prefix} dev ${INSIDE}`,
      `link set ${INSIDE} up`,
      `route add default via ${gateway} dev ${INSIDE}`,
    ];
    return { program: "nsenter", args: [`--net=/proc/${infraPid}/ns/net`, "ip", "-batch", "-"], input: `${lines.join("\n")}\n` };
  }
}
