import type { ServerResponse } from "node:http";
import type { WatchLine } from "../../core/agent-wire.ts";

/** A reader that takes nothing for this long is cut off. */
const STUCK_AFTER_MS = 30_000;

/**
 * One watcher's stream. While its reader is slow at most one line of each kind waits: a newer one replaces it, since each says
 * everything anew; so a slow reader costs nothing and hears what is true when it reads on.
 */
export class WatchStream {
  readonly #response: ServerResponse;
  readonly #waiting = new Map<WatchLine["type"], WatchLine>();
  #stuck: NodeJS.Timeout | null = null;

  constructor(response: ServerResponse) {
    this.#response = response;
    response.writeHead(200, { "content-type": "application/x-ndjson" });
    response.on("drain", () => this.#flush());
    response.on("close", () => this.#calm());
  }

  send(line: WatchLine): void {
    this.#waiting.set(line.type, line);
    if (!this.#response.writableNeedDrain) return this.#flush();
    this.#stuck ??= setTimeout(() => this.#response.destroy(), STUCK_AFTER_MS);
  }

  #flush(): void {
    this.#calm();
    for (const line of this.#waiting.values()) {
      this.#waiting.delete(line.type);
      if (!this.#response.write(`${JSON.stringify(line)}\n`)) return;
    }
  }

  #calm(): void {
    if (this.#stuck !== null) clearTimeout(this.#stuck);
    this.#stuck = null;
  }
}
