import { createHash } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import { execFileSync } from "node:child_process";
import { tar, type TarEntry } from "./tar.ts";

const BUSYBOX = ["/bin/busybox", "/usr/bin/busybox", "/bin/busybox-static"];

/** Images of the tests, made from the machine's static busybox; no registry has them. All have a shell and its tools. */
export const IMAGES = {
  /** Serves http on 8080: `/` says `hello from web`, `/cgi-bin/whoami` the address it has. */
  web: "rig.test/web:1",
  /** The same, saying `hello from web 2`. */
  web2: "rig.test/web:2",
  /** Does nothing, for ever. */
  sleeper: "rig.test/sleeper:1",
  /** Burns one CPU. */
  busy: "rig.test/busy:1",
  /** Takes memory until it is killed. */
  hog: "rig.test/hog:1",
  /** Ends with exit code 7 after half a second. */
  crash: "rig.test/crash:1",
} as const;

interface ImageSource {
  readonly name: string;
  readonly command: readonly string[];
  readonly files: readonly TarEntry[];
}

const SOURCES: readonly ImageSource[] = [
  web(IMAGES.web, "hello from web\n"),
  web(IMAGES.web2, "hello from web 2\n"),
  { name: IMAGES.sleeper, command: ["/bin/sleep", "2147483647"], files: [] },
  { name: IMAGES.busy, command: ["/bin/sh", "-c", "while :; do :; done"], files: [] },
  { name: IMAGES.hog, command: ["/bin/sh", "-c", "x=0123456789abcdef; while :; do x=$x$x; done"], files: [] },
  { name: IMAGES.crash, command: ["/bin/sh", "-c", "sleep 0.5; exit 7"], files: [] },
];

function web(name: string, greeting: string): ImageSource {
  const whoami = "#!/bin/sh\nprintf 'Content-Type: text/plain\\r\\n\\r\\n'\nip -4 -o addr show scope global | awk '{ print $4 }'\n";
  return {
    name,
    command: ["/bin/httpd", "-f", "-p", "8080", "-h", "/www"],
    files: [
      { kind: "folder", path: "www/" },
      { kind: "folder", path: "www/cgi-bin/" },
      { kind: "file", path: "www/index.html", content: greeting },
      { kind: "file", path: "www/cgi-bin/whoami", mode: 0o755, content: whoami },
    ],
  };
}

/** A static busybox of this machine; null: none is installed. */
export function findBusybox(): string | null {
  return BUSYBOX.find((path) => existsSync(path) && isStatic(readFileSync(path))) ?? null;
}

/** True for an ELF file that names no program interpreter. */
function isStatic(elf: Buffer): boolean {
  if (elf.subarray(0, 4).toString("latin1") !== "\x7fELF" || elf[4] !== 2) return false;
  const [at, size, count] = [Number(elf.readBigUInt64LE(32)), elf.readUInt16LE(54), elf.readUInt16LE(56)];
  const INTERPRETER = 3;
  return !Array.from({ length: count }, (_, entry) => elf.readUInt32LE(at + entry * size)).includes(INTERPRETER);
}

/** All images as one archive for `docker load`; the same bytes for the same busybox, so ids are equal on all hosts. */
export function imageArchive(): Buffer {
  const built = builtImages();
  const layers = new Map(built.flatMap(({ layers }) => layers).map((layer) => [layer.path, layer.content]));
  return tar([
    ...[...layers].map(([path, content]): TarEntry => ({ kind: "file", path, content })),
    ...built.map(({ configPath, config }): TarEntry => ({ kind: "file", path: configPath, content: config })),
    { kind: "file", path: "manifest.json", content: JSON.stringify(built.map(({ manifest }) => manifest)) },
  ]);
}

/** All images, each by itself. */
export function builtImages(): readonly BuiltImage[] {
  const busybox = findBusybox();
  if (busybox === null) throw new Error("no static busybox on this machine: install busybox-static");
  const base = baseLayer(busybox);
  return SOURCES.map((source) => buildImage(source, base));
}

function baseLayer(busybox: string): Buffer {
  const applets = execFileSync(busybox, ["--list"], { encoding: "utf8", timeout: 10_000 }).trim().split("\n");
  const folders = ["bin/", "dev/", "etc/", "proc/", "sys/", "tmp/", "root/", "data/"];
  return tar([
    ...folders.map((path): TarEntry => ({ kind: "folder", path })),
    { kind: "file", path: "bin/busybox", mode: 0o755, content: readFileSync(busybox) },
    ...applets.filter((name) => name !== "busybox").map((name): TarEntry => ({ kind: "link", path: `bin/${name}`, target: "busybox" })),
    { kind: "file", path: "etc/passwd", content: "root:x:0:0:root:/root:/bin/sh\napp:x:1000:1000:app:/tmp:/bin/sh\n" },
    { kind: "file", path: "etc/group", content: "root:x:0:\napp:x:1000:\n" },
  ]);
}

export interface BuiltImage {
  readonly name: string;
  readonly layers: readonly { readonly path: string; readonly content: Buffer }[];
  readonly configPath: string;
  readonly config: string;
  readonly manifest: { readonly Config: string; readonly RepoTags: readonly string[]; readonly Layers: readonly string[] };
}

function buildImage({ name, command, files }: ImageSource, base: Buffer): BuiltImage {
  const layers = [base, ...(files.length === 0 ? [] : [tar(files)])].map((content) => ({ path: `${sha256(content)}/layer.tar`, content }));
  const config = JSON.stringify({
    architecture: process.arch === "arm64" ? "arm64" : "amd64",
    os: "linux",
    created: "1970-01-01T00:00:00Z",
    // The first process of a container hears no signal that it has no handler for; nothing here wants a grace period.
    config: { Cmd: command, Env: ["PATH=/bin"], StopSignal: "SIGKILL" },
    rootfs: { type: "layers", diff_ids: layers.map(({ content }) => `sha256:${sha256(content)}`) },
    history: layers.map(() => ({ created: "1970-01-01T00:00:00Z", created_by: "test/hosts/rig/images.ts" })),
  });
  const configPath = `${sha256(config)}.json`;
  return { name, layers, configPath, config, manifest: { Config: configPath, RepoTags: [name], Layers: layers.map(({ path }) => path) } };
}

function sha256(content: Uint8Array | string): string {
  return createHash("sha256").update(content).digest("hex");
}
