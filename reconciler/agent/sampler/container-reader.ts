import { existsSync } from "node:fs";
import { join } from "node:path";
import type { CgroupLocator, CgroupOwner } from "../cgroup/locate.ts";
import { type CounterFile, type Counters, type MutableCounters, stackedMajors, V1_FILES, V2_FILES } from "./counters.ts";
import { KeptFile } from "./kept-file.ts";

interface KeptCounter {
  readonly file: KeptFile;
  readonly take: CounterFile["take"];
}

/** Reads the counters of one container on kept descriptors. */
export class ContainerReader {
  readonly #locator: CgroupLocator;
  readonly #owner: CgroupOwner;
  /** Found once: the cgroups of a container have the same paths in all its lives. */
  #files: readonly KeptCounter[] = [];
  #stacked: ReadonlySet<number> = new Set();

  constructor(locator: CgroupLocator, owner: CgroupOwner) {
    this.#locator = locator;
    this.#owner = owner;
  }

  /**
   * Null while the container does not run. All numbers are of one life of it: when any of its cgroups was removed since the last time,
   * all files are opened anew and read from the first.
   */
  read(buffer: Buffer): Counters | null {
    if (this.#files.length === 0) {
      this.#files = findCounters(this.#locator, this.#owner);
      this.#stacked = stackedMajors(this.#locator.devices());
    }
    return this.#files.length === 0 ? null : (this.#tryRead(buffer) ?? this.#tryRead(buffer));
  }

  close(): void {
    for (const { file } of this.#files) file.close();
  }

  #tryRead(buffer: Buffer): Counters | null {
    const counters: MutableCounters = { cpuNs: 0, throttledNs: 0, memoryBytes: 0, oomKills: 0, readBytes: 0, writtenBytes: 0 };
    try {
      for (const { file, take } of this.#files) take(buffer.toString("latin1", 0, file.read(buffer)), counters, this.#stacked);
    } catch {
      // ENODEV of a kept descriptor, ENOENT of a new one: the cgroup was removed.
      this.close();
      return null;
    }
    // Memory and its cache are two reads.
    counters.memoryBytes = Math.max(0, counters.memoryBytes);
    return counters;
  }
}

/** Empty when the container has no cgroup. A controller that the host lacks is left out. */
function findCounters(locator: CgroupLocator, owner: CgroupOwner): readonly KeptCounter[] {
  const folderOf = locator.locate(owner);
  const found: KeptCounter[] = [];
  for (const [version, files] of [[1, V1_FILES] as const, [2, V2_FILES] as const]) {
    for (const { controller, name, optional, take } of files) {
      if (locator.hierarchies.get(controller)?.version !== version) continue;
      const folder = folderOf(controller);
      if (folder === null) return [];
      const path = join(folder.path, name);
      if (optional === undefined || existsSync(path)) found.push({ file: new KeptFile(path), take });
    }
  }
  return found;
}
