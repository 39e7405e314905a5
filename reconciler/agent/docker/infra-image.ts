import { hash } from "node:crypto";
import { readFile } from "node:fs/promises";
import { TAR_END, tarFile } from "../../sys/tar.ts";
import { StepError } from "../ports.ts";
import type { Api } from "./api.ts";
import { hasStatus } from "./api-error.ts";
import { readLines } from "./lines.ts";

/** Where distributions put a busybox; only one that needs no libraries is of use. */
const BUSYBOX_PATHS = ["/bin/busybox", "/usr/bin/busybox", "/usr/lib/busybox/busybox", "/bin/busybox.static", "/usr/bin/busybox.static"];
const REPOSITORY = "setpoint/infra";
/** Sleeps without waking; a signal ends it at once since init, not it, is the first process. */
const SLEEP = ["/busybox", "sleep", "inf"];

export interface InfraImage {
  readonly image: string;
  /** Null: the image has its own. */
  readonly entrypoint: readonly string[] | null;
}

/** The image of infra containers, made on the host itself: no registry is needed. */
export interface InfraImages {
  /** Makes it where it is missing; asks the engine once. */
  ensure(signal: AbortSignal): Promise<InfraImage>;
  /** The engine said that it is not there: look again. */
  forget(): void;
}

/** `configured`: an image to use instead, which someone else provides. */
export function createInfraImages(api: Api, configured: string | null, busyboxPaths: readonly string[] = BUSYBOX_PATHS): InfraImages {
  let known: Promise<InfraImage> | null = null;
  return {
    ensure(signal) {
      if (configured !== null) return Promise.resolve({ image: configured, entrypoint: null });
      signal.throwIfAborted();
      if (known !== null) return known;
      // Shared by all who wait, so it ends at the deadlines of its calls and not when one of them gives up.
      const attempt = build(api, busyboxPaths, new AbortController().signal);
      known = attempt;
      attempt.catch(() => {
        if (known === attempt) known = null;
      });
      return attempt;
    },
    forget() {
      known = null;
    },
  };
}

async function build(api: Api, paths: readonly string[], signal: AbortSignal): Promise<InfraImage> {
  const busybox = await readStaticBusybox(paths);
  const tag = hash("sha256", busybox, "hex").slice(0, 12);
  const made: InfraImage = { image: `${REPOSITORY}:${tag}`, entrypoint: SLEEP };
  if (await isPresent(api, made.image, signal)) return made;
  const query = { fromSrc: "-", repo: REPOSITORY, tag };
  const answer = await api.stream({
    method: "POST",
    path: "/images/create",
    query,
    file: Buffer.concat([...tarFile("busybox", 0o755, busybox), TAR_END]),
    signal,
  });
  for await (const line of readLines(answer, api.clock, api.deadlines.silenceMs)) {
    const { error } = JSON.parse(line) as { error?: string };
    if (error !== undefined) throw new StepError("engine-failed", `the image ${made.image} could not be made: ${error}`);
  }
  return made;
}

/** True when the engine has the image. */
export async function isPresent(api: Api, image: string, signal: AbortSignal): Promise<boolean> {
  try {
    await api.call({ method: "GET", path: `/images/${image}/json`, signal });
    return true;
  } catch (error) {
    if (hasStatus(error, 404)) return false;
    throw error;
  }
}

async function readStaticBusybox(paths: readonly string[]): Promise<Buffer> {
  for (const path of paths) {
    const file = await readFile(path).catch(() => null);
    if (file !== null && isStatic(file)) return file;
  }
  throw new StepError("no-infra-image", `none of ${paths.join(", ")} is a statically linked busybox`, { outcome: "refused" });
}

/** A 64-bit little-endian ELF program without an interpreter (program header of type PT_INTERP). */
export function isStatic(file: Buffer): boolean {
  if (file.length < 64 || file.readUInt32BE(0) !== 0x7f454c46 || file[4] !== 2 || file[5] !== 1) return false;
  const start = Number(file.readBigUInt64LE(32));
  const [size, count] = [file.readUInt16LE(54), file.readUInt16LE(56)];
  for (let index = 0; index < count; index++) {
    const at = start + index * size;
    if (at + 4 > file.length || file.readUInt32LE(at) === 3) return false;
  }
  return true;
}
