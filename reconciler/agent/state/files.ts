import { mkdirSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { UserError } from "../../core/errors/user-error.ts";
import { contentHash } from "../../core/hash.ts";
import { createRounds } from "../rounds.ts";
import { syncFolder, writeDurably } from "./durable.ts";

/** One small JSON file per concern; written whole, so that a reader finds the old one or the new one. */
export interface StateFiles {
  /** What was saved last, null when nothing ever was. Throws a UserError for a torn or foreign file: it is never passed over. */
  read(concern: string): unknown;
  /** Resolves when what `content` returns is on the disk. Saves that meet are written together. Rejects with a UserError. */
  save(concern: string, content: () => unknown): Promise<void>;
  /** Resolves when everything is on the disk. Rejects with a UserError, and tries again when asked again. */
  settled(): Promise<void>;
}

/** Format of the files; raised when an older agent would misread them. */
const FORMAT = 1;

interface Envelope {
  readonly kind: "setpoint-agent-state";
  readonly format: number;
  readonly concern: string;
  /** contentHash of `data`: a file torn by a failing disk is noticed. */
  readonly hash: string;
  readonly data: unknown;
}

/** Opens the folder; only its user may enter. Throws a UserError when it can't be used. */
export function openStateFiles(folder: string): StateFiles {
  try {
    mkdirSync(folder, { recursive: true, mode: 0o700 });
  } catch (error) {
    throw trouble(folder, error);
  }
  const dirty = new Map<string, () => unknown>();
  let writing = false;
  const round = createRounds(async () => {
    const batch = [...dirty];
    if (batch.length === 0) return;
    dirty.clear();
    writing = true;
    try {
      await Promise.all(batch.map(([concern, content]) => save(folder, concern, content())));
      syncFolder(folder);
    } catch (error) {
      // The next save tries these again.
      for (const [concern, content] of batch) if (!dirty.has(concern)) dirty.set(concern, content);
      throw trouble(folder, error);
    } finally {
      writing = false;
    }
  });
  return {
    read: (concern) => readEnvelope(folder, concern),
    save(concern, content) {
      dirty.set(concern, content);
      return round();
    },
    async settled() {
      if (writing || dirty.size > 0) await round();
    },
  };
}

async function save(folder: string, concern: string, data: unknown): Promise<void> {
  const envelope: Envelope = { kind: "setpoint-agent-state", format: FORMAT, concern, hash: contentHash(data), data };
  await writeDurably(filePath(folder, concern), `${JSON.stringify(envelope)}\n`, 0o600);
}

function readEnvelope(folder: string, concern: string): unknown {
  const path = filePath(folder, concern);
  // Left by a crash in the middle of a save that nobody was told of.
  rmSync(`${path}.new`, { force: true });
  let text: string;
  try {
    text = readFileSync(path, "utf8");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return null;
    throw trouble(folder, error);
  }
  const envelope = parse(path, text);
  if (envelope.format > FORMAT) throw damaged(path, "was written by a newer version of setpoint", "Install that version, or a newer one.");
  if (envelope.concern !== concern || envelope.hash !== contentHash(envelope.data)) {
    throw damaged(path, "is damaged: its checksum does not fit", REPAIR);
  }
  return envelope.data;
}

function parse(path: string, text: string): Envelope {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw damaged(path, "is torn: it is no complete JSON", REPAIR);
  }
  const envelope = value as Partial<Envelope> | null;
  if (envelope?.kind !== "setpoint-agent-state" || typeof envelope.format !== "number") {
    throw damaged(path, "was not written by a setpoint agent", "Give the agent a folder of its own with --state.");
  }
  return envelope as Envelope;
}

const REPAIR =
  "Restore it from a backup. Without one: drain the host or remove this fleet's containers from it, delete the state folder and start the agent again; it guards against old generations by that file.";

function damaged(path: string, what: string, fix: string): UserError {
  return new UserError("agent-state", `${path} ${what}`, fix);
}

/** What is said when a folder of the agent can't be read or written. */
export function trouble(folder: string, error: unknown): UserError {
  const { code = "", message } = error as NodeJS.ErrnoException;
  const why = TROUBLES[code] ?? (code === "" ? message : code);
  return new UserError("agent-state", `the agent's state folder ${folder} can't be used: ${why}`, "Mend it, or give another with --state.");
}

const TROUBLES: Readonly<Record<string, string>> = {
  EACCES: "permission denied",
  EPERM: "permission denied",
  ENOTDIR: "it is not a folder",
  EEXIST: "it is not a folder",
  EROFS: "its file system can only be read",
  ENOSPC: "the disk is full",
  EIO: "the disk fails",
};

function filePath(folder: string, concern: string): string {
  return join(folder, `${concern}.json`);
}
