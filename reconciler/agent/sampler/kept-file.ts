import { closeSync, openSync, readSync } from "node:fs";

/** A file of the kernel that is read over and over: a read at 0 gives its present text. The descriptor is opened at the first read. */
export class KeptFile {
  readonly path: string;
  #descriptor: number | null = null;

  constructor(path: string) {
    this.path = path;
  }

  /** Reads into `into` and returns how many bytes. Throws what open or read throw, ENODEV when the file's cgroup was removed meanwhile. */
  read(into: Buffer): number {
    this.#descriptor ??= openSync(this.path, "r");
    return readSync(this.#descriptor, into, 0, into.length, 0);
  }

  close(): void {
    if (this.#descriptor !== null) closeSync(this.#descriptor);
    this.#descriptor = null;
  }
}
