import type { DesiredSet } from "../core/desired.ts";
import { UserError } from "../core/errors/user-error.ts";
import { parseSlotKey, slotKey, trashKey } from "../core/ids.ts";
import type { Restore, VolumePlace } from "../core/memory.ts";
import type { TrashedVolume } from "../core/observation.ts";
import { compareText } from "../core/order.ts";
import type { PlanInput } from "../core/plan.ts";
import { wantedSlots } from "../plan/explain.ts";
import { hostStatus, type HostStatus } from "../plan/fleet/host-status.ts";
import { manifestLacks } from "../plan/restore/wishes.ts";
import type { OperatorEvent } from "../run/reconciler.ts";
import type { Picture } from "./rows.ts";
import type { RestoreRow, TrashRow } from "./types.ts";

/** Every entry of the trash that a host shows, and restores whose entry none shows; by host and id. */
export function trashRows(picture: Picture): TrashRow[] {
  const { input } = picture;
  const rows = shownEntries(input).map(({ host, entry }) => shownRow(picture, host, entry));
  const shown = new Set(rows.map(({ id }) => id));
  for (const [key, restore] of input.memory.restores) if (!shown.has(key)) rows.push(unseenRow(picture, key, restore));
  return rows.sort((a, b) => compareText(a.id, b.id));
}

function shownEntries({ fleet }: PlanInput): { readonly host: string; readonly entry: TrashedVolume }[] {
  return [...fleet].flatMap(([host, { observation }]) => (observation?.trash ?? []).map((entry) => ({ host, entry })));
}

function shownRow(picture: Picture, host: string, entry: TrashedVolume): TrashRow {
  const { input } = picture;
  const key = trashKey(host, entry.id);
  const { set, index, name: volume, kind, sizeBytes, usedBytes, trashedAtMs, commit, taskId } = entry;
  const restore = sameEntry(input.memory.restores.get(key), trashedAtMs);
  const purge = sameEntry(input.memory.purges.get(key), trashedAtMs);
  const pool = input.desired.pools.get(input.desired.hosts.find(({ name }) => name === host)?.pool ?? "");
  const expiresAtMs = pool === undefined ? null : trashedAtMs + pool.storage.trashKeepForMs;
  const keeps = restore !== null && restore.lostAtMs === null;
  return {
    id: key,
    host,
    set,
    index,
    volume,
    kind,
    sizeBytes,
    usedBytes,
    trashedAtMs,
    commit,
    taskId,
    purgeAtMs: keeps ? null : purge === null ? expiresAtMs : purge.sinceMs,
    restore: restore === null ? null : restoreRow(picture, key, restore),
    purge: purge === null ? null : { who: purge.who, why: purge.why, sinceMs: purge.sinceMs },
  };
}

function sameEntry<Wish extends { readonly trashedAtMs: number }>(wish: Wish | undefined, trashedAtMs: number): Wish | null {
  return wish?.trashedAtMs === trashedAtMs ? wish : null;
}

/** A restore whose entry is gone, or on a host that was not heard. */
function unseenRow(picture: Picture, key: string, restore: Restore): TrashRow {
  const { host, from, kind, trashedAtMs } = restore;
  const unknown = { sizeBytes: null, usedBytes: null, commit: null, taskId: null, purgeAtMs: null, purge: null };
  return { id: key, host, ...from, kind, trashedAtMs, ...unknown, restore: restoreRow(picture, key, restore) };
}

function restoreRow(picture: Picture, key: string, restore: Restore): RestoreRow {
  const { to, replace, who, why, sinceMs } = restore;
  return { slot: slotKey(to.set, to.index), volume: to.volume, replace, who, why, sinceMs, state: stateOf(picture, key, restore) };
}

/** What the restore waits for, or that it is under way, in a few words. */
function stateOf({ input, plan }: Picture, key: string, restore: Restore): string {
  if (restore.lostAtMs !== null) return "gone from the trash";
  const { to } = restore;
  const problem = plan.problems.find(({ subject, code }) => code === "restore-waits" && subject === `trash/${key}`);
  if (problem !== undefined) return problem.text;
  // The plan may be older than the wish.
  const { set, total } = slotsOf(input, to.set);
  const lacking = manifestLacks(restore, set, total);
  if (lacking !== null) return `waits for ${lacking}`;
  const change = plan.changes.find(({ set, index, kind }) => set === to.set && index === to.index && kind === "blocked");
  return change === undefined ? "under way" : `waits: ${change.decision.text}`;
}

