import type {
  DiskUsage,
  HostRow,
  HoldRow,
  ObjectKind,
  ObjectRows,
  PoolRow,
  RevisionRow,
  SetRow,
  SlotRow,
  TaskRow,
  TrashRow,
  Usage,
  VolumeFacts,
  WaitRow,
} from "../api/types.ts";
import type { Problem } from "../core/plan.ts";
import { formatBytesRounded, formatPercent } from "../core/units.ts";
import { shortCommit } from "../plan/render.ts";
import type { Column } from "./table.ts";

/** The columns of each kind that `setpoint get` lists. `nowMs` is for ages. */
export function columnsOf(kind: ObjectKind, nowMs: number): readonly Column<ObjectRows[ObjectKind][number]>[] {
  const columns: { readonly [kind in ObjectKind]: readonly Column<never>[] } = {
    sets: SET_COLUMNS,
    slots: SLOT_COLUMNS,
    hosts: HOST_COLUMNS,
    pools: POOL_COLUMNS,
    tasks: taskColumns(nowMs),
    revisions: revisionColumns(nowMs),
    holds: holdColumns(nowMs),
    trash: trashColumns(nowMs),
    problems: PROBLEM_COLUMNS,
  };
  return columns[kind] as readonly Column<ObjectRows[ObjectKind][number]>[];
}

const SET_COLUMNS: readonly Column<SetRow>[] = [
  { title: "set", cell: (row) => row.name, whole: true },
  { title: "state", cell: (row) => row.state, whole: true },
  { title: "ready", cell: (row) => `${row.ready}/${row.wanted}`, right: true, whole: true },
  { title: "current", cell: (row) => String(row.current), right: true, whole: true },
  { title: "priority", cell: (row) => row.priority, wide: true },
  { title: "pools", cell: (row) => row.pools.join(",") },
  { title: "images", cell: (row) => row.images.join(" ") },
  { title: "task", cell: (row) => shortId(row.taskId), whole: true },
];

const SLOT_COLUMNS: readonly Column<SlotRow>[] = [
  { title: "slot", cell: (row) => row.slot, whole: true },
  { title: "phase", cell: (row) => (row.phase === "running" && !row.healthy ? "unhealthy" : row.phase), whole: true },
  { title: "host", cell: (row) => row.host ?? "-", whole: true },
  { title: "zone", cell: (row) => row.zone ?? "-" },
  { title: "address", cell: (row) => row.ip ?? "-", whole: true },
  { title: "gen", cell: (row) => (row.generation === 0 ? "-" : String(row.generation)), right: true, whole: true },
  { title: "images", cell: (row) => row.images.join(" ") },
  { title: "message", cell: (row) => row.message },
  { title: "volumes", cell: (row) => row.volumes.map(volumeText).join(", "), wide: true },
  { title: "why", cell: (row) => row.why, wide: true },
];

/** `data 3.1Gi of 10Gi`. */
function volumeText({ name, sizeBytes, usedBytes }: VolumeFacts): string {
  return `${name} ${formatBytesRounded(usedBytes)} of ${formatBytesRounded(sizeBytes)}`;
}

const HOST_COLUMNS: readonly Column<HostRow>[] = [
  { title: "host", cell: (row) => row.name, whole: true },
  { title: "pool", cell: (row) => row.pool },
  { title: "zone", cell: (row) => row.zone },
  { title: "rack", cell: (row) => row.rack, wide: true },
  { title: "state", cell: (row) => (row.reachable || row.state === "dead" ? row.state : `${row.state}, silent`), whole: true },
  { title: "slots", cell: (row) => String(row.instances), right: true, whole: true },
  { title: "cpu", cell: (row) => share(row.cpu), right: true, whole: true },
  { title: "memory", cell: (row) => share(row.memory), right: true, whole: true },
  { title: "disk", cell: (row) => diskShare(row.disk), right: true, whole: true },
  {
    title: "trash",
    cell: (row) => (row.disk.trash === 0 ? "-" : formatBytesRounded(row.disk.trash)),
    right: true,
    whole: true,
    wide: true,
  },
  { title: "note", cell: (row) => row.note },
];

const POOL_COLUMNS: readonly Column<PoolRow>[] = [
  { title: "pool", cell: (row) => row.name, whole: true },
  { title: "hosts", cell: (row) => `${row.reachable}/${row.hosts}`, right: true, whole: true },
  { title: "zones", cell: (row) => row.zones.join(",") },
  { title: "slots", cell: (row) => String(row.instances), right: true, whole: true },
  { title: "cpu", cell: (row) => share(row.cpu), right: true, whole: true },
  { title: "memory", cell: (row) => share(row.memory), right: true, whole: true },
  { title: "disk", cell: (row) => diskShare(row.disk), right: true, whole: true },
  { title: "alarm at", cell: (row) => formatPercent(row.watermark), right: true },
  {
    title: "memory reserved",
    cell: (row) => `${formatBytesRounded(row.memory.reserved)} of ${formatBytesRounded(row.memory.capacity)}`,
    wide: true,
  },
];

