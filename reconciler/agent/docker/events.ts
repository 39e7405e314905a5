import type { EngineEvent } from "../ports.ts";
import type { Api } from "./api.ts";
import type { InventoryCache } from "./inventory-cache.ts";
import { isOurs, type Labels, type Owner, readLabels } from "./labels.ts";
import { readLines } from "./lines.ts";

const CONTAINER_KINDS: Readonly<Record<string, EngineEvent["kind"]>> = { start: "started", die: "died", oom: "oom", destroy: "destroyed" };
const IMAGE_ACTIONS = ["delete", "import", "load", "pull", "tag", "untag"];
/** Asked of the engine itself, so that health checks by exec do not wake us. */
const FILTERS = JSON.stringify({ type: ["container", "image"], event: [...Object.keys(CONTAINER_KINDS), ...IMAGE_ACTIONS] });

const PING_EVERY_MS = 5_000;
const MISSES = 3;
const FIRST_RETRY_MS = 100;
const LONGEST_RETRY_MS = 5_000;
/** The stream has no heartbeat: pings tell whether its silence means peace. */
const NEVER_MS = 2 ** 31 - 1;

/**
 * Changes of our containers and of images. Says `restarted` each time it connects, the first time too, and `lost` when
 * that connection ends. Ends with the signal.
 */
export async function* readEvents(api: Api, owner: Owner, cache: InventoryCache, signal: AbortSignal): AsyncGenerator<EngineEvent> {
  let retryMs = FIRST_RETRY_MS;
  while (!signal.aborted) {
    const link = new AbortController();
    let connected = false;
    try {
      const both = AbortSignal.any([signal, link.signal]);
      const stream = await api.stream({ method: "GET", path: "/events", query: { filters: FILTERS }, signal: both });
      void watch(api, link, signal);
      cache.listen();
      retryMs = FIRST_RETRY_MS;
      connected = true;
      yield { kind: "restarted", containerId: "", instance: null };
      for await (const line of readLines(stream, api.clock, NEVER_MS)) {
        const event = eventOf(JSON.parse(line) as RawEvent, owner);
        if (event === null) continue;
        if (event.kind === "image") cache.imagesChanged();
        else cache.containerChanged(event.containerId);
        yield event;
      }
    } catch {
      // Lost or never there: whoever asks the engine for anything hears why.
    } finally {
      cache.lose();
      link.abort();
    }
    if (connected && !signal.aborted) yield { kind: "lost", containerId: "", instance: null };
    await api.clock.sleep(retryMs, signal).catch(() => {});
    retryMs = Math.min(retryMs * 2, LONGEST_RETRY_MS);
  }
}

/** Cuts the link when the engine does not answer pings any more. */
async function watch(api: Api, link: AbortController, signal: AbortSignal): Promise<void> {
  const both = AbortSignal.any([signal, link.signal]);
  let misses = 0;
  while (!both.aborted) {
    try {
      await api.clock.sleep(PING_EVERY_MS, both);
      await api.ping(both);
      misses = 0;
    } catch {
      if (++misses >= MISSES) link.abort();
    }
  }
}

interface RawEvent {
  readonly Type: string;
  readonly Action: string;
  readonly Actor: { readonly ID: string; readonly Attributes: Labels | null };
}

/** Null for what is not ours or of no interest. */
function eventOf({ Type, Action, Actor }: RawEvent, owner: Owner): EngineEvent | null {
  if (Type === "image") return IMAGE_ACTIONS.includes(Action) ? { kind: "image", containerId: "", instance: null } : null;
  const kind = CONTAINER_KINDS[Action];
  if (Type !== "container" || kind === undefined || !isOurs(Actor.Attributes, owner)) return null;
  const labels = readLabels(Actor.Attributes, owner);
  const instance = labels === null ? null : { set: labels.set, index: labels.index, generation: labels.generation };
  return { kind, containerId: Actor.ID, instance };
}
