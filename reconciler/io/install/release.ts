import { createHash } from "node:crypto";
import { createReadStream, existsSync, statSync } from "node:fs";
import { readdir, readFile } from "node:fs/promises";
import { basename, dirname, extname, join, relative } from "node:path";
import { UserError } from "../../core/errors/user-error.ts";

/** Processors for which there is a Node of ours, as Node names them. */
export type Architecture = "x64" | "arm64";

/** All that a host gets: Setpoint as it is installed here, and a Node for the host's processor. */
export interface Release {
  /** Digits of a hash over all that is in it: the same content has the same id everywhere. */
  readonly id: string;
  readonly version: string;
  readonly architecture: Architecture;
  readonly node: NodeProgram;
  /** Everything but Node's program, in the order of the paths. */
  readonly files: readonly ReleaseFile[];
}

export interface NodeProgram {
  readonly version: string;
  readonly sizeBytes: number;
  /** SHA-256, in hexadecimal digits. */
  readonly digest: string;
  /** Where it is here. */
  readonly source: string;
  /** Where it is in the release. */
  readonly path: string;
}

export interface ReleaseFile {
  readonly path: string;
  readonly mode: 0o644 | 0o755;
  readonly content: Uint8Array;
}

/** The folder of the Setpoint that runs. */
export const INSTALLATION = join(import.meta.dirname, "../../..");

const OWN_FOLDERS = ["reconciler", "schemas", "manifests-example"] as const;
/** What nothing loads: types, source maps, texts. Programs compiled for this machine can't be for the host; the packages do without. */
const LEFT_OUT = /\.(d\.[cm]?ts|map|md|markdown|node)$/i;
const LICENSE = /^(licen[cs]e|notice)/i;

interface Manifest {
  readonly version: string;
  readonly dependencies?: Readonly<Record<string, string>>;
  readonly optionalDependencies?: Readonly<Record<string, string>>;
}

/**
 * Reads the release of an installation. Throws UserError `host-add-package` when a package of it, or the Node for the processor, is not there:
 * npm installs only the one of its own machine.
 */
export async function readRelease(installation: string, architecture: Architecture): Promise<Release> {
  const own = await readManifest(installation);
  const node = await readNode(installation, architecture, own);
  const files = [
    { path: "package.json", mode: 0o644, content: await readFile(join(installation, "package.json")) } as const,
    { path: `${node.path}.sha256`, mode: 0o644, content: Buffer.from(`${node.digest}\n`) } as const,
    ...(await readFolder(installation, dirname(dirname(node.source)), (path) => !path.includes("/") && LICENSE.test(path))),
  ];
  for (const folder of OWN_FOLDERS) files.push(...(await readFolder(installation, join(installation, folder), () => true)));
  for (const folder of await packageFolders(installation, own)) files.push(...(await readFolder(installation, folder, isLoaded)));
  files.sort((one, other) => (one.path < other.path ? -1 : 1));
  return { id: releaseId(files, node), version: own.version, architecture, node, files };
}

function releaseId(files: readonly ReleaseFile[], node: NodeProgram): string {
  const hash = createHash("sha256").update(`${node.path} ${node.digest}\n`);
  for (const { path, mode, content } of files) hash.update(`${path} ${mode} ${content.length}\n`).update(content);
  return hash.digest("hex").slice(0, 16);
}

async function readNode(installation: string, architecture: Architecture, own: Manifest): Promise<NodeProgram> {
  const name = `node-linux-${architecture}`;
  const folder = findPackage(name, installation, installation);
  if (folder === null || !existsSync(join(folder, "bin/node"))) {
    const wanted = own.optionalDependencies?.[name];
    throw new UserError(
      "host-add-package",
      `this installation of setpoint has no Node for hosts with ${architecture} processors`,
      `In ${installation}: npm install --no-save --force ${name}${wanted === undefined ? "" : `@${wanted}`}`,
    );
  }
  const source = join(folder, "bin/node");
  const hash = createHash("sha256");
  for await (const chunk of createReadStream(source, { highWaterMark: 1024 * 1024 })) hash.update(chunk as Uint8Array);
  const { version } = await readManifest(folder);
  return {
    version,
    sizeBytes: statSync(source).size,
    digest: hash.digest("hex"),
    source,
    path: `${placeOf(installation, folder)}/bin/node`,
  };
}

/** The folders of all packages that Setpoint needs, and those need. Optional ones are left out: they are what packages do without. */
async function packageFolders(installation: string, own: Manifest): Promise<readonly string[]> {
  const found = new Map<string, string>();
  const open: { readonly from: string; readonly manifest: Manifest }[] = [{ from: installation, manifest: own }];
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    for (const name of Object.keys(next.manifest.dependencies ?? {})) {
      const folder = findPackage(name, next.from, installation);
      if (folder === null) {
        const message = `this installation of setpoint lacks the package ${name}, which ${basename(next.from)} needs`;
        throw new UserError("host-add-package", message, `In ${installation}: npm ci`);
      }
      const place = placeOf(installation, folder);
      if (found.get(place) === folder) continue;
      if (found.has(place)) {
        const message = `this installation of setpoint has two of the package ${name}, in ${folder} and in ${found.get(place)}`;
        throw new UserError("host-add-package", message, "Run setpoint from a checkout of its own: git clone, then npm ci");
      }
      found.set(place, folder);
      open.push({ from: folder, manifest: await readManifest(folder) });
    }
  }
  return [...found.values()];
}

/** Where Node would find a package for code in `from`: in the next `node_modules` upwards; null: nowhere within or beside the installation. */
function findPackage(name: string, from: string, installation: string): string | null {
  const top = outermost(installation);
  for (let folder = from; ; folder = dirname(folder)) {
    const candidate = join(folder, "node_modules", name);
    if (existsSync(join(candidate, "package.json"))) return candidate;
    if (folder === top) return null;
  }
}

/** Where packages may lie: in the installation, or, when npm put that into a `node_modules` itself, beside it. */
function outermost(installation: string): string {
  const beside = dirname(installation);
  return basename(beside) === "node_modules" ? dirname(beside) : installation;
}

/** The path of a folder or file in the release. Packages beside the installation get into it. */
function placeOf(installation: string, path: string): string {
  const inside = relative(installation, path);
  return inside.startsWith("..") ? relative(outermost(installation), path) : inside;
}

async function readFolder(installation: string, folder: string, wanted: (path: string) => boolean): Promise<ReleaseFile[]> {
  const files: ReleaseFile[] = [];
  const entries = await readdir(folder, { withFileTypes: true });
  for (const entry of entries.filter(({ name }) => !name.startsWith("."))) {
    const path = join(folder, entry.name);
    // Packages within packages are found as such.
    if (entry.isDirectory() && entry.name !== "node_modules") {
      files.push(...(await readFolder(installation, path, (inner) => wanted(`${entry.name}/${inner}`))));
    }
    if (!entry.isFile() || !wanted(entry.name)) continue;
    const mode = (statSync(path).mode & 0o100) === 0 ? 0o644 : 0o755;
    files.push({ path: placeOf(installation, path), mode, content: await readFile(path) });
  }
  return files;
}

function isLoaded(path: string): boolean {
  return !LEFT_OUT.test(path) || LICENSE.test(basename(path, extname(path)));
}

async function readManifest(folder: string): Promise<Manifest> {
  return JSON.parse(await readFile(join(folder, "package.json"), "utf8")) as Manifest;
}