/** Also printed by `setpoint trace` without a Task. */
export function taskColumns(nowMs: number): readonly Column<TaskRow>[] {
  return [
    { title: "task", cell: (row) => shortId(row.taskId), whole: true },
    { title: "set", cell: (row) => row.set, whole: true },
    { title: "trigger", cell: (row) => row.trigger, whole: true },
    { title: "revision", cell: (row) => shortCommit(row.commit), whole: true },
    { title: "opened", cell: (row) => age(nowMs, row.openedAtMs), whole: true },
    {
      title: "took",
      cell: (row) => (row.closedAtMs === null ? "-" : roughDuration(row.closedAtMs - row.openedAtMs)),
      right: true,
      whole: true,
    },
    { title: "verdict", cell: (row) => row.verdict ?? "under way", whole: true },
    { title: "why", cell: (row) => row.why },
  ];
}

function revisionColumns(nowMs: number): readonly Column<RevisionRow>[] {
  return [
    { title: "revision", cell: (row) => (row.commit === null ? "-" : shortCommit(row.commit)), whole: true },
    { title: "state", cell: (row) => row.state, whole: true },
    { title: "since", cell: (row) => age(nowMs, row.atMs), whole: true },
    { title: "why", cell: (row) => row.why },
  ];
}

/** Also printed by `setpoint status`. */
export function holdColumns(nowMs: number): readonly Column<HoldRow>[] {
  return [
    { title: "held", cell: (row) => row.name, whole: true },
    { title: "by", cell: (row) => row.who },
    { title: "since", cell: (row) => age(nowMs, row.sinceMs), whole: true },
    { title: "for", cell: (row) => (row.untilMs === null ? "until released" : `${roughDuration(row.untilMs - nowMs)} more`), whole: true },
    { title: "why", cell: (row) => row.why },
  ];
}

/** Also printed by `setpoint trash list`. */
export function trashColumns(nowMs: number): readonly Column<TrashRow>[] {
  return [
    { title: "id", cell: (row) => row.id, whole: true },
    { title: "was", cell: (row) => `${row.set}/${row.index} ${row.volume}`, whole: true },
    { title: "size", cell: (row) => bytes(row.sizeBytes), right: true, whole: true },
    { title: "used", cell: (row) => bytes(row.usedBytes), right: true, whole: true },
    { title: "trashed", cell: (row) => age(nowMs, row.trashedAtMs), whole: true },
    { title: "revision", cell: (row) => (row.commit === null ? "-" : shortCommit(row.commit)) },
    { title: "task", cell: (row) => shortId(row.taskId) },
    { title: "purged", cell: (row) => purgeText(row, nowMs), whole: true },
    { title: "restore", cell: restoreText },
  ];
}

/** Printed by `setpoint status`. */
export const RESTORE_COLUMNS: readonly Column<TrashRow>[] = [
  { title: "to restore", cell: (row) => row.id, whole: true },
  { title: "as", cell: (row) => (row.restore === null ? "" : `${row.restore.slot} ${row.restore.volume}`), whole: true },
  { title: "by", cell: (row) => row.restore?.who ?? "" },
  { title: "state", cell: (row) => row.restore?.state ?? "" },
];

function bytes(count: number | null): string {
  return count === null ? "-" : formatBytesRounded(count);
}

function purgeText({ purgeAtMs, purge, restore }: TrashRow, nowMs: number): string {
  if (purge !== null) return `now, by ${purge.who}`;
  if (purgeAtMs === null) return restore === null ? "-" : "kept";
  return purgeAtMs <= nowMs ? "now" : `in ${roughDuration(purgeAtMs - nowMs)}`;
}

function restoreText({ restore }: TrashRow): string {
  if (restore === null) return "";
  return `as ${restore.slot} ${restore.volume}${restore.replace ? ", replaces what is there" : ""}: ${restore.state}`;
}

/** Also printed by `setpoint status`. */
export const WAIT_COLUMNS: readonly Column<WaitRow>[] = [
  { title: "waits", cell: (row) => row.set, whole: true },
  { title: "slots", cell: (row) => String(row.slots), right: true, whole: true },
  { title: "why", cell: (row) => row.why },
];

export const PROBLEM_COLUMNS: readonly Column<Problem>[] = [
  { title: "severity", cell: (row) => row.severity, whole: true },
  { title: "subject", cell: (row) => row.subject, whole: true },
  { title: "problem", cell: (row) => row.text },
  { title: "code", cell: (row) => row.code, wide: true },
];

/** With what is in the trash, which is not free. */
function diskShare({ reserved, capacity, trash }: DiskUsage): string {
  return share({ reserved: reserved + trash, capacity });
}

function share(usage: Usage): string {
  if (usage.capacity === 0) return usage.reserved === 0 ? "-" : "over";
  return `${Math.round((100 * usage.reserved) / usage.capacity)}%`;
}

function shortId(taskId: string | null): string {
  return taskId === null ? "-" : taskId.slice(0, 8);
}

function age(nowMs: number, atMs: number): string {
  return `${roughDuration(nowMs - atMs)} ago`;
}

/** The two largest units at most: `950ms`, `12s`, `3m5s`, `2h10m`, `4d3h`. */
export function roughDuration(durationMs: number): string {
  const ms = Math.max(0, Math.round(durationMs));
  if (ms < 1000) return `${ms}ms`;
  if (ms < 10_000) return `${(ms / 1000).toFixed(1)}s`;
  const seconds = Math.round(ms / 1000);
  const parts = [Math.floor(seconds / 86_400), Math.floor(seconds / 3600) % 24, Math.floor(seconds / 60) % 60, seconds % 60];
  const first = parts.findIndex((part) => part > 0);
  return ["d", "h", "m", "s"]
    .map((unit, index) => (parts[index] === 0 || index < first || index > first + 1 ? "" : `${parts[index]}${unit}`))
    .join("");
}
