import { createHash } from "node:crypto";
import { DatabaseSync } from "node:sqlite";
import type { Capability, LiveSettings } from "../core/desired.ts";
import type { ObservedInstance, ObservedVolume, TrashedVolume } from "../core/observation.ts";
import type { Action, InstanceSpec } from "../core/plan.ts";
import type { Resources } from "../core/resources.ts";
import {
  putInstance,
  putPort,
  putVolume,
  type ForeignObject,
  type SimHost,
  type SimInstance,
  type SimPort,
  type Table,
} from "./host-state.ts";

/** Keeps a simulated world on disk: what a host acknowledged survives the death of the process. */
export interface SimStore {
  /** Every host with its state, and the steps under way when the process ended. `add` makes an empty host. */
  load(add: (host: string, capacity: Resources) => SimHost): { hosts: SimHost[]; steps: StoredStep[] };
  /** `value` null: it is gone. */
  put(host: string, table: Table, key: string, value: unknown): void;
  /** Gives the step its number. */
  acceptStep(host: string, action: Action): number;
  forgetStep(id: number): void;
  forgetSteps(host: string): void;
  atomically(change: () => void): void;
  close(): void;
}

export interface StoredStep {
  readonly id: number;
  readonly host: string;
  readonly action: Action;
}

interface ObjectRow {
  readonly host: string;
  readonly kind: Table;
  readonly key: string;
  readonly json: string;
}

const SCHEMA = `
  PRAGMA journal_mode = WAL;
  PRAGMA synchronous = OFF; -- the kernel keeps what a killed process wrote
  CREATE TABLE IF NOT EXISTS objects (host TEXT, kind TEXT, key TEXT, json TEXT NOT NULL, PRIMARY KEY (host, kind, key)) STRICT, WITHOUT ROWID;
  CREATE TABLE IF NOT EXISTS shared (hash TEXT PRIMARY KEY, json TEXT NOT NULL) STRICT, WITHOUT ROWID;
  CREATE TABLE IF NOT EXISTS steps (id INTEGER PRIMARY KEY, host TEXT NOT NULL, json TEXT NOT NULL) STRICT;
`;

/** Opens or makes the file of a simulated world. Throws if it can't be opened. */
export function openSimStore(path: string): SimStore {
  const database = new DatabaseSync(path);
  database.exec(SCHEMA);
  const put = database.prepare("INSERT INTO objects VALUES (?, ?, ?, ?) ON CONFLICT DO UPDATE SET json = excluded.json");
  const drop = database.prepare("DELETE FROM objects WHERE host = ? AND kind = ? AND key = ?");
  const accept = database.prepare("INSERT INTO steps (host, json) VALUES (?, ?)");
  const forget = database.prepare("DELETE FROM steps WHERE id = ?");
  const forgetHost = database.prepare("DELETE FROM steps WHERE host = ?");
  const shared = createSharing(database);
  let depth = 0;
  return {
    load: (add) => load(database, shared, add),
    put(host, table, key, value) {
      if (value === null) drop.run(host, table, key);
      else put.run(host, table, key, JSON.stringify(table === "instance" ? packInstance(value as SimInstance, shared) : value));
    },
    acceptStep: (host, action) => Number(accept.run(host, JSON.stringify(packAction(action, shared))).lastInsertRowid),
    forgetStep: (id) => void forget.run(id),
    forgetSteps: (host) => void forgetHost.run(host),
    atomically(change) {
      if (depth === 0) database.exec("BEGIN");
      depth++;
      try {
        change();
      } finally {
        depth--;
        if (depth === 0) database.exec("COMMIT");
      }
    },
    close: () => database.close(),
  };
}

/** Objects that many Instances share are stored once, under the hash of their text. */
interface Sharing {
  keep(value: object): string;
  fetch(hash: string): unknown;
}

