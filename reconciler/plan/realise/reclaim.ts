import type { DesiredSet } from "../../core/desired.ts";
import type { Claim } from "../../core/memory.ts";
import type { TrashedVolume } from "../../core/observation.ts";
import { compareText } from "../../core/order.ts";
import type { Decision } from "../../core/plan.ts";
import { volumesOn, type SlotFacts } from "../diff/slot-facts.ts";
import { changeSinceMark } from "../place/reservations.ts";
import { spareTrash } from "../restore/taken.ts";
import { addPurge, isMeant, purgeRetryInMs } from "../steps/purge.ts";
import { NOTHING_BACK, takesRoom } from "../steps/volume-steps.ts";
import { heldBytes } from "../volumes/on-host.ts";
import { lentBytes, type Restoring } from "./restoring.ts";
import type { PassContext } from "./set-work.ts";

/** Room in the volume group: the steps to wait for, or why there is none yet. */
export type Room = { readonly steps: readonly number[] } | { readonly wait: Decision; readonly wakeInMs: number | null };

const AS_IT_IS: Room = { steps: [] };
const NOTHING: Restoring = { back: NOTHING_BACK, replaced: [] };

/** True on hosts where trash gives way to volumes that have no room otherwise. */
export function mayReclaim(pass: PassContext, host: string): boolean {
  const { pool, reach } = pass.fleet.hostOf(host);
  return reach === "ok" && pool?.storage.trashReclaim === "when-full" && pass.fleet.input.destroysFrozen === null;
}

/** Bytes of the host's trash that may give way: not what is to be restored. */
export function reclaimableBytes(pass: PassContext, host: string): number {
  if (!mayReclaim(pass, host)) return 0;
  const { restores } = pass.fleet.input.memory;
  return spareTrash(pass.fleet.hostOf(host).observation?.trash ?? [], (entry) => isMeant(restores, host, entry));
}

/**
 * Makes room for the volumes that the slot is about to get on its claim's host: purges the oldest trash there, as much as is
 * lacking and no more, less what the slot brings along out of the trash. Only where the pool says so; elsewhere the trash was counted as taken when the slot was placed.
 */
export function makeRoom(pass: PassContext, set: DesiredSet, slot: SlotFacts, claim: Claim, restoring = NOTHING): Room {
  const { host } = claim;
  const position = pass.index.positions.get(host);
  const staying = volumesOn(slot, host).filter((volume) => !restoring.replaced.includes(volume));
  if (position === undefined || !mayReclaim(pass, host) || !takesRoom(set, staying, restoring.back)) return AS_IT_IS;
  const known = pass.reclaimed.get(host) ?? { grantedBytes: 0, freedBytes: 0, steps: new Map<string, number>() };
  pass.reclaimed.set(host, known);
  known.grantedBytes += Math.max(0, claim.resources.diskBytes - heldBefore(slot, host) - lentBytes(slot, host, restoring));
  const trash = pass.fleet.hostOf(host).observation?.trash ?? [];
  const freeBytes = pass.index.free.diskBytes[position]! - changeSinceMark(pass.index, pass.mark, position);
  const lackingBytes = known.grantedBytes - freeBytes - known.freedBytes;
  const chosen = oldestFor(
    lackingBytes,
    trash.filter((entry) => !known.steps.has(entry.id) && !isMeant(pass.fleet.input.memory.restores, host, entry)),
  );
  const wakeInMs = Math.max(0, ...chosen.map((entry) => purgeRetryInMs(pass.fleet.input, entry)));
  // Nothing is destroyed for a volume that can't be made yet.
  if (wakeInMs > 0) return { wait: { code: "wait.room", text: `room on ${host} is in the trash, and its purge failed` }, wakeInMs };
  for (const entry of chosen) {
    // One after another: where one fails, the younger ones stay.
    known.steps.set(entry.id, addPurge(pass.steps, host, entry, [...known.steps.values()].slice(-1)));
    known.freedBytes += entry.sizeBytes;
  }
  return { steps: [...known.steps.values()] };
}

/** What of the disk the slot had on the host when the pass began. */
function heldBefore({ current, former, seen }: SlotFacts, host: string): number {
  const claims = [...former, ...(current === null ? [] : [current])].filter((claim) => claim.host === host);
  const on = seen.find((candidate) => candidate.host === host);
  const held = [...claims, ...(on?.instances ?? [])].map(({ resources }) => resources.diskBytes);
  return Math.max(0, heldBytes(on?.volumes ?? []), ...held);
}

/** As many of the oldest logical volumes as it takes. */
function oldestFor(lackingBytes: number, trash: readonly TrashedVolume[]): TrashedVolume[] {
  const chosen: TrashedVolume[] = [];
  const volumes = trash.filter(({ kind }) => kind === "lvm").sort((a, b) => a.trashedAtMs - b.trashedAtMs || compareText(a.id, b.id));
  for (const entry of volumes) if (heldBytes(chosen) < lackingBytes) chosen.push(entry);
  return chosen;
}
