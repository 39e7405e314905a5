/** One file of a Revision: of a git tree or of a plain folder. */
export interface ManifestFile {
  /** From the root of the manifests, with `/`. */
  readonly path: string;
  /** Same content, same id; a git blob id or a content hash. */
  readonly blobId: string;
  /** Known size, so that a huge file need not be read to be refused; null: unknown. */
  readonly sizeBytes: number | null;
  /** The whole content. An error it throws is passed on to the caller of `load`. */
  read(): Uint8Array | Promise<Uint8Array>;
}

/** True for what the loader looks at: `.yaml` and `.yml` files outside hidden folders. */
export function isManifestPath(path: string): boolean {
  return /\.ya?ml$/.test(path) && !path.split("/").some((segment) => segment.startsWith("."));
}
