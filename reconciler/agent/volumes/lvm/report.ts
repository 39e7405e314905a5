import { readTags, type LvOwner } from "./tags.ts";

/** A volume group as LVM reports it. */
export interface Group {
  readonly name: string;
  readonly freeBytes: number;
  readonly extentBytes: number;
  /** Physical volumes that are gone, for messages: their device is not known any more. */
  readonly missing: readonly string[];
  /** Ours and all others; sorted by name. */
  readonly volumes: readonly LogicalVolume[];
}

export interface LogicalVolume {
  readonly uuid: string;
  readonly name: string;
  readonly sizeBytes: number;
  /** Path of its device, when it is active. */
  readonly path: string;
  /** `major:minor` of that device; null: it is not active. */
  readonly device: string | null;
  /** The thin pool it is taken from; null: it has its room. */
  readonly pool: string | null;
  /** Shares (0..1) in use, of a thin pool; null for anything else. */
  readonly fill: { readonly data: number; readonly metadata: number } | null;
  /** It lies on a physical volume that is gone. */
  readonly partial: boolean;
  readonly tags: readonly string[];
  /** null: it is not ours. */
  readonly owner: LvOwner | null;
}

/** One that is ours. */
export type OwnedVolume = LogicalVolume & { readonly owner: LvOwner };

export const GROUP_FIELDS = "vg_name,vg_free,vg_extent_size,vg_missing_pv_count";
export const VOLUME_FIELDS =
  "vg_name,vg_free,vg_extent_size,vg_missing_pv_count,lv_uuid,lv_name,lv_size,lv_layout,lv_tags,lv_active,lv_kernel_major,lv_kernel_minor,lv_dm_path,pool_lv,data_percent,metadata_percent,lv_health_status";
export const DEVICE_FIELDS = "pv_uuid,pv_missing";

export interface Reports {
  /** Of `lvs`: says of the group too what it is, unless there is no logical volume in it. */
  readonly volumes: string;
  /** Of `vgs`, when `lvs` said nothing. */
  readonly group: string | null;
  /** Of `pvs`, when the group lacks some. */
  readonly devices: string | null;
}

/** The group from what LVM reports. Throws for what is no such report. */
export function parseGroup(reports: Reports, fleet: string): Group {
  const group = groupRow(reports);
  if (group === null) throw new Error("LVM reports no volume group");
  const devices = reports.devices === null ? [] : rowsOf(reports.devices, "pv");
  return {
    name: textOf(group, "vg_name"),
    freeBytes: numberOf(group, "vg_free"),
    extentBytes: numberOf(group, "vg_extent_size"),
    missing: devices
      .filter((device) => textOf(device, "pv_missing") !== "")
      .map((device) => `the physical volume ${textOf(device, "pv_uuid")}`),
    volumes: rowsOf(reports.volumes, "lv")
      .map((row) => parseVolume(row, fleet))
      .sort((a, b) => (a.name < b.name ? -1 : 1)),
  };
}

/** How many physical volumes of the group are gone; null: these reports do not say. */
export function missingCount(reports: Pick<Reports, "volumes" | "group">): number | null {
  const group = groupRow(reports);
  return group === null ? null : numberOf(group, "vg_missing_pv_count");
}

function groupRow({ volumes, group }: Pick<Reports, "volumes" | "group">): Row | null {
  return rowsOf(volumes, "lv")[0] ?? (group === null ? null : (rowsOf(group, "vg")[0] ?? null));
}

function parseVolume(row: Row, fleet: string): LogicalVolume {
  const tags = textOf(row, "lv_tags")
    .split(",")
    .filter((tag) => tag !== "");
  const isPool = textOf(row, "lv_layout").split(",").includes("pool");
  const isActive = textOf(row, "lv_active") !== "" && numberOf(row, "lv_kernel_minor") >= 0;
  const pool = textOf(row, "pool_lv");
  return {
    uuid: textOf(row, "lv_uuid"),
    name: textOf(row, "lv_name"),
    sizeBytes: numberOf(row, "lv_size"),
    path: textOf(row, "lv_dm_path"),
    device: isActive ? `${numberOf(row, "lv_kernel_major")}:${numberOf(row, "lv_kernel_minor")}` : null,
    pool: pool === "" ? null : pool,
    fill: isPool ? { data: shareOf(row, "data_percent"), metadata: shareOf(row, "metadata_percent") } : null,
    partial: textOf(row, "lv_health_status") === "partial",
    tags,
    owner: readTags(tags, fleet),
  };
}

type Row = Readonly<Record<string, unknown>>;

/** `{"report": [{"lv": [...]}]}`. */
function rowsOf(text: string, kind: "vg" | "lv" | "pv"): readonly Row[] {
  const report: unknown = JSON.parse(text);
  const parts = isObject(report) ? report["report"] : null;
  if (!Array.isArray(parts)) throw new Error("LVM's report has no `report`");
  return parts.flatMap((part: unknown) => {
    const rows = isObject(part) ? part[kind] : null;
    return Array.isArray(rows) ? rows.filter(isObject) : [];
  });
}

function isObject(value: unknown): value is Row {
  return typeof value === "object" && value !== null;
}

function textOf(row: Row, field: string): string {
  const value = row[field];
  if (typeof value !== "string") throw new Error(`LVM's report lacks ${field}`);
  return value;
}

function numberOf(row: Row, field: string): number {
  const value = Number(textOf(row, field));
  if (!Number.isFinite(value)) throw new Error(`LVM's report has no number as ${field}: ${textOf(row, field)}`);
  return value;
}

/** Of a pool that is not active nothing is known. */
function shareOf(row: Row, field: string): number {
  const text = textOf(row, field);
  return text === "" ? 0 : Number(text) / 100;
}
