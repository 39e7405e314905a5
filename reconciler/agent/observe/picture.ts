import { isDeepStrictEqual } from "node:util";
import { withinTime } from "../deadline.ts";
import { instanceKey } from "../instance-key.ts";
import type { Clock, Engine, EngineFacts, EngineInventory, InstanceRef, OwnedContainer } from "../ports.ts";
import { createRounds } from "../rounds.ts";

/** Longest a listing of the engine may take. */
const LOOK_WITHIN_MS = 10_000;
/** Between two listings, so that many changes at once share one. */
const PAUSE_MS = 20;

/** What the engine held when it was last asked, and whether it answers at all. */
export class Picture {
  readonly #engine: Engine;
  readonly #clock: Clock;
  readonly #lifetime: AbortSignal;
  readonly #tell: () => void;
  readonly #round: () => Promise<void>;
  /** One per Instance: each caller gets a look that began after it asked. */
  readonly #rounds = new Map<string, () => Promise<void>>();
  #foreign: readonly string[] = [];
  #images: readonly string[] = [];
  #byInstance: ReadonlyMap<string, readonly OwnedContainer[]> = new Map();
  #inventory: EngineInventory | null = null;
  /** Counts looks in the order in which they begin: of two the one that began later is believed. */
  #looks = 0;
  #lookedAll = 0;
  /** By instanceKey: the look at this Instance alone, where that is newer than the one at all. */
  readonly #lookedOne = new Map<string, number>();
  /** Changed since the last look at them began, by instanceKey. */
  readonly #stale = new Map<string, InstanceRef>();
  #facts: EngineFacts | null = null;
  #looked = false;
  #lookedForMs = 0;
  /** Why the engine is not usable; null while it is. */
  engineProblem: string | null = "it was not asked yet";

  /** `looked` is called after each listing, before those who asked for it go on. */
  constructor(engine: Engine, clock: Clock, lifetime: AbortSignal, looked: () => void) {
    this.#engine = engine;
    this.#clock = clock;
    this.#lifetime = lifetime;
    this.#tell = looked;
    // At most half of the time goes into listings, however slow they are.
    const pause = async (): Promise<void> => await clock.sleep(Math.max(PAUSE_MS, this.#lookedForMs), lifetime);
    this.#round = createRounds(async () => {
      await this.#look();
      looked();
    }, pause);
  }

  /** Lists the engine's containers, beginning after this call. Rejects with a StepError when it does not answer. */
  look(): Promise<void> {
    return this.#round();
  }

  /** Looks at one Instance alone, beginning after this call: what a step did to it shows whatever else the engine is busy with. */
  lookAt(ref: InstanceRef): Promise<void> {
    const key = instanceKey(ref);
    const round = this.#rounds.get(key) ?? createRounds(() => this.#lookAt(ref));
    this.#rounds.set(key, round);
    return round();
  }

  /** Something happened to the Instance; false when that was said already and nobody looked since. */
  expire(ref: InstanceRef): boolean {
    const key = instanceKey(ref);
    if (this.#stale.has(key)) return false;
    this.#stale.set(key, ref);
    return true;
  }

  /** Instances to which something happened since they were looked at. */
  get stale(): readonly InstanceRef[] {
    return [...this.#stale.values()];
  }

  /** True once the engine was listed: before that nobody knows what is there. */
  get looked(): boolean {
    return this.#looked;
  }

  get facts(): EngineFacts | null {
    return this.#facts;
  }

  get inventory(): EngineInventory {
    this.#inventory ??= { containers: [...this.#byInstance.values()].flat(), foreign: this.#foreign, images: this.#images };
    return this.#inventory;
  }

  /** Containers of each Instance by instanceKey: infra first, then by name. */
  get instances(): ReadonlyMap<string, readonly OwnedContainer[]> {
    return this.#byInstance;
  }

  containersOf(ref: InstanceRef): readonly OwnedContainer[] {
    return this.#byInstance.get(instanceKey(ref)) ?? [];
  }

  async #look(): Promise<void> {
    const beganMs = this.#clock.monotonic();
    const look = ++this.#looks;
    const stale = [...this.#stale];
    this.#stale.clear();
    const limits = { ms: LOOK_WITHIN_MS, what: "listing the containers", lifetime: this.#lifetime };
    try {
      const { containers, foreign, images } = await withinTime(this.#clock, limits, async (signal) => {
        this.#facts ??= await this.#engine.facts(signal);
        return await this.#engine.inventory(signal);
      });
      this.#foreign = foreign;
      this.#images = images;
      this.#takeAll(grouped(containers), look);
    } catch (error) {
      for (const [key, ref] of stale) this.#stale.set(key, ref);
      throw error;
    }
    this.#looked = true;
    this.#lookedForMs = this.#clock.monotonic() - beganMs;
  }

  /** All but the Instances that were looked at by a look that began later. */
  #takeAll(instances: Map<string, readonly OwnedContainer[]>, look: number): void {
    for (const [key, one] of this.#lookedOne) {
      if (one < look) this.#lookedOne.delete(key);
      else setGroup(instances, key, this.#byInstance.get(key) ?? []);
    }
    for (const key of this.#rounds.keys()) if (!instances.has(key)) this.#rounds.delete(key);
    for (const [key, one] of instances) {
      const before = this.#byInstance.get(key);
      // What did not change keeps its identity: reports are made anew of what did.
      if (before !== undefined && before !== one && isDeepStrictEqual(before, one)) instances.set(key, before);
    }
    this.#lookedAll = look;
    this.#byInstance = instances;
    this.#inventory = null;
  }

  async #lookAt(ref: InstanceRef): Promise<void> {
    const key = instanceKey(ref);
    const look = ++this.#looks;
    this.#stale.delete(key);
    const limits = { ms: LOOK_WITHIN_MS, what: "listing the containers of an Instance", lifetime: this.#lifetime };
    try {
      const containers = await withinTime(this.#clock, limits, (signal) => this.#engine.containersOf(ref, signal));
      if (look < Math.max(this.#lookedAll, this.#lookedOne.get(key) ?? 0)) return;
      this.#lookedOne.set(key, look);
      const instances = new Map(this.#byInstance);
      setGroup(instances, key, grouped(containers).get(key) ?? []);
      this.#byInstance = instances;
      this.#inventory = null;
    } catch (error) {
      this.#stale.set(key, ref);
      throw error;
    }
    this.#tell();
  }

  /** The engine was restarted, perhaps as another version. */
  forgetFacts(): void {
    this.#facts = null;
  }
}

function grouped(containers: readonly OwnedContainer[]): Map<string, OwnedContainer[]> {
  const groups = new Map<string, OwnedContainer[]>();
  for (const container of containers) {
    const key = instanceKey(container);
    const group = groups.get(key);
    if (group === undefined) groups.set(key, [container]);
    else if (container.role === "infra") group.unshift(container);
    else group.push(container);
  }
  return groups;
}

/** An Instance without containers is not there. */
function setGroup(instances: Map<string, readonly OwnedContainer[]>, key: string, containers: readonly OwnedContainer[]): void {
  if (containers.length === 0) instances.delete(key);
  else instances.set(key, containers);
}
