import { isDeepStrictEqual } from "node:util";
import type { StorageSettings } from "../core/host-settings.ts";
import { withinTime } from "./deadline.ts";
import type { HostCore } from "./host-core.ts";
import { createRounds } from "./rounds.ts";

const MEASURE_EVERY_MS = 10_000;
/** Everything is read anew this often: nothing tells what others do to the host's storage. */
const LOOK_EVERY_MS = 60_000;
const LOOK_WITHIN_MS = 60_000;
const MEASURE_WITHIN_MS = 30_000;

/** Keeps what is known of the host's volumes up to date, and has finished what a crash left half done. */
export class StorageWatch {
  readonly #core: HostCore;
  /** Resolves when the storage was looked at once, whatever came of it. */
  readonly looked: Promise<void>;
  #tellLooked: () => void = () => undefined;
  readonly #round = createRounds(() => this.#look());
  #applied: StorageSettings | null | undefined = undefined;
  /** Monotonic, of the last look that succeeded; -Infinity after one that did not, as when a disk is not there yet at boot. */
  #lookedAtMs = -Infinity;
  #trouble = "";

  constructor(core: HostCore) {
    this.#core = core;
    this.looked = new Promise((resolve) => (this.#tellLooked = resolve));
  }

  /** Runs until the agent stops; never rejects. */
  async run(): Promise<void> {
    const { parts, lifetime } = this.#core;
    while (!lifetime.signal.aborted) {
      if (this.#isDue()) await this.look();
      else await this.#try(MEASURE_WITHIN_MS, (signal) => parts.volumes.measure(signal));
      this.#core.publish();
      this.#tellLooked();
      await parts.clock.sleep(MEASURE_EVERY_MS, lifetime.signal).catch(() => undefined);
    }
    this.#tellLooked();
  }

  /** Looks where the settings say, beginning after this call; trouble is told in the report. */
  look(): Promise<void> {
    return this.#round();
  }

  #isDue(): boolean {
    return this.#core.parts.clock.monotonic() - this.#lookedAtMs >= LOOK_EVERY_MS;
  }

  async #look(): Promise<void> {
    const { settings, parts } = this.#core;
    if (settings === null) return;
    const storage = settings.storage ?? null;
    const known = this.#applied !== undefined && isDeepStrictEqual(this.#applied, storage);
    this.#applied = storage;
    const looked = await this.#try(LOOK_WITHIN_MS, (signal) => (known ? parts.volumes.look(signal) : parts.volumes.apply(storage, signal)));
    this.#lookedAtMs = looked ? parts.clock.monotonic() : -Infinity;
    this.#core.publish();
  }

  /** Whether it succeeded; trouble is logged once, not at every round. */
  async #try(ms: number, work: (signal: AbortSignal) => Promise<void>): Promise<boolean> {
    const { parts, lifetime } = this.#core;
    try {
      await withinTime(parts.clock, { ms, what: "looking at the volumes", lifetime: lifetime.signal }, work);
      this.#trouble = "";
      return true;
    } catch (error) {
      if (lifetime.signal.aborted) return false;
      const trouble = error instanceof Error ? error.message : String(error);
      if (trouble !== this.#trouble) parts.log.warn({ error }, "the host's volumes could not be looked at");
      this.#trouble = trouble;
      return false;
    }
  }
}
