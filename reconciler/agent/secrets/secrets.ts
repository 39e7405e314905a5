import { isUtf8 } from "node:buffer";
import { existsSync } from "node:fs";
import type { Container, Template } from "../../core/desired.ts";
import { shortHash } from "../../core/hash.ts";
import { type SecretFolder, secretNeeds } from "../../core/secrets.ts";
import { type ContainerSecrets, type InstanceRef, type Log, type Secrets, type SecretUser, type SecretValue, StepError } from "../ports.ts";
import { createMemoryFolder, type MemoryFolder } from "./memory-folder.ts";
import { createSecretSource, type SecretSource } from "./source.ts";

export interface SecretsOptions {
  /** The host's secrets: `NAME/KEY`. */
  readonly folder: string;
  /** Where files for containers lie, in memory; a tmpfs is mounted there if it is none. */
  readonly memory: string;
  /** Tells this agent's part of `memory` from that of others, e.g. its state folder. */
  readonly owner: string;
  /** Name of the host, for messages; asked each time. */
  readonly host: () => string;
  readonly log: Log;
}

/** Shorter values are not looked for in messages: they would be found in any word. */
const LEAST_HIDDEN = 6;
/** As much for a single line of a longer value, such as a key. */
const LEAST_HIDDEN_LINE = 16;
const MOST_HIDDEN = 4096;
const HIDDEN = "(secret)";
const MOST_TOLD = 256;

interface Parts {
  readonly source: SecretSource;
  readonly memory: MemoryFolder;
  readonly log: Log;
  /** Edition of each secret when what uses it was last brought up to date. */
  readonly editions: Map<string, string | null>;
  /** Values read since the agent started, to keep them out of messages. */
  readonly known: Set<string>;
  /** Troubles that were told. */
  readonly told: Set<string>;
}

/** Secrets from files of the host. Holds nothing and makes nothing until a container needs one. */
export function createSecrets({ folder, memory, owner, host, log }: SecretsOptions): Secrets {
  const known = new Set<string>();
  const source = remembering(createSecretSource(folder, host), known);
  const parts: Parts = {
    source,
    known,
    log,
    memory: createMemoryFolder(memory, shortHash(owner)),
    editions: new Map(),
    told: new Set(),
  };
  return {
    prepare: (ref, template, containers, owned, signal) => prepare(parts, ref, template, containers, owned, signal),
    restore: (ref, template, owned, signal) => restore(parts, ref, template, owned, signal),
    refresh: (instances, owned, signal) => refresh(parts, instances, owned, signal),
    async dropOthers(kept) {
      const names = new Set(kept.map(nameOf));
      for (const name of await parts.memory.list()) if (!names.has(name)) await parts.memory.drop(name);
    },
    hide(text) {
      let shown = text;
      // The longest first: of one that begins like another the rest would stay.
      const found = [...known].filter((value) => text.includes(value)).sort((a, b) => b.length - a.length);
      for (const value of found) shown = shown.replaceAll(value, HIDDEN);
      return shown;
    },
  };
}

/** Files are on their place and values read before any container is made, so that one that lacks a secret is not made at all. */
async function prepare(
  parts: Parts,
  ref: InstanceRef,
  template: Template,
  containers: readonly Container[],
  owned: boolean,
  signal: AbortSignal,
): Promise<ReadonlyMap<string, ContainerSecrets>> {
  const ready = new Map<string, ContainerSecrets>();
  for (const container of containers) {
    const { values, folders } = secretNeeds(container, template);
    if (values.length + folders.length === 0) continue;
    const read = new Map<string, SecretValue>();
    for (const { variable, secret, key } of values) read.set(variable, await readValue(parts.source, secret, key));
    await writeFolders(parts, ref, container, folders, owned, signal);
    const mounts = folders.map((folder) => ({ source: pathOf(parts.memory, ref, container, folder), target: folder.path }));
    ready.set(container.name, { values: read, folders: mounts });
    // What was written meanwhile must be looked at again.
    for (const { secret } of folders) parts.editions.delete(secret);
  }
  return ready;
}

/** What was in memory is gone after a reboot; files that are there stay as they are, also when the host lost the secret since. */
async function restore(parts: Parts, ref: InstanceRef, template: Template, owned: boolean, signal: AbortSignal): Promise<void> {
  for (const container of template.containers) {
    const { folders } = secretNeeds(container, template);
    const gone = folders.filter((folder) => !existsSync(pathOf(parts.memory, ref, container, folder)));
    await writeFolders(parts, ref, container, gone, owned, signal);
    for (const { secret } of gone) parts.editions.delete(secret);
  }
}

