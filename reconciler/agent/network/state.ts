import { readFileSync, renameSync } from "node:fs";
import { mkdir, open, rename } from "node:fs/promises";
import { join } from "node:path";
import type { NetworkSettings } from "../../core/host-settings.ts";
import type { PortRequest } from "../ports.ts";
import { trouble } from "../state/files.ts";

/** One joining of an Instance to the network, from CreateEndpoint to DeleteEndpoint; a restart makes a new one. */
export interface EndpointRecord {
  /** Docker's. */
  readonly id: string;
  readonly set: string;
  readonly index: number;
  readonly generation: number;
  readonly ip: string;
  readonly mac: string;
  /** Path of the network namespace, from Join on. */
  readonly sandbox: string | null;
  /** True when link and port are there. */
  readonly wired: boolean;
  /** Wall clock. */
  readonly createdAtMs: number;
}

/** What the network remembers over restarts of the agent. Ports by slot key, endpoints by id. */
export interface NetworkState {
  fleet: string;
  settings: NetworkSettings | null;
  readonly ports: Map<string, PortRequest>;
  readonly endpoints: Map<string, EndpointRecord>;
}

interface StateDocument {
  readonly version: 1;
  readonly fleet: string;
  readonly settings: NetworkSettings | null;
  readonly ports: readonly PortRequest[];
  readonly endpoints: readonly EndpointRecord[];
}

const FILE = "network.json";

/** The state and the file it is kept in. */
export class StateFile {
  readonly state: NetworkState;
  /** What was read: nothing yet, something unreadable (put aside under another name), or the state. */
  readonly found: "nothing" | "damaged" | "state";
  readonly #folder: string;
  /** The write that has not begun: whoever calls save before it begins is in it. */
  #next: Promise<void> | null = null;
  #last: Promise<void> = Promise.resolve();

  constructor(folder: string) {
    this.#folder = folder;
    const [found, document] = readDocument(join(folder, FILE));
    this.found = found;
    this.state = {
      fleet: document?.fleet ?? "",
      settings: document?.settings ?? null,
      ports: new Map(document?.ports.map((port) => [`${port.set}/${port.index}`, port])),
      endpoints: new Map(document?.endpoints.map((endpoint) => [endpoint.id, endpoint])),
    };
  }

  /** Resolves when the state as it is now is on disk. Calls that come while a write runs share the next one. */
  save(): Promise<void> {
    this.#next ??= this.#last.then(() => {
      this.#next = null;
      const written = this.#write();
      this.#last = written.catch(() => {});
      return written;
    });
    return this.#next;
  }

  /** Rejects with UserError `agent-state`. */
  async #write(): Promise<void> {
    try {
      await this.#writeDurably();
    } catch (error) {
      throw trouble(this.#folder, error);
    }
  }

  async #writeDurably(): Promise<void> {
    const { fleet, settings, ports, endpoints } = this.state;
    const document: StateDocument = { version: 1, fleet, settings, ports: [...ports.values()], endpoints: [...endpoints.values()] };
    const path = join(this.#folder, FILE);
    await mkdir(this.#folder, { recursive: true });
    const file = await open(`${path}.new`, "w", 0o600);
    try {
      await file.writeFile(JSON.stringify(document));
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(`${path}.new`, path);
    await syncFolder(this.#folder);
  }
}

/** The rename too must outlive a power cut. */
async function syncFolder(path: string): Promise<void> {
  const folder = await open(path, "r");
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}

/** A file that can't be read is put aside: ports that are wired are then read back from the switch. */
function readDocument(path: string): ["nothing", null] | ["damaged", null] | ["state", StateDocument] {
  let text: string;
  try {
    text = readFileSync(path, "utf8");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return ["nothing", null];
    throw error;
  }
  const document = parseDocument(text);
  if (document !== null) return ["state", document];
  renameSync(path, `${path}.damaged`);
  return ["damaged", null];
}

function parseDocument(text: string): StateDocument | null {
  try {
    const document = JSON.parse(text) as Partial<StateDocument> | null;
    return document?.version === 1 && Array.isArray(document.ports) && Array.isArray(document.endpoints)
      ? (document as StateDocument)
      : null;
  } catch {
    return null;
  }
}
