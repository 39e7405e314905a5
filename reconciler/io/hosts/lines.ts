/** Longer lines are no answer of an agent. */
const MAX_LINE_BYTES = 64 * 2 ** 20;
const NEWLINE = 0x0a;

/** Splits a stream of bytes into lines; throws for one beyond all bounds. */
export class LineSplitter {
  #parts: Buffer[] = [];
  #sizeBytes = 0;

  /** The lines that this chunk completes, without their ends. */
  push(chunk: Buffer): Buffer[] {
    const lines: Buffer[] = [];
    let start = 0;
    for (let end = chunk.indexOf(NEWLINE); end >= 0; end = chunk.indexOf(NEWLINE, start)) {
      const rest = chunk.subarray(start, end);
      lines.push(this.#parts.length === 0 ? rest : Buffer.concat([...this.#parts, rest]));
      this.#parts = [];
      this.#sizeBytes = 0;
      start = end + 1;
    }
    if (start < chunk.length) {
      this.#parts.push(chunk.subarray(start));
      this.#sizeBytes += chunk.length - start;
      if (this.#sizeBytes > MAX_LINE_BYTES) throw new Error(`the agent sent a line of more than ${MAX_LINE_BYTES} bytes`);
    }
    return lines;
  }
}
