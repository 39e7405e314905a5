import { isIP } from "node:net";
import { formatBytes, formatCpu, formatRate } from "../core/units.ts";
import type { Installed } from "../io/install/install.ts";
import type { SshAddress } from "../io/hosts/ssh.ts";

/** What the one who adds hosts says of them. */
export interface EntryOptions {
  readonly name?: string;
  readonly zone?: string;
  readonly rack?: string;
}

/** One entry of a HostPool's `hosts`. */
export interface HostEntry {
  readonly name: string;
  readonly agent: string;
  /** Null: nobody said. */
  readonly zone: string | null;
  readonly rack?: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly capacity: { readonly cpu: number | string; readonly memory: string; readonly disk?: string; readonly bandwidth?: string };
}

/** Sizes are rounded down to this, so that a figure is short and never more than there is. */
const GRAIN_BYTES = 1024 * 1024;

/** The entry of a host for its pool, with what was measured on it. `agent`: the address as a HostPool takes it. */
export function hostEntry(
  address: SshAddress,
  agent: string,
  { hostname, architecture, offer }: Installed,
  options: EntryOptions,
): HostEntry {
  const { cpus, memoryBytes, bandwidthBps, volumeGroup, system } = offer;
  const diskBytes = wholeGrains(volumeGroup?.freeBytes ?? 0);
  return {
    name: options.name ?? nameOf(address, hostname),
    agent,
    zone: options.zone ?? null,
    ...(options.rack === undefined ? {} : { rack: options.rack }),
    labels: { arch: architecture, os: system },
    capacity: {
      cpu: Number(formatCpu(cpus * 1000)),
      memory: formatBytes(wholeGrains(memoryBytes)),
      ...(diskBytes > 0 ? { disk: formatBytes(diskBytes) } : {}),
      ...(bandwidthBps === null ? {} : { bandwidth: formatRate(bandwidthBps) }),
    },
  };
}

/** What a person has to fill in: no zone can have this name, so a pool with it is not valid. */
const ZONE_TO_FILL_IN = "ZONE";

/** The entry as a line for a manifest. */
export async function entryLine(entry: HostEntry): Promise<string> {
  // Imported late: the verb should start at once.
  const { Document, isMap, visit } = await import("yaml");
  const document = new Document([{ ...entry, zone: entry.zone ?? ZONE_TO_FILL_IN }]);
  visit(document, { Map: (_, node) => void (isMap(node) && (node.flow = true)) });
  return document.toString({ lineWidth: 0, flowCollectionPadding: false }).trimEnd();
}

function wholeGrains(bytes: number): number {
  return bytes - (bytes % GRAIN_BYTES);
}

/** The name a host was called by, if it was one; else what it calls itself; domains are left out. */
function nameOf({ host }: SshAddress, hostname: string): string {
  const called = isIP(host) === 0 && host !== "localhost" ? host : hostname;
  const name = called
    .split(".", 1)[0]!
    .toLowerCase()
    .replaceAll("_", "-")
    .replaceAll(/[^a-z0-9-]|^-+|-+$/g, "");
  return name === "" ? "host" : name;
}
