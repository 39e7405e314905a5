import type { Container, Template } from "./desired.ts";

/*
 * Secrets are files of the host, `NAME/KEY` in a folder that only its agent may read. No manifest, plan or journal holds a value.
 */

/** Where the files of variables with `as: file` appear in a container, as with Compose and Swarm: `/run/secrets/NAME/KEY`. */
export const SECRETS_FOLDER = "/run/secrets";

/** What one container needs of its host's secrets. */
export interface SecretNeeds {
  /** Variables that hold a value. */
  readonly values: readonly { readonly variable: string; readonly secret: string; readonly key: string }[];
  /** Folders of files at a path in the container; `keys` null: all that the secret has. Sorted by path. */
  readonly folders: readonly SecretFolder[];
}

export interface SecretFolder {
  readonly path: string;
  readonly secret: string;
  readonly keys: readonly string[] | null;
}

/** Path in the container of the file that a variable with `as: file` names. */
export function secretFilePath(secret: string, key: string): string {
  return `${SECRETS_FOLDER}/${secret}/${key}`;
}

/** What a container needs of its host's secrets: for its variables, and for the volumes that it mounts. */
export function secretNeeds({ env, mounts }: Container, { volumes }: Pick<Template, "volumes">): SecretNeeds {
  const values: SecretNeeds["values"][number][] = [];
  const files = new Map<string, string[]>();
  for (const [variable, value] of Object.entries(env)) {
    if (typeof value === "string") continue;
    const { secret, key } = value;
    if (value.as === "value") values.push({ variable, secret, key });
    else files.set(secret, [...(files.get(secret) ?? []), key]);
  }
  const folders: SecretFolder[] = [...files].map(([secret, keys]) => ({
    path: `${SECRETS_FOLDER}/${secret}`,
    secret,
    keys: [...new Set(keys)],
  }));
  for (const { volume, path } of mounts) {
    const declared = volumes.find(({ name }) => name === volume);
    if (declared?.kind === "secret") folders.push({ path, secret: declared.secret, keys: null });
  }
  return { values, folders: folders.sort((a, b) => (a.path < b.path ? -1 : 1)) };
}
