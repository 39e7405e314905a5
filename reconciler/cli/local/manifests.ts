import { availableParallelism, totalmem } from "node:os";
import { createHash } from "node:crypto";
import type { HostPool } from "../../core/manifest-types.ts";
import type { Loaded, ManifestProblem, Manifests } from "../../core/manifests.ts";
import type { ManifestFile } from "../../io/manifests/manifest-file.ts";
import type { ManifestLoader } from "../../io/manifests/loader.ts";

/** What this machine is, for the pool that is made up of it. */
export interface Machine {
  readonly cpus: number;
  readonly memoryBytes: number;
  /** `unix://...` */
  readonly agent: string;
}

export function thisMachine(socket: string): Machine {
  return { cpus: availableParallelism(), memoryBytes: totalmem(), agent: `unix://${socket}` };
}

/** Name of the file that positions of the made-up pool point to. */
const MADE_UP_FILE = "(made up for this machine).yaml";
const DEFAULT_POOL = "local";

/** Hears what was loaded; `madeUp`: its pool is not the folder's. */
export type LocalListener = (manifests: Manifests, madeUp: boolean) => void;

/** The one pool of manifests that a local loader gave, as JSON, which is YAML; with a budget that lets everything go. */
export function poolToDelete({ pools }: Manifests): string {
  const { manifest } = pools[0]!;
  return `${JSON.stringify({ ...manifest, spec: { ...manifest.spec, budget: NO_BUDGET } }, null, 2)}\n`;
}

const NO_BUDGET = { percent: 100, count: 100_000 };

/**
 * Loads manifests for this machine alone: where no HostPool is written one is made up, under the name that the Sets use; one that is
 * written must have one host, on a socket.
 */
export function createLocalLoader(inner: ManifestLoader, machine: Machine, heard: LocalListener): ManifestLoader {
  return {
    async load(files, commit, found, signal) {
      const loaded = await inner.load(files, commit, found, signal);
      if (loaded.kind === "invalid") return loaded;
      const { manifests } = loaded;
      const problems = manifests.pools.length === 0 ? severalNames(manifests) : strangers(manifests.pools);
      if (problems.length > 0) return { kind: "invalid", commit, problems: [...loaded.problems, ...problems] };
      if (manifests.pools.length > 0) {
        heard(manifests, false);
        return loaded;
      }
      const file = madeUpFile(poolText(poolNames(manifests)[0] ?? DEFAULT_POOL, machine));
      const completed = await inner.load([...files, file], commit, found, signal);
      if (completed.kind === "loaded") heard(completed.manifests, true);
      return completed;
    },
  };
}

/** All pools that Sets name, sorted. */
function poolNames({ sets }: Manifests): string[] {
  return [...new Set(sets.flatMap(({ manifest: { spec } }) => spec.pools ?? [spec.pool ?? DEFAULT_POOL]))].sort();
}

/** This machine is one pool. */
function severalNames(manifests: Manifests): ManifestProblem[] {
  const names = poolNames(manifests);
  if (names.length <= 1) return [];
  const other = manifests.sets.find(({ manifest: { spec } }) => !(spec.pools ?? [spec.pool]).includes(names[0]!)) ?? manifests.sets[0]!;
  const message = `The Sets name the pools ${names.map((name) => `\`${name}\``).join(", ")}, and no HostPool is written; with --local this machine is one pool.`;
  return [problemAt(other, ["spec"], message, `Let all Sets name one pool, such as \`pool: ${DEFAULT_POOL}\`.`)];
}

/** Hosts that are not this machine. */
function strangers(pools: readonly Loaded<HostPool>[]): ManifestProblem[] {
  const [first, second] = pools;
  const message = "With --local there is one host, this machine; the manifests have more than that.";
  const hint = "Leave the HostPool out, and one is made up; or write one with a single host whose agent is unix:///path.";
  if (second !== undefined) return [problemAt(second, ["metadata", "name"], message, hint)];
  const hosts = first!.manifest.spec.hosts;
  const single = hosts.length === 1 && !hosts[0]!.name.includes("[");
  if (single && hosts[0]!.agent?.startsWith("unix://") === true) return [];
  return [problemAt(first!, ["spec", "hosts"], message, hint)];
}

function problemAt(
  document: Pick<Loaded<unknown>, "at" | "frame">,
  path: readonly (string | number)[],
  message: string,
  hint: string,
): ManifestProblem {
  const position = document.at(path);
  return { code: "local-hosts", severity: "error", position, message, hint, frame: document.frame(position) };
}

/** As a person would write it. What one's own machine runs is no fleet to be careful with: no budget holds removals back. */
function poolText(name: string, { cpus, memoryBytes, agent }: Machine): string {
  return `apiVersion: setpoint/v1
kind: HostPool
metadata: {name: ${name}}
spec:
  network: {cidr: 10.213.77.0/24, gateway: 10.213.77.1, driver: bridge, bridge: setpoint-local}
  limits: best-effort
  budget: {percent: 100, count: 100000}
  hosts:
    - name: local
      agent: ${JSON.stringify(agent)}
      zone: local
      capacity: {cpu: ${cpus}, memory: ${Math.floor(memoryBytes / 2 ** 20)}Mi, bandwidth: 100gbit}
`;
}

function madeUpFile(text: string): ManifestFile {
  const bytes = Buffer.from(text);
  const blobId = createHash("sha256").update(bytes).digest("hex");
  return { path: MADE_UP_FILE, blobId, sizeBytes: bytes.length, read: () => bytes };
}
