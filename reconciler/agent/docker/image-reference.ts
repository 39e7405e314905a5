/** An image reference as the engine's pull takes it. */
export interface PullQuery {
  readonly fromImage: string;
  /** A tag or a digest: without one the engine would pull all tags. */
  readonly tag: string;
}

const HUB = "docker.io";

/** Splits `registry:5000/shop/web:1.4@sha256:…`; the digest wins over the tag, `latest` stands for neither. */
export function pullQuery(image: string): PullQuery {
  const { name, tag, digest } = split(image);
  return { fromImage: name, tag: digest ?? tag ?? "latest" };
}

function split(image: string): { readonly name: string; readonly tag: string | null; readonly digest: string | null } {
  const [, name, tag, digest] = /^(.+?)(?::([^:/@]+))?(?:@(.+))?$/s.exec(image)!;
  return { name: name!, tag: tag ?? null, digest: digest ?? null };
}

/** What the engine says of one image. */
export interface ListedImage {
  readonly RepoTags: readonly string[] | null;
  /** `name@sha256:…` */
  readonly RepoDigests: readonly string[] | null;
}

/**
 * All references by which a manifest may name an image that is present: with and without `latest`, with and without the names that stand
 * for Docker Hub, with tag, digest or both.
 */
export function referencesOf({ RepoTags, RepoDigests }: ListedImage): string[] {
  const tags = (RepoTags ?? []).filter((tag) => !tag.includes("<none>"));
  const digests = (RepoDigests ?? []).filter((digest) => !digest.includes("<none>"));
  const references = [...tags, ...digests];
  for (const full of tags) {
    const { name, tag } = split(full);
    if (tag === "latest") references.push(name);
    for (const other of digests.map(split)) if (other.name === name) references.push(`${full}@${other.digest}`);
  }
  return references.flatMap(spellings);
}

/** Docker shows images of the Hub by their short names. */
function spellings(reference: string): string[] {
  const [first, ...rest] = reference.split("/");
  if (rest.length === 0) return [reference, `${HUB}/${reference}`, `library/${reference}`, `${HUB}/library/${reference}`];
  if (/[.:]|^localhost$/.test(first!)) return [reference];
  return [reference, `${HUB}/${reference}`];
}