function slotsOf(input: PlanInput, name: string): { readonly set: DesiredSet | null; readonly total: number } {
  const set = input.desired.sets.get(name) ?? null;
  return { set, total: set === null ? 0 : wantedSlots(input, set) };
}

function statusOf(input: PlanInput, host: string): HostStatus {
  return hostStatus(input, host, input.desired.hosts.find(({ name }) => name === host) ?? null);
}

/** Volumes of the slot that hosts, not confirmed dead, show. */
function volumesOf(input: PlanInput, slot: Pick<VolumePlace, "set" | "index">): { readonly host: string; readonly volume: string }[] {
  return [...input.fleet].flatMap(([host, { observation }]) => {
    const volumes = (observation?.volumes ?? []).filter(({ set, index }) => set === slot.set && index === slot.index);
    return volumes.length === 0 || statusOf(input, host).reach === "dead" ? [] : volumes.map(({ name }) => ({ host, volume: name }));
  });
}

const MOST_CANDIDATES = 10;

/** The one entry whose id, with the host or without, is the text or begins with it. */
export function findTrash(rows: readonly TrashRow[], text: string): TrashRow {
  const ids = (row: TrashRow): readonly string[] => [row.id, row.id.slice(row.host.length + 1)];
  const exact = rows.filter((row) => ids(row).includes(text));
  const found = exact.length > 0 ? exact : rows.filter((row) => ids(row).some((id) => id.startsWith(text)));
  if (found.length === 1) return found[0]!;
  if (found.length === 0)
    throw new UserError(
      "no-such-trash",
      `no entry of the trash has an id that begins with '${text}'`,
      "List them with: setpoint trash list",
    );
  const names = found.slice(0, MOST_CANDIDATES).map(({ id }) => id);
  const more = found.length > MOST_CANDIDATES ? ` and ${found.length - MOST_CANDIDATES} more` : "";
  throw new UserError(
    "trash-ambiguous",
    `'${text}' may be any of ${found.length} entries of the trash`,
    `Give one of: ${names.join(", ")}${more}`,
  );
}

export interface RestoreRequest {
  /** As findTrash takes it. */
  readonly id: string;
  /** `SET/INDEX` or `SET/INDEX/VOLUME`; null: where it was. */
  readonly to: string | null;
  readonly replace: boolean;
  readonly who: string;
  readonly why: string;
}

/** What an operator wants back. Throws a UserError where that can't be, or would cost data that was not spoken of. */
export function restoreEvent(picture: Picture, request: RestoreRequest): OperatorEvent & { readonly type: "restore.asked" } {
  const { input } = picture;
  const row = findTrash(trashRows(picture), request.id);
  const { host, set, index, volume, kind, trashedAtMs } = row;
  const trashId = row.id.slice(host.length + 1);
  refuseIfOpen(input, row);
  const from = { set, index, volume };
  const to = request.to === null ? from : parsePlace(request.to, volume);
  const { who, why, replace } = request;
  const restore = { host, trashId, trashedAtMs, kind, from, to, replace, who, why, sinceMs: input.nowMs };
  refuseTarget(input, { ...restore, begun: false, lostAtMs: null });
  return { type: "restore.asked", restore };
}

function refuseIfOpen({ memory }: PlanInput, row: TrashRow): void {
  if (row.restore !== null && row.sizeBytes !== null)
    throw new UserError(
      "restore-open",
      `${row.restore.who} asked for ${row.id} already, as volume ${row.restore.volume} of ${row.restore.slot}`,
      `To ask for something else, first: setpoint trash restore --cancel ${row.id}`,
    );
  if (row.sizeBytes === null)
    throw new UserError("no-such-trash", `no host shows ${row.id} now`, "See what it waits for with: setpoint trash list");
  const purging = [...memory.running.values()].some(
    ({ kind, host, set, index }) => kind === "purgeVolume" && host === row.host && set === row.set && index === row.index,
  );
  if (row.purge === null && !purging) return;
  const who = row.purge === null ? "it expired" : `${row.purge.who} asked for that`;
  throw new UserError("purge-open", `${row.id} is being destroyed: ${who}`, "See what is left with: setpoint trash list");
}

function parsePlace(text: string, volume: string): VolumePlace {
  const match = /^([^/]+\/[^/]+)(?:\/([^/]+))?$/.exec(text);
  const slot = match === null ? null : parseSlotKey(match[1]!);
  if (slot !== null) return { ...slot, volume: match![2] ?? volume };
  throw new UserError(
    "restore-target",
    `'${text}' is not a slot`,
    "Write SET/INDEX, such as db/0, or SET/INDEX/VOLUME, such as db/0/data.",
  );
}