function createSharing(database: DatabaseSync): Sharing {
  const insert = database.prepare("INSERT INTO shared VALUES (?, ?) ON CONFLICT DO NOTHING");
  const select = database.prepare("SELECT json FROM shared WHERE hash = ?");
  const hashes = new WeakMap<object, string>();
  const values = new Map<string, unknown>();
  return {
    keep(value) {
      let hash = hashes.get(value);
      if (hash === undefined) {
        const json = JSON.stringify(value);
        hash = createHash("sha256").update(json).digest("hex").slice(0, 32);
        insert.run(hash, json);
        hashes.set(value, hash);
      }
      return hash;
    },
    fetch(hash) {
      if (!values.has(hash)) {
        const value: unknown = JSON.parse((select.get(hash) as { json: string }).json);
        values.set(hash, value);
        hashes.set(value as object, hash);
      }
      return values.get(hash);
    },
  };
}

type PackedInstance = Omit<SimInstance, "spec" | "observed"> & {
  readonly spec: string;
  readonly live: string;
  readonly observed: Omit<ObservedInstance, "live">;
};

function packInstance(instance: SimInstance, shared: Sharing): PackedInstance {
  const { live, ...observed } = instance.observed;
  return { usedMemoryBytes: instance.usedMemoryBytes, spec: shared.keep(instance.spec), live: shared.keep(live), observed };
}

function unpackInstance(packed: PackedInstance, shared: Sharing): SimInstance {
  const observed = { ...packed.observed, live: shared.fetch(packed.live) as LiveSettings };
  return { usedMemoryBytes: packed.usedMemoryBytes, spec: shared.fetch(packed.spec) as InstanceSpec, observed };
}

/** The parts of an action that many share are named by hash. */
function packAction(action: Action, shared: Sharing): object {
  return {
    ...action,
    ...("spec" in action ? { spec: shared.keep(action.spec) } : {}),
    ...("live" in action ? { live: shared.keep(action.live) } : {}),
  };
}

function unpackAction(packed: Record<string, unknown>, shared: Sharing): Action {
  return {
    ...packed,
    ...(typeof packed["spec"] === "string" ? { spec: shared.fetch(packed["spec"]) } : {}),
    ...(typeof packed["live"] === "string" ? { live: shared.fetch(packed["live"]) } : {}),
  } as unknown as Action;
}

function load(database: DatabaseSync, shared: Sharing, add: Parameters<SimStore["load"]>[0]): ReturnType<SimStore["load"]> {
  const rows = database.prepare(
    "SELECT host, kind, key, json FROM objects ORDER BY host, kind = 'host' DESC, key = 'capacity' DESC, kind, key",
  );
  const hosts = new Map<string, SimHost>();
  for (const row of rows.iterate() as Iterable<unknown> as Iterable<ObjectRow>) {
    const value: unknown = JSON.parse(row.json);
    const host = hosts.get(row.host);
    if (host === undefined) hosts.set(row.host, add(row.host, value as Resources));
    else restore(host, row, value, shared);
  }
  const stored = database.prepare("SELECT id, host, json FROM steps ORDER BY id").all() as { id: number; host: string; json: string }[];
  const steps = stored.map(({ id, host, json }) => ({ id, host, action: unpackAction(JSON.parse(json), shared) }));
  return { hosts: [...hosts.values()], steps };
}

function restore(host: SimHost, row: ObjectRow, value: unknown, shared: Sharing): void {
  switch (row.kind) {
    case "instance":
      return putInstance(host, unpackInstance(value as PackedInstance, shared));
    case "volume":
      return putVolume(host, value as ObservedVolume);
    case "port":
      return putPort(host, value as SimPort);
    case "trash":
      return void host.trash.set(row.key, value as TrashedVolume);
    case "image":
      return void host.images.add(row.key);
    case "floor":
      return void host.floors.set(row.key, value as number);
    case "foreign":
      return void host.foreign.set(row.key, value as ForeignObject);
    case "host":
      return restoreHost(host, row.key, value);
    default:
      return row.kind satisfies never;
  }
}

function restoreHost(host: SimHost, key: string, value: unknown): void {
  if (key === "powered") host.powered = value as boolean;
  if (key === "boot") host.boot = value as number;
  if (key !== "capabilities") return;
  host.capabilities.clear();
  for (const capability of value as Capability[]) host.capabilities.add(capability);
}
