import type { DesiredSet } from "../../core/desired.ts";
import type { Claim } from "../../core/memory.ts";
import { RESOURCE_NAMES, type Resources } from "../../core/resources.ts";
import { volumesOn, type SlotFacts } from "../diff/slot-facts.ts";
import { larger } from "../fleet/holdings.ts";
import type { Reservation } from "../place/host-index.ts";
import { portKey, reserve } from "../place/reservations.ts";
import { formatBytesRounded } from "../../core/units.ts";
import { reclaimableBytes } from "./reclaim.ts";
import { diskOn, heldBytes, type VolumeHere } from "../volumes/on-host.ts";
import type { PassContext } from "./set-work.ts";

/** Under this name growth in place is reserved, so that it does not count as one more Instance of the Set. */
const GROWTH = "";

/** What a Set's Instance reserves now on a host where its slot has these volumes. */
export function reservationOf(set: DesiredSet, here: readonly VolumeHere[]): Reservation {
  const resources = here.length === 0 ? set.resources : { ...set.resources, diskBytes: diskOn(set, here) };
  return { resources, hostPorts: set.hostPorts, core: set.priority === "core" };
}

/**
 * Makes room for the Set's present needs on the host a slot is on already, beside what it holds there. Returns what is
 * lacking, `null` when the room is there (and now reserved until the end of the plan). `lentBytes` of the disk come back from the trash.
 */
export function growInPlace(pass: PassContext, set: DesiredSet, slot: SlotFacts, claim: Claim, lentBytes = 0): string | null {
  const position = pass.index.positions.get(claim.host);
  if (position === undefined) return `host ${claim.host} is in no pool`;
  const here = volumesOn(slot, claim.host);
  let held: Reservation = larger(claim, { ...claim, resources: { ...claim.resources, diskBytes: heldBytes(here) } });
  for (const on of slot.seen) {
    if (on.host !== claim.host) continue;
    for (const instance of on.instances) held = larger(held, { ...instance, core: instance.priority === "core" });
  }
  const extra = lackOf(held.resources, reservationOf(set, here).resources);
  const newPorts = set.hostPorts.filter((port) => !held.hostPorts.includes(port));
  for (const name of RESOURCE_NAMES) {
    const trashBytes = name === "diskBytes" ? pass.index.trash[position]! : 0;
    const free = pass.index.free[name][position]! + (name === "diskBytes" ? lentBytes : 0);
    if (extra[name] <= 0 || extra[name] <= free) continue;
    if (trashBytes > 0 && extra[name] <= free + reclaimableBytes(pass, claim.host)) continue;
    const inTrash = trashBytes === 0 ? "" : ` (${formatBytesRounded(trashBytes)} of it is in the trash)`;
    return `host ${claim.host} lacks ${name.replace(/[A-Z].*/, "")} to grow in place${inTrash}`;
  }
  const taken = newPorts.find((port) => (pass.index.hostPorts.get(portKey(position, port)) ?? 0) > 0);
  if (taken !== undefined) return `port ${taken} of host ${claim.host} is taken`;
  if (newPorts.length > 0 || RESOURCE_NAMES.some((name) => extra[name] > 0)) {
    reserve(pass.index, claim.host, GROWTH, { resources: extra, hostPorts: newPorts, core: false });
  }
  return null;
}

function lackOf(held: Resources, wanted: Resources): Resources {
  return {
    cpuMillis: Math.max(0, wanted.cpuMillis - held.cpuMillis),
    memoryBytes: Math.max(0, wanted.memoryBytes - held.memoryBytes),
    diskBytes: Math.max(0, wanted.diskBytes - held.diskBytes),
    ingressBps: Math.max(0, wanted.ingressBps - held.ingressBps),
    egressBps: Math.max(0, wanted.egressBps - held.egressBps),
  };
}
