import type { ContainerOptions, LogBounds, Ulimit } from "../../core/desired.ts";
import { LOG_BOUNDS } from "../../core/log-bounds.ts";
import type * as written from "../../core/manifest-types.ts";
import { sortedRecord, sortedUnique } from "../../core/order.ts";
import { readQuantity } from "./report.ts";
import type { Path, Report } from "./report.ts";

type WrittenUlimit = written.SizeUlimit | written.CountUlimit;

/** The options of a container; what is at its default is left out. */
export function readOptions(container: written.Container, path: Path, report: Report): ContainerOptions {
  const { capabilities, log, sysctls, ulimits } = container;
  const bounds = log === undefined ? LOG_BOUNDS : readLog(log, [...path, "log"], report);
  const changesLog = bounds.maxSizeBytes !== LOG_BOUNDS.maxSizeBytes || bounds.maxFiles !== LOG_BOUNDS.maxFiles;
  const add = sortedUnique(capabilities?.add ?? []);
  const drop = sortedUnique(capabilities?.drop ?? []);
  return {
    ...(add.length + drop.length === 0 ? {} : { capabilities: { add, drop } }),
    ...(container.init === false ? { init: false } : {}),
    ...(changesLog ? { log: bounds } : {}),
    ...(container.oomKillDisable === true ? { oomKillDisable: true } : {}),
    ...(container.readOnlyRoot === true ? { readOnlyRoot: true } : {}),
    ...(hasFields(sysctls) ? { sysctls: readSysctls(sysctls) } : {}),
    ...(hasFields(ulimits) ? { ulimits: readUlimits(ulimits, [...path, "ulimits"], report) } : {}),
  };
}

/** False for a map that was left out or is empty: both say nothing. */
export function hasFields<Map extends object>(map: Map | undefined): map is Map {
  return map !== undefined && Object.keys(map).length > 0;
}

/** Values as the kernel takes them, which is text. */
export function readSysctls(sysctls: Readonly<Record<string, string | number>>): Readonly<Record<string, string>> {
  return sortedRecord(Object.fromEntries(Object.entries(sysctls).map(([name, value]) => [name, String(value).trim()])));
}

function readUlimits(ulimits: Readonly<Record<string, WrittenUlimit>>, path: Path, report: Report): Readonly<Record<string, Ulimit>> {
  const limits: Record<string, Ulimit> = {};
  for (const [name, limit] of Object.entries(ulimits)) {
    const { soft, hard } = typeof limit === "object" ? limit : { soft: limit, hard: limit };
    limits[name] = { hard: readUlimit(hard, [...path, name], report), soft: readUlimit(soft, [...path, name], report) };
  }
  return sortedRecord(limits);
}

function readUlimit(value: string | number, path: Path, report: Report): number | null {
  return value === "unlimited" ? null : readQuantity(report, path, "bytes", value);
}

function readLog({ maxSize, maxFiles }: NonNullable<written.Container["log"]>, path: Path, report: Report): LogBounds {
  return {
    maxFiles: maxFiles ?? LOG_BOUNDS.maxFiles,
    maxSizeBytes: maxSize === undefined ? LOG_BOUNDS.maxSizeBytes : readQuantity(report, [...path, "maxSize"], "bytes", maxSize),
  };
}
