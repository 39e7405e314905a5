/** Keys of external_ids on what is ours in the switch's database. */
export const ID = {
  fleet: "setpoint-fleet",
  set: "setpoint-set",
  index: "setpoint-index",
  generation: "setpoint-generation",
  endpoint: "setpoint-endpoint",
  sandbox: "setpoint-sandbox",
  ip: "setpoint-ip",
  mac: "setpoint-mac",
  ingress: "setpoint-ingress",
  egress: "setpoint-egress",
  peer: "setpoint-peer",
} as const;

type Ids = Readonly<Record<string, string>>;

export interface SwitchBridge {
  readonly name: string;
  readonly ids: Ids;
  readonly datapath: string;
  readonly failMode: string;
  /** Ids of rows of ports. */
  readonly ports: readonly string[];
}

/** A port of ours, with its one interface of the same name. */
export interface SwitchPort {
  readonly name: string;
  readonly bridge: string;
  readonly tag: number | null;
  readonly shielded: boolean;
  readonly ids: Ids;
  readonly options: Ids;
}

/** The switch's database, as far as it concerns a fleet: all bridges, but only the fleet's ports. */
export interface SwitchSnapshot {
  readonly bridges: readonly SwitchBridge[];
  readonly ports: readonly SwitchPort[];
  /** Row of the QoS record that says that queueing is not the switch's business; null: there is none of ours yet. */
  readonly qos: string | null;
}

/** Arguments of one ovs-vsctl that reads it all. */
export function snapshotArgs(fleet: string): string[] {
  const ours = `external_ids:${ID.fleet}=${JSON.stringify(fleet)}`;
  return [
    ["--", "--columns=name,external_ids,datapath_type,fail_mode,ports", "list", "bridge"],
    ["--", "--columns=_uuid,name,tag,protected,external_ids", "find", "port", ours],
    ["--", "--columns=name,options", "find", "interface", ours],
    ["--", "--columns=_uuid,type", "find", "qos", ours],
  ].flat();
}

/** Reads the answer to snapshotArgs in JSON: a table on each line. */
export function parseSnapshot(answer: string): SwitchSnapshot {
  const [bridgeRows = [], portRows = [], interfaceRows = [], qosRows = []] = answer.trim().split("\n").map(readTable);
  const bridges = bridgeRows.map((row) => ({
    name: text(row["name"]),
    ids: map(row["external_ids"]),
    datapath: text(row["datapath_type"]) || "system",
    failMode: text(row["fail_mode"]),
    ports: list(row["ports"]),
  }));
  const interfaces = new Map(interfaceRows.map((row) => [text(row["name"]), row]));
  const ports = portRows.map((row): SwitchPort => {
    const name = text(row["name"]);
    const [id = ""] = list(row["_uuid"]);
    const bridge = bridges.find((candidate) => candidate.ports.includes(id))?.name ?? "";
    const tag = list(row["tag"])[0];
    return {
      name,
      bridge,
      tag: tag === undefined ? null : Number(tag),
      shielded: row["protected"] === true,
      ids: map(row["external_ids"]),
      options: map(interfaces.get(name)?.["options"]),
    };
  });
  return { bridges, ports, qos: list(qosRows[0]?.["_uuid"])[0] ?? null };
}

type Row = Readonly<Record<string, unknown>>;

function readTable(line: string): Row[] {
  const { headings, data } = JSON.parse(line) as { readonly headings: readonly string[]; readonly data: readonly (readonly unknown[])[] };
  return data.map((cells) => Object.fromEntries(headings.map((heading, column) => [heading, cells[column]])));
}

/** OVSDB writes a set of one as the value itself, others as ["set", […]], and an id as ["uuid", "…"]. */
function list(cell: unknown): string[] {
  if (cell === undefined) return [];
  if (!Array.isArray(cell)) return [typeof cell === "string" ? cell : JSON.stringify(cell)];
  const [kind, value] = cell as [string, unknown];
  return kind === "set" ? (value as unknown[]).flatMap(list) : [value as string];
}

function text(cell: unknown): string {
  return list(cell)[0] ?? "";
}

function map(cell: unknown): Ids {
  return Array.isArray(cell) && cell[0] === "map" ? Object.fromEntries(cell[1] as [string, string][]) : {};
}
