import { isDeepStrictEqual } from "node:util";
import type { Permits } from "../../apply/lanes.ts";
import { createTurns } from "../../in-turn.ts";
import type { RunCommand } from "../../commands.ts";
import type { Clock, Log, VolumeRef, VolumeUser } from "../../ports.ts";
import { nameOf } from "../volumes.ts";
import { setMounts } from "./container-mounts.ts";
import { measureUse } from "./measure.ts";
import { locate, mountsOf } from "./location.ts";
import { isOver, pauseAfter, useToTell } from "./soft-limit.ts";

/** What the watching of folders needs. */
export interface WatchParts {
  readonly run: RunCommand;
  readonly clock: Clock;
  readonly log: Log;
  readonly lifetime: AbortSignal;
  /** Makes the folder so for containers that start from now on, and writes that down. */
  readonly setReadOnly: (ref: VolumeRef, on: boolean, signal: AbortSignal) => Promise<void>;
}

/** A volume that is a folder, as its note says. */
export interface LimitedFolder {
  readonly ref: VolumeRef;
  /** Where its data lies; without a symbolic link. */
  readonly data: string;
  readonly limitBytes: number;
  readonly readOnly: boolean;
}

export interface FolderUse {
  readonly usedBytes: number;
  /** Why containers can still write though it is over its limit; empty: they can't, or it is not. */
  readonly trouble: string;
}

/** Without anybody who writes, there is no hurry. */
const IDLE_PAUSE_MS = 60_000;

/** One folder, from when it is known until it is gone. */
export class FolderWatch {
  readonly #parts: WatchParts;
  readonly #walks: Permits;
  readonly #ended = new AbortController();
  /** Ends with the folder or the agent. */
  readonly #signal: AbortSignal;
  /** Judging and enforcing, one at a time. */
  readonly #inTurn = createTurns();
  #folder: LimitedFolder;
  #users: readonly VolumeUser[];
  #wake = new AbortController();
  /** Exact; null: it was not measured yet. */
  #usedBytes: number | null = null;
  #toldBytes: number | null = null;
  #trouble = "";
  /** Which processes have it as it should be. */
  #enforced = "";
  #measureTrouble = "";

  constructor(folder: LimitedFolder, users: readonly VolumeUser[], walks: Permits, parts: WatchParts) {
    this.#parts = parts;
    this.#walks = walks;
    this.#folder = folder;
    this.#users = users;
    this.#signal = AbortSignal.any([this.#ended.signal, parts.lifetime]);
    void this.#run();
  }

  get use(): FolderUse | null {
    return this.#toldBytes === null ? null : { usedBytes: this.#toldBytes, trouble: this.#trouble };
  }

  /** Another limit is judged by at once, without measuring. */
  update(folder: LimitedFolder): void {
    const isOther = !isDeepStrictEqual(folder, this.#folder);
    this.#folder = folder;
    if (isOther) this.#judgeSoon();
  }

  /** Containers that came are dealt with at once, and are a reason to measure. */
  follow(users: readonly VolumeUser[]): void {
    if (isDeepStrictEqual(users, this.#users)) return;
    const wasIdle = this.#users.length === 0;
    this.#users = users;
    this.#judgeSoon();
    if (wasIdle) this.#wake.abort();
  }

  stop(): void {
    this.#ended.abort();
  }

  async #run(): Promise<void> {
    const { clock } = this.#parts;
    while (!this.#signal.aborted) {
      const costMs = await this.#measure();
      await this.#judge();
      this.#wake = new AbortController();
      const isIdle = this.#users.length === 0 && !this.#folder.readOnly;
      const pauseMs = isIdle ? IDLE_PAUSE_MS : pauseAfter(costMs);
      await clock.sleep(pauseMs, AbortSignal.any([this.#signal, this.#wake.signal])).catch(() => undefined);
    }
  }

  /** Resolves to how long it took, in milliseconds. */
  async #measure(): Promise<number> {
    const { clock, log, run } = this.#parts;
    let beganMs = clock.monotonic();
    try {
      this.#usedBytes = await this.#walks.run(this.#signal, async () => {
        beganMs = clock.monotonic();
        return await measureUse(this.#folder.data, run, this.#signal);
      });
      this.#toldBytes = useToTell(this.#usedBytes, this.#toldBytes, this.#folder.limitBytes);
      this.#measureTrouble = "";
    } catch (error) {
      const text = error instanceof Error ? error.message : String(error);
      if (!this.#signal.aborted && text !== this.#measureTrouble) {
        log.warn({ volume: nameOf(this.#folder.ref), trouble: text }, "the use of a volume could not be measured");
      }
      this.#measureTrouble = text;
      return IDLE_PAUSE_MS;
    }
    return clock.monotonic() - beganMs;
  }

  #judgeSoon(): void {
    void this.#judge();
  }

  /** Whether it is over its limit, and what follows for its containers. Never rejects. */
  async #judge(): Promise<void> {
    try {
      await this.#inTurn(async () => {
        this.#signal.throwIfAborted();
        if (this.#usedBytes !== null) await this.#decide(this.#usedBytes);
        await this.#enforce();
      });
    } catch (error) {
      if (this.#signal.aborted) return;
      this.#parts.log.warn({ error, volume: nameOf(this.#folder.ref) }, "the soft limit of a volume could not be kept");
    }
  }

  async #decide(usedBytes: number): Promise<void> {
    const { ref, limitBytes, readOnly } = this.#folder;
    const over = isOver(usedBytes, limitBytes, readOnly);
    if (over === readOnly) return;
    await this.#parts.setReadOnly(ref, over, this.#signal);
    this.#folder = { ...this.#folder, readOnly: over };
    this.#toldBytes = usedBytes;
    const text = over
      ? "a volume is over its soft limit and read-only now"
      : "a volume is below its soft limit and can be written to again";
    this.#parts.log.warn({ volume: nameOf(ref), usedBytes, limitBytes }, text);
  }

  /** In the containers that run. Those that are as they should be are left alone until something changes. */
  async #enforce(): Promise<void> {
    const { ref, data, readOnly } = this.#folder;
    const users = this.#users;
    const wanted = JSON.stringify([readOnly, users]);
    if (wanted === this.#enforced) return;
    const location = locate(data, await mountsOf("self"));
    if (location === null) return;
    const troubles: string[] = [];
    for (const user of users) {
      const trouble = await setMounts(user, location, readOnly, this.#parts.run, this.#signal);
      if (trouble !== null) troubles.push(trouble);
    }
    const text = troubles.join("; ");
    if (text !== "" && text !== this.#trouble) {
      this.#parts.log.warn({ volume: nameOf(ref), trouble: text }, "a mount of a volume could not be changed; it is tried again");
    }
    this.#trouble = text;
    this.#enforced = text === "" ? wanted : "";
  }
}
