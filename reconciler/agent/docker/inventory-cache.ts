/** What a list does not tell of a container, or not at once. */
export interface ContainerFacts {
  /** Docker's word. */
  readonly state: string;
  readonly pid: number;
  readonly exitCode: number;
  readonly oomKilled: boolean;
  readonly startedAtMs: number | null;
}

/** What was learned and stays true until an event says otherwise. Holds nothing while no events are heard. */
export interface InventoryCache {
  /** Events are heard from now on; nothing from before counts. */
  listen(): void;
  /** Events are lost from now on. */
  lose(): void;
  containerChanged(id: string): void;
  imagesChanged(): void;
  /** The present edition, to be taken before asking the engine: an answer from before an event is not kept. */
  edition(): number;
  /** Null when nothing is known of the container in the listed state. */
  facts(id: string, state: string): ContainerFacts | null;
  keepFacts(id: string, facts: ContainerFacts, edition: number): void;
  images(): readonly string[] | null;
  keepImages(images: readonly string[], edition: number): void;
  /** Only these containers still exist. */
  retain(ids: ReadonlySet<string>): void;
}

export function createInventoryCache(): InventoryCache {
  let hearing = false;
  let edition = 0;
  /** Editions in which something was heard to change; `allChangedAt` holds for everything. */
  const changedAt = new Map<string, number>();
  let allChangedAt = 0;
  let imagesChangedAt = 0;
  const known = new Map<string, ContainerFacts>();
  let images: readonly string[] | null = null;

  function forgetAll(): void {
    allChangedAt = ++edition;
    images = null;
    known.clear();
    changedAt.clear();
  }

  return {
    listen() {
      forgetAll();
      hearing = true;
    },
    lose() {
      forgetAll();
      hearing = false;
    },
    containerChanged(id) {
      changedAt.set(id, ++edition);
      known.delete(id);
    },
    imagesChanged() {
      imagesChangedAt = ++edition;
      images = null;
    },
    edition: () => edition,
    facts(id, state) {
      const facts = known.get(id);
      return facts?.state === state ? facts : null;
    },
    keepFacts(id, facts, asked) {
      if (hearing && Math.max(allChangedAt, changedAt.get(id) ?? 0) <= asked) known.set(id, facts);
    },
    images: () => images,
    keepImages(references, asked) {
      if (hearing && Math.max(allChangedAt, imagesChangedAt) <= asked) images = references;
    },
    retain(ids) {
      for (const id of known.keys()) if (!ids.has(id)) known.delete(id);
      for (const id of changedAt.keys()) if (!ids.has(id)) changedAt.delete(id);
    },
  };
}
