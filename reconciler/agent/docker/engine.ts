import type { Clock, Engine, EngineFacts } from "../ports.ts";
import { type Api, createApi, DEADLINES, type Deadlines } from "./api.ts";
import { toStepError } from "./api-error.ts";
import { readEvents } from "./events.ts";
import { runIn } from "./exec.ts";
import { createGate } from "./gate.ts";
import { createInfraImages } from "./infra-image.ts";
import { createInventoryReader } from "./inventory.ts";
import type { Owner } from "./labels.ts";
import { pull } from "./pull.ts";
import { type Host, startInstance } from "./start.ts";
import { killInstance, removeInstance, stopInstance } from "./stop.ts";
import { replaceContainers, resumeInstance, updateLimits } from "./supervise.ts";

export interface DockerEngineOptions {
  /** e.g. `/var/run/docker.sock`. */
  readonly socketPath: string;
  /** Stands on everything that is made; what names another fleet or none is never touched. May be a getter: it is asked each time. */
  readonly fleet: string;
  readonly host: string;
  readonly clock: Clock;
  /** The agent's own folder, for files that containers mount. */
  readonly folder: string;
  /** An image for infra containers that has a command of its own; null: one is made on the host from its busybox. */
  readonly infraImage?: string | null;
  /** Where the engine keeps its records, for as long as it never said so itself. */
  readonly dataRoot?: string;
  readonly deadlines?: Deadlines;
  /** What others said, without secrets: for messages of the engine and for output of commands in containers. */
  readonly hide?: (text: string) => string;
}

/** An engine with connections to close. */
export interface DockerEngine extends Engine {
  close(): void;
}

/** More at once only make each other slow: what the engine does at a start is work of the kernel. */
const STARTS_AT_ONCE = 8;
const PULLS_AT_ONCE = 3;
const MAX_WAITING = 4_096;

/** Docker by its HTTP API. Connects lazily; every call has a deadline; see ports.ts for what each does. */
export function createDockerEngine(options: DockerEngineOptions): DockerEngine {
  const owner: Owner = options;
  const api = createApi(options.socketPath, options.clock, options.deadlines ?? DEADLINES);
  const images = createInfraImages(api, options.infraImage ?? null);
  const host: Host = { api, owner, images, folder: options.folder, hasDefaultSeccomp: () => hasDefaultSeccomp };
  const inventory = createInventoryReader(api, owner);
  const starts = createGate(STARTS_AT_ONCE, MAX_WAITING);
  const pulls = createGate(PULLS_AT_ONCE, MAX_WAITING);
  const hide = options.hide ?? ((text: string) => text);
  let dataRoot = options.dataRoot ?? "/var/lib/docker";
  let hasDefaultSeccomp = false;

  /** The step's result; what the engine answered otherwise, as a code and a sentence. */
  async function says<Result>(what: string, step: Promise<Result>): Promise<Result> {
    try {
      return await step;
    } catch (error) {
      throw toStepError(error, what, hide);
    }
  }

  return {
    ping: (signal) => api.ping(signal),
    async facts(signal) {
      const { facts, ...found } = await says("the engine's facts", readFacts(api, signal));
      ({ dataRoot, hasDefaultSeccomp } = found);
      return facts;
    },
    inventory: (signal) => says("list of containers", inventory.read(signal)),
    containersOf: (ref, signal) => says(`containers of ${ref.set}/${ref.index}`, inventory.readInstance(ref, signal)),
    events: (signal) => readEvents(api, owner, inventory.cache, signal),
    pull: (image, signal) => says(`pull of ${image}`, pull(api, pulls, image, signal)),
    startInstance: (ref, request, signal) =>
      says(
        `start of ${ref.set}/${ref.index}`,
        starts.run(signal, () => startInstance(host, ref, request, signal)),
      ),
    resumeInstance: (ref, wire, signal) =>
      says(
        `start of ${ref.set}/${ref.index}`,
        starts.run(signal, () => resumeInstance(host, ref, wire, signal)),
      ),
    replaceContainers: (ref, names, request, signal) =>
      says(`replacement in ${ref.set}/${ref.index}`, replaceContainers(host, ref, names, request, signal)),
    updateLimits: (ref, limits, signal) => says(`limits of ${ref.set}/${ref.index}`, updateLimits(host, ref, limits, signal)),
    stopInstance: (ref, graceMs, signal) => says(`stop of ${ref.set}/${ref.index}`, stopInstance(api, owner, ref, graceMs, signal)),
    killInstance: (ref, signal) => says(`kill of ${ref.set}/${ref.index}`, killInstance(api, owner, ref, dataRoot, signal)),
    removeInstance: (ref, signal) => says(`removal of ${ref.set}/${ref.index}`, removeInstance(api, owner, options.folder, ref, signal)),
    async exec(containerId, command, signal) {
      const { exitCode, output } = await says("command in a container", runIn(api, containerId, command, null, signal));
      return { exitCode, output: hide(output) };
    },
    close: () => api.close(),
  };
}

interface Info {
  readonly CgroupVersion?: string;
  readonly CgroupDriver: string;
  readonly NCPU: number;
  readonly MemTotal: number;
  readonly LiveRestoreEnabled: boolean;
  readonly DockerRootDir: string;
  readonly SecurityOptions?: readonly string[];
}

interface Found {
  readonly facts: EngineFacts;
  readonly dataRoot: string;
  readonly hasDefaultSeccomp: boolean;
}

/** How engines name their own profile: `default` before version 23. */
const DEFAULT_SECCOMP = /^name=seccomp,profile=(default|builtin)$/;

async function readFacts(api: Api, signal: AbortSignal): Promise<Found> {
  const { version, apiVersion } = await api.version(signal);
  const info = await api.call<Info>({ method: "GET", path: "/info", signal });
  const facts: EngineFacts = {
    version,
    apiVersion,
    // Engines before cgroup v2 do not say.
    cgroupVersion: info.CgroupVersion === "2" ? 2 : 1,
    cgroupDriver: info.CgroupDriver === "systemd" ? "systemd" : "cgroupfs",
    cpus: info.NCPU,
    memoryBytes: info.MemTotal,
    liveRestore: info.LiveRestoreEnabled,
    userNamespaces: info.SecurityOptions?.some((option) => option.startsWith("name=userns")) === true,
  };
  const hasDefaultSeccomp = info.SecurityOptions?.some((option) => DEFAULT_SECCOMP.test(option)) === true;
  return { facts, dataRoot: info.DockerRootDir, hasDefaultSeccomp };
}
