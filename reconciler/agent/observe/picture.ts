import { withDeadline } from "../deadline.ts";
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
  readonly #round: () => Promise<void>;
  #inventory: EngineInventory = { containers: [], foreign: [], images: [] };
  #byInstance: ReadonlyMap<string, readonly OwnedContainer[]> = new Map();
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

  /** True once the engine was listed: before that nobody knows what is there. */
  get looked(): boolean {
    return this.#looked;
  }

  get facts(): EngineFacts | null {
    return this.#facts;
  }

  get inventory(): EngineInventory {
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
    const limits = { ms: LOOK_WITHIN_MS, what: "listing the containers", lifetime: this.#lifetime };
    this.#inventory = await withDeadline(this.#clock, limits, async (signal) => {
      this.#facts ??= await this.#engine.facts(signal);
      return await this.#engine.inventory(signal);
    });
    this.#byInstance = grouped(this.#inventory.containers);
    this.#looked = true;
    this.#lookedForMs = this.#clock.monotonic() - beganMs;
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