/** Only what uses a secret that was written since the last call is looked at. */
async function refresh(parts: Parts, instances: readonly SecretUser[], owned: boolean, signal: AbortSignal): Promise<void> {
  const users = instances.flatMap(({ ref, template }) =>
    template.containers.map((container) => ({ ref, container, needs: secretNeeds(container, template) })),
  );
  const changed = await changedSecrets(
    parts,
    users.flatMap(({ needs }) => [...needs.values, ...needs.folders].map(({ secret }) => secret)),
  );
  for (const { ref, container, needs } of users) {
    signal.throwIfAborted();
    const folders = needs.folders.filter(({ secret }) => changed.has(secret));
    const values = needs.values.filter(({ secret }) => changed.has(secret));
    try {
      await writeFolders(parts, ref, container, folders, owned, signal);
      // Only to know what must not be shown: the container has the value it was created with.
      for (const { secret, key } of values) await parts.source.read(secret, [key]);
    } catch (error) {
      signal.throwIfAborted();
      for (const { secret } of [...folders, ...values]) parts.editions.delete(secret);
      warnOnce(parts, error);
    }
  }
}

/** Those of these secrets that were written since the last call; one that can't be looked at counts as such until it can. */
async function changedSecrets({ source, editions }: Parts, secrets: readonly string[]): Promise<ReadonlySet<string>> {
  const changed = new Set<string>();
  for (const secret of new Set(secrets)) {
    const edition = await source.edition(secret);
    if (edition !== null && editions.get(secret) === edition) continue;
    changed.add(secret);
    editions.set(secret, edition);
  }
  return changed;
}

/** The old files stay when the new can't be read: containers run on with what they had. */
function warnOnce({ log, told }: Parts, error: unknown): void {
  const message = error instanceof Error ? error.message : String(error);
  if (told.has(message)) return;
  if (told.size >= MOST_TOLD) told.clear();
  told.add(message);
  log.warn({ trouble: message }, "files of a secret could not be brought up to date");
}

async function writeFolders(
  { source, memory }: Parts,
  ref: InstanceRef,
  container: Container,
  folders: readonly SecretFolder[],
  owned: boolean,
  signal: AbortSignal,
): Promise<void> {
  for (const folder of folders) {
    const files = await source.read(folder.secret, folder.keys);
    await memory.write(pathOf(memory, ref, container, folder), files, owned ? userId(container) : null, signal);
  }
}

/** The user as a number, whose files they can be; null where only the image knows who that is, or the agent may not give files away. */
function userId({ user }: Container): number | null {
  const id = /^\d+(?=$|:)/.exec(user ?? "")?.[0];
  return id === undefined || process.getuid?.() !== 0 ? null : Number(id);
}

/** For a variable: as text, without the line end that editors and `echo` put at the end of a file. */
async function readValue(source: SecretSource, secret: string, key: string): Promise<SecretValue> {
  const bytes = (await source.read(secret, [key])).get(key)!;
  if (!isUtf8(bytes) || bytes.includes(0)) {
    const text = `key ${key} of secret ${secret} is no text, so no variable can hold it: use it as a file`;
    throw new StepError("secret-unusable", text, { outcome: "refused" });
  }
  const value = withoutLineEnd(bytes.toString());
  return { reveal: () => value };
}

function withoutLineEnd(text: string): string {
  return text.replace(/\r?\n$/, "");
}

/** The same source; what it read is known from then on. */
function remembering(source: SecretSource, known: Set<string>): SecretSource {
  return {
    edition: (secret) => source.edition(secret),
    async read(secret, keys) {
      const files = await source.read(secret, keys);
      for (const bytes of files.values()) {
        const value = withoutLineEnd(bytes.toString());
        const lines = value.split(/\r?\n/).filter((line) => line.length >= LEAST_HIDDEN_LINE);
        for (const text of [value, ...lines]) if (text.length >= LEAST_HIDDEN && known.size < MOST_HIDDEN) known.add(text);
      }
      return files;
    },
  };
}

function nameOf({ set, index, generation }: InstanceRef): string {
  return `${set}-${index}.g${generation}`;
}

/** One folder for each place in each container, since their users differ. */
function pathOf(memory: MemoryFolder, ref: InstanceRef, container: Container, { path, secret }: SecretFolder): string {
  return memory.pathOf(nameOf(ref), container.name, shortHash([path, secret]));
}