/** A target in the manifests must have such a volume; data it has now must be spoken of; and one slot takes from one host at a time. */
function refuseTarget(input: PlanInput, restore: Restore): void {
  const { to, host, kind } = restore;
  const slot = slotKey(to.set, to.index);
  const { set, total } = slotsOf(input, to.set);
  const volume = set?.template.volumes.find(({ name }) => name === to.volume);
  if (set !== null && volume?.kind !== kind) {
    const has = set.template.volumes.filter((other) => other.kind === kind).map(({ name }) => name);
    const hint =
      has.length === 0
        ? `Set ${set.name} has no volume of kind ${kind}.`
        : `Give one of: ${has.map((name) => `${slot}/${name}`).join(", ")}`;
    throw new UserError("restore-target", `can't restore it there: it needs ${manifestLacks(restore, set, to.index + 1)}`, hint);
  }
  for (const [key, other] of input.memory.restores) {
    const sameSlot = slotKey(other.to.set, other.to.index) === slot && other.lostAtMs === null;
    if (!sameSlot || (other.to.volume !== to.volume && other.host === host)) continue;
    const what =
      other.to.volume === to.volume ? `${key} is to be volume ${to.volume} of ${slot}` : `${slot} is to go to ${other.host} for ${key}`;
    throw new UserError(
      "restore-open",
      `${other.who} asked for a restore there already: ${what}`,
      `End that with: setpoint trash restore --cancel ${key}`,
    );
  }
  if (set !== null && to.index < total && !restore.replace) refuseOccupied(input, restore, slot);
}

function refuseOccupied(input: PlanInput, { to, host }: Restore, slot: string): void {
  const volumes = volumesOf(input, to);
  const same = volumes.find(({ volume }) => volume === to.volume);
  const livesOn = input.memory.sets.get(to.set)?.slots.get(to.index)?.current?.host;
  const other = livesOn === host ? undefined : volumes.find((volume) => volume.host === livesOn);
  const present = same ?? other;
  if (present === undefined) return;
  throw new UserError(
    "restore-occupied",
    `${slot} has data of its own, volume ${present.volume} on ${present.host}, which would go to the trash`,
    "If that is what you want, add --replace. To restore beside it: --to SET/INDEX",
  );
}

/** Ends a restore, whether its entry is there or not. */
export function cancelEvent(
  picture: Picture,
  request: { readonly id: string; readonly who: string; readonly why: string },
): OperatorEvent & { readonly type: "restore.cancelled" } {
  const open = trashRows(picture).filter((row) => row.restore !== null);
  if (open.length === 0) throw new UserError("no-such-restore", "no restore is open", "Nothing waits to be restored now.");
  const { host, id } = findOpen(open, request.id);
  return { type: "restore.cancelled", host, trashId: id.slice(host.length + 1), who: request.who, why: request.why };
}

function findOpen(open: readonly TrashRow[], text: string): TrashRow {
  try {
    return findTrash(open, text);
  } catch (error) {
    if (!(error instanceof UserError) || error.code !== "no-such-trash") throw error;
    const names = open.slice(0, MOST_CANDIDATES).map(({ id }) => id);
    throw new UserError("no-such-restore", `no restore of '${text}' is open`, `Open are: ${names.join(", ")}`);
  }
}

/** Lets an entry be destroyed before it expires. */
export function purgeEvent(
  picture: Picture,
  request: { readonly id: string; readonly who: string; readonly why: string },
): OperatorEvent & { readonly type: "purge.asked" } {
  const row = findTrash(trashRows(picture), request.id);
  const { host, kind, trashedAtMs, restore } = row;
  if (restore !== null)
    throw new UserError(
      "restore-open",
      `${row.id} is not destroyed: ${restore.who} wants it back as volume ${restore.volume} of ${restore.slot}`,
      `If nobody does any more, first: setpoint trash restore --cancel ${row.id}`,
    );
  if (row.purge !== null)
    throw new UserError("purge-open", `${row.purge.who} asked for that already`, "It goes as soon as its host may be touched.");
  const { who, why } = request;
  return {
    type: "purge.asked",
    purge: { host, trashId: row.id.slice(host.length + 1), trashedAtMs, kind, who, why, sinceMs: picture.input.nowMs },
  };
}
