import { compareInstances, compareText, sortedUnique } from "../../core/order.ts";
import type { EngineInventory, InstanceRef, OwnedContainer } from "../ports.ts";
import type { Api } from "./api.ts";
import { isUnwired } from "./bodies.ts";
import { inspect, type Inspected, type Listed } from "./containers.ts";
import { type ContainerFacts, createInventoryCache, type InventoryCache } from "./inventory-cache.ts";
import { type ListedImage, referencesOf } from "./image-reference.ts";
import { instanceLabels, labelFilter, type OwnedLabels, type Owner, readLabels } from "./labels.ts";
import { hasOtherNetwork } from "./processes.ts";

export interface InventoryReader {
  readonly cache: InventoryCache;
  /** One list call while nothing changes. */
  read(signal: AbortSignal): Promise<EngineInventory>;
  /** The containers of one Instance, infra first. */
  readInstance(ref: InstanceRef, signal: AbortSignal): Promise<readonly OwnedContainer[]>;
}

/** Inspects at once; the rest of the calls stay free for steps. */
const INSPECTS_AT_ONCE = 4;

export function createInventoryReader(api: Api, owner: Owner): InventoryReader {
  const cache = createInventoryCache();
  return {
    cache,
    read: (signal) => readInventory(api, owner, cache, signal),
    async readInstance(ref, signal) {
      const query = { all: "1", ...labelFilter(instanceLabels(owner, ref)) };
      const listed = await api.call<Listed[]>({ method: "GET", path: "/containers/json", query, signal });
      return await readOwned(api, cache, sort(listed, owner).ours, signal);
    },
  };
}

async function readInventory(api: Api, owner: Owner, cache: InventoryCache, signal: AbortSignal): Promise<EngineInventory> {
  const [listed, images] = await Promise.all([
    api.call<Listed[]>({ method: "GET", path: "/containers/json", query: { all: "1" }, signal }),
    readImages(api, cache, signal),
  ]);
  const { ours, foreign } = sort(listed, owner);
  const containers = await readOwned(api, cache, ours, signal);
  cache.retain(new Set(listed.map(({ Id }) => Id)));
  return { containers, foreign: foreign.sort(compareText), images };
}

interface Ours {
  readonly listed: Listed;
  readonly labels: OwnedLabels;
}

/** Which of the listed are ours, and the names of those that are not. */
function sort(listed: readonly Listed[], owner: Owner): { readonly ours: readonly Ours[]; readonly foreign: string[] } {
  const foreign: string[] = [];
  const ours: Ours[] = [];
  for (const container of listed) {
    const labels = readLabels(container.Labels, owner);
    if (labels === null) foreign.push(nameOf(container));
    else ours.push({ listed: container, labels });
  }
  return { ours, foreign };
}

async function readOwned(api: Api, cache: InventoryCache, ours: readonly Ours[], signal: AbortSignal): Promise<OwnedContainer[]> {
  const containers = await eachOf(ours, INSPECTS_AT_ONCE, async ({ listed, labels }) => {
    const facts = await factsOf(api, cache, listed, signal);
    return facts === null ? null : owned(listed, labels, facts);
  });
  return strand(containers.filter((it) => it !== null).sort((a, b) => compareInstances(a, b) || compareRoles(a, b)));
}

/** Marks those whose infra has another network than they; infra comes before its members. */
function strand(containers: readonly OwnedContainer[]): OwnedContainer[] {
  let infra: OwnedContainer | null = null;
  return containers.map((container) => {
    if (container.role === "infra") infra = container;
    const isIts = infra !== null && compareInstances(infra, container) === 0;
    return isIts && hasOtherNetwork(infra!.pid, container.pid) ? { ...container, stranded: true } : container;
  });
}

async function readImages(api: Api, cache: InventoryCache, signal: AbortSignal): Promise<readonly string[]> {
  const kept = cache.images();
  if (kept !== null) return kept;
  const asked = cache.edition();
  const listed = await api.call<ListedImage[]>({ method: "GET", path: "/images/json", signal });
  const references = sortedUnique(listed.flatMap(referencesOf));
  cache.keepImages(references, asked);
  return references;
}

const NEVER_RAN: ContainerFacts = { state: "created", pid: 0, exitCode: 0, oomKilled: false, startedAtMs: null };

/** Null for a container that is gone since it was listed. */
async function factsOf(api: Api, cache: InventoryCache, listed: Listed, signal: AbortSignal): Promise<ContainerFacts | null> {
  // Inspecting a container that is being started takes until it has started: the engine lists it as created for so long.
  if (listed.State === "created") return NEVER_RAN;
  const kept = cache.facts(listed.Id, listed.State);
  if (kept !== null) return kept;
  const asked = cache.edition();
  const found = await inspect(api, listed.Id, signal);
  if (found === null) return null;
  const facts = readFacts(found);
  // The engine tells of a death before its own list has it: then the list is not to be trusted, nor kept.
  if (facts.state === listed.State) cache.keepFacts(listed.Id, facts, asked);
  return facts;
}

function compareRoles(a: OwnedContainer, b: OwnedContainer): number {
  return a.role === b.role ? compareText(a.container, b.container) : a.role === "infra" ? -1 : 1;
}

function nameOf({ Names, Id }: Listed): string {
  return (Names[0] ?? Id).replace(/^\//, "");
}

const STATES: Readonly<Record<string, OwnedContainer["state"]>> = {
  created: "created",
  running: "running",
  paused: "running",
  restarting: "running",
};

function owned({ Id: id, HostConfig }: Listed, labels: OwnedLabels, facts: ContainerFacts): OwnedContainer {
  const state = STATES[facts.state] ?? "exited";
  return {
    set: labels.set,
    index: labels.index,
    generation: labels.generation,
    id,
    role: labels.role,
    container: labels.container,
    state,
    exitCode: state === "exited" ? facts.exitCode : null,
    oomKilled: facts.oomKilled,
    pid: state === "running" ? facts.pid : 0,
    startedAtMs: facts.startedAtMs,
    stranded: false,
    wiredByAgent: labels.role === "infra" && isUnwired(HostConfig.NetworkMode),
    hash: labels.hash,
    labels: labels.instance,
  };
}

function readFacts({ State }: Inspected): ContainerFacts {
  const startedAtMs = Date.parse(State.StartedAt);
  return {
    state: State.Status,
    pid: State.Pid,
    exitCode: State.ExitCode,
    oomKilled: State.OOMKilled,
    // Docker writes the year 1 for "never".
    startedAtMs: startedAtMs > 0 ? startedAtMs : null,
  };
}

/** Results in the order of the items, so many at once. */
async function eachOf<Item, Result>(items: readonly Item[], atOnce: number, work: (item: Item) => Promise<Result>): Promise<Result[]> {
  const results: Result[] = Array.from({ length: items.length });
  let next = 0;
  async function worker(): Promise<void> {
    while (next < items.length) {
      const index = next++;
      results[index] = await work(items[index]!);
    }
  }
  await Promise.all(Array.from({ length: Math.min(atOnce, items.length) }, worker));
  return results;
}
