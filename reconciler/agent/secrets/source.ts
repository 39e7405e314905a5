import { readdir, readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import { StepError } from "../ports.ts";

/** Values of a secret by key. */
export type SecretFiles = ReadonlyMap<string, Buffer>;

/** The host's own folder of secrets: a folder for each, a file for each key. */
export interface SecretSource {
  /** `keys` null: all. Rejects with a StepError that names host and path, never a value. */
  read(secret: string, keys: readonly string[] | null): Promise<SecretFiles>;
  /** Differs when any of the secret's files was written; null when it can't be told. */
  edition(secret: string): Promise<string | null>;
}

const NAME = /^[a-zA-Z0-9][a-zA-Z0-9._-]{0,127}$/;
/** What an environment, a key or a certificate needs at most; it is kept in memory. */
const MOST_BYTES = 1024 * 1024;
const MOST_KEYS = 256;

/** `host`: its name, for messages; asked each time. */
export function createSecretSource(folder: string, host: () => string): SecretSource {
  return {
    async read(secret, keys) {
      await refuseExposed(folder, host());
      const wanted = keys ?? (await keysOf(folder, secret, host()));
      const values = new Map<string, Buffer>();
      for (const key of wanted) values.set(key, await readKey(folder, secret, key, host()));
      return values;
    },
    async edition(secret) {
      if (!NAME.test(secret)) return null;
      try {
        const keys = (await readdir(join(folder, secret))).filter((key) => NAME.test(key)).sort();
        const stats = await Promise.all(keys.slice(0, MOST_KEYS).map((key) => stat(join(folder, secret, key), { bigint: true })));
        return stats.map(({ ino, size, mtimeNs, ctimeNs }, at) => [keys[at], ino, size, mtimeNs, ctimeNs].join(" ")).join("\n");
      } catch {
        return null;
      }
    },
  };
}

/** Only its owner may enter: then nobody else reaches what is in it, whatever its own modes are. Rejects with a StepError. */
export async function refuseExposed(folder: string, host: string): Promise<void> {
  const found = await stat(folder).catch((error: NodeJS.ErrnoException) => error);
  if (found instanceof Error) {
    if (found.code === "ENOENT") throw missing(`${host} has no folder of secrets: ${folder} is not there`);
    throw unusable(`the agent of ${host} can't look into ${folder}: ${found.code ?? found.message}`);
  }
  if (!found.isDirectory()) throw unusable(`${folder} of ${host} is no folder`);
  const open = found.mode & 0o077;
  const own = found.uid === 0 || found.uid === process.getuid?.();
  if (open === 0 && own) return;
  const why = own ? `is open to others than its owner (mode ${(found.mode & 0o777).toString(8)})` : `belongs to user ${found.uid}`;
  throw refused("secret-exposed", `${folder} of ${host} ${why}: chown root: ${folder} && chmod 700 ${folder}`);
}

async function keysOf(folder: string, secret: string, host: string): Promise<string[]> {
  if (!NAME.test(secret)) throw missing(`${host} has no secret ${JSON.stringify(secret)}: that is no name of one`);
  const path = join(folder, secret);
  let found: string[];
  try {
    found = await readdir(path);
  } catch (error) {
    throw trouble(error, `secret ${secret}`, path, host);
  }
  const keys = found.filter((key) => NAME.test(key)).sort();
  if (keys.length === 0) throw missing(`secret ${secret} of ${host} has no keys: ${path} has no files`);
  if (keys.length > MOST_KEYS)
    throw unusable(`secret ${secret} of ${host} has ${keys.length} keys in ${path}; at most ${MOST_KEYS} are taken`);
  return keys;
}

async function readKey(folder: string, secret: string, key: string, host: string): Promise<Buffer> {
  if (!NAME.test(secret) || !NAME.test(key))
    throw missing(`${host} has no secret ${JSON.stringify(`${secret}/${key}`)}: that is no name of one`);
  const path = join(folder, secret, key);
  try {
    const { size, isFile } = await factsOf(path);
    if (!isFile) throw unusable(`key ${key} of secret ${secret} of ${host} is no file: ${path}`);
    if (size > MOST_BYTES)
      throw unusable(`key ${key} of secret ${secret} of ${host} has ${size} bytes in ${path}; at most ${MOST_BYTES} are taken`);
    return await readFile(path);
  } catch (error) {
    throw trouble(error, `key ${key} of secret ${secret}`, path, host);
  }
}

async function factsOf(path: string): Promise<{ readonly size: number; readonly isFile: boolean }> {
  const found = await stat(path);
  return { size: found.size, isFile: found.isFile() };
}

/** What the kernel said, in words. */
function trouble(error: unknown, what: string, path: string, host: string): unknown {
  const { code } = error as NodeJS.ErrnoException;
  if (error instanceof StepError || code === undefined) return error;
  if (code === "ENOENT" || code === "ENOTDIR") return missing(`${host} has no ${what}: ${path} is not there`);
  return unusable(`${what} of ${host} can't be read from ${path}: ${code}`);
}

function missing(message: string): StepError {
  return refused("secret-missing", message);
}

function unusable(message: string): StepError {
  return refused("secret-unusable", message);
}

/** Nothing was tried, and it works by itself once the host is mended. */
function refused(code: string, message: string): StepError {
  return new StepError(code, message, { outcome: "refused" });
}
