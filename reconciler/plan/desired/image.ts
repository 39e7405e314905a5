const HOST_PART = /^(localhost|[a-zA-Z0-9-]+(\.[a-zA-Z0-9-]+)+|[a-zA-Z0-9.-]+:\d+)$/;
const REPOSITORY = /^[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*(\/[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*)*$/;
const TAG = /^\w[\w.-]{0,127}$/;
const DIGEST = /^sha256:[0-9a-f]{64}$/;

/**
 * An image reference as the Docker daemon reads it, in full: `nginx` → `docker.io/library/nginx:latest`. A digest
 * names the bytes, so a tag beside it is dropped: `web:1.4@sha256:…` → `docker.io/library/web@sha256:…`.
 * null when it is no image reference.
 */
export function canonicalImage(written: string): string | null {
  const [named = "", digest, ...more] = written.split("@");
  if (more.length > 0 || (digest !== undefined && !DIGEST.test(digest))) return null;
  const match = /^(.*?)(?::([^:/]*))?$/.exec(named)!;
  const [, repository = "", tag] = match;
  if (tag !== undefined && !TAG.test(tag)) return null;
  const full = fullRepository(repository);
  if (full === null) return null;
  return digest === undefined ? `${full}:${tag ?? "latest"}` : `${full}@${digest}`;
}

/** Registry host and path with Docker's defaults filled in; null when malformed. */
function fullRepository(repository: string): string | null {
  const slash = repository.indexOf("/");
  const first = repository.slice(0, Math.max(slash, 0));
  if (slash > 0 && HOST_PART.test(first)) {
    const path = repository.slice(slash + 1);
    if (!REPOSITORY.test(path)) return null;
    const isHub = first === "docker.io" || first === "index.docker.io";
    return isHub ? hubRepository(path) : `${first}/${path}`;
  }
  return REPOSITORY.test(repository) ? hubRepository(repository) : null;
}

function hubRepository(path: string): string {
  return path.includes("/") ? `docker.io/${path}` : `docker.io/library/${path}`;
}
