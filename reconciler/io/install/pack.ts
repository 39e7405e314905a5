import { createWriteStream } from "node:fs";
import { mkdtemp, readFile, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { createGzip } from "node:zlib";
import { TAR_END, tarFile } from "../../sys/tar.ts";
import { readRelease, type Architecture, type Release } from "./release.ts";

/** A gzipped tar archive on this machine's disk. */
export interface Archive {
  readonly path: string;
  readonly sizeBytes: number;
}

/** What a Release is sent in: Node apart, since it changes more seldom than all else and is nine tenths of it. */
export type Part = "node" | "files";

/** Releases of this installation, read and packed once for however many hosts. */
export interface Packer {
  /** Rejects with UserError `host-add-package`. */
  release(architecture: Architecture): Promise<Release>;
  pack(release: Release, part: Part): Promise<Archive>;
  /** Removes the archives. */
  close(): Promise<void>;
}

/** Packs what is in the folder `installation`. */
export function createPacker(installation: string): Packer {
  const releases = new Map<Architecture, Promise<Release>>();
  const archives = new Map<string, Promise<Archive>>();
  let folder: Promise<string> | null = null;
  return {
    release: (architecture) => once(releases, architecture, () => readRelease(installation, architecture)),
    async pack(release, part) {
      folder ??= mkdtemp(join(tmpdir(), "setpoint-release-"));
      const file = join(await folder, `${release.id}-${part}.tar.gz`);
      return await once(archives, file, () => write(file, part === "node" ? nodePart(release) : filesPart(release)));
    },
    async close() {
      if (folder !== null) await rm(await folder, { recursive: true, force: true });
    },
  };
}

function once<Key, Value>(known: Map<Key, Promise<Value>>, key: Key, make: () => Promise<Value>): Promise<Value> {
  const value = known.get(key) ?? make();
  known.set(key, value);
  return value;
}

async function write(file: string, blocks: AsyncIterable<Uint8Array> | Iterable<Uint8Array>): Promise<Archive> {
  // The fastest level: a better one takes twice as long here than it saves on a network of 100 Mbit/s.
  await pipeline(Readable.from(blocks, { objectMode: false }), createGzip({ level: 1 }), createWriteStream(file, { mode: 0o600 }));
  return { path: file, sizeBytes: (await stat(file)).size };
}

async function* nodePart({ node }: Release): AsyncIterable<Uint8Array> {
  yield* tarFile(node.path, 0o755, await readFile(node.source));
  yield TAR_END;
}

function* filesPart({ files }: Release): Iterable<Uint8Array> {
  for (const { path, mode, content } of files) yield* tarFile(path, mode, content);
  yield TAR_END;
}
