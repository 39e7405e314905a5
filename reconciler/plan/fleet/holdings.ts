import { slotKey } from "../../core/ids.ts";
import type { Claim } from "../../core/memory.ts";
import { maxResources } from "../../core/resources.ts";
import type { SlotFacts, SlotOnHost } from "../diff/slot-facts.ts";
import type { Reservation } from "../place/host-index.ts";
import { heldBytes } from "../volumes/on-host.ts";

/** What a Set holds now: room on hosts and leased addresses. Compared and swapped as a whole when the Set changed. */
export interface Holdings {
  readonly rooms: readonly { readonly host: string; readonly claim: Reservation }[];
  readonly leases: readonly { readonly ip: string; readonly slot: string }[];
}

/**
 * Everything the Set's slots hold. Several generations of one slot on one host count once, with the larger need: they
 * follow each other there, they never run side by side.
 */
export function holdingsOf(set: string, slots: Iterable<SlotFacts>): Holdings {
  const rooms: { host: string; claim: Reservation }[] = [];
  const leases: { ip: string; slot: string }[] = [];
  for (const slot of slots) {
    const byHost = new Map<string, Reservation>();
    const addresses = new Set<string>();
    for (const claim of claimsOf(slot)) {
      byHost.set(claim.host, larger(byHost.get(claim.host), claim));
      if (claim.ip !== null) addresses.add(claim.ip);
    }
    for (const on of slot.seen) addSeen(on, byHost, addresses);
    for (const [host, claim] of byHost) rooms.push({ host, claim });
    for (const ip of addresses) leases.push({ ip, slot: slotKey(set, slot.index) });
  }
  return { rooms, leases };
}

function claimsOf(slot: SlotFacts): readonly Claim[] {
  return slot.current === null ? slot.former : [...slot.former, slot.current];
}

/** What is seen counts as well: limits that were lowered in the manifest are still held until they are lowered there. */
function addSeen(on: SlotOnHost, byHost: Map<string, Reservation>, addresses: Set<string>): void {
  for (const instance of on.instances) {
    const claim = { resources: instance.resources, hostPorts: instance.hostPorts, core: instance.priority === "core" };
    byHost.set(on.host, larger(byHost.get(on.host), claim));
    if (instance.ip !== null) addresses.add(instance.ip);
  }
  if (on.port !== null) addresses.add(on.port.ip);
  const known = byHost.get(on.host);
  const diskBytes = heldBytes(on.volumes);
  // Volumes never shrink, whatever the manifest asks for by now.
  if (known !== undefined && diskBytes > known.resources.diskBytes)
    byHost.set(on.host, { ...known, resources: { ...known.resources, diskBytes } });
}

/** The need of two generations or versions of one Instance on one host; one of the two objects where it covers both. */
export function larger(a: Reservation | undefined, b: Reservation): Reservation {
  if (a === undefined) return b;
  const hostPorts = [...new Set([...a.hostPorts, ...b.hostPorts])].sort((x, y) => x - y);
  return { resources: maxResources(a.resources, b.resources), hostPorts, core: a.core || b.core };
}
