import { compareText } from "../../core/order.ts";
import type { ContainerSample, InstanceSample } from "../../core/samples.ts";
import { type CgroupLocator, createCgroupLocator } from "../cgroup/locate.ts";
import type { OwnedContainer, Sampler } from "../ports.ts";
import { ContainerReader } from "./container-reader.ts";

/** The largest file is memory.stat of cgroup v2, about 1.5 KiB plus a line per NUMA-less counter; io.stat has a line per disk. */
const BUFFER_BYTES = 64 * 1024;

interface Followed {
  readonly container: OwnedContainer;
  readonly reader: ContainerReader;
}

/** Reads what `locator` finds. A container that does not run at the moment is left out of its Instance; the Instance stays. */
export function createSampler(locator: CgroupLocator = createCgroupLocator()): Sampler {
  const buffer = Buffer.allocUnsafe(BUFFER_BYTES);
  let followed: readonly Followed[] = [];
  return {
    follow: (containers) => {
      const before = new Map(followed.map((entry) => [keyOf(entry.container), entry.reader]));
      followed = containers
        .filter(({ role, state }) => role === "app" && state === "running")
        .toSorted(byName)
        .map((container) => {
          const key = keyOf(container);
          const reader = before.get(key) ?? new ContainerReader(locator, container);
          before.delete(key);
          return { container, reader };
        });
      for (const reader of before.values()) reader.close();
    },
    read: () => gather(followed.map(({ container, reader }) => ({ container, counters: reader.read(buffer) }))),
    close: () => {
      for (const { reader } of followed) reader.close();
      followed = [];
    },
  };
}

/** One life of a container: a restart has another process. */
function keyOf({ id, pid }: OwnedContainer): string {
  return `${id} ${pid}`;
}

/** By set, index, generation, then name. */
function byName(a: OwnedContainer, b: OwnedContainer): number {
  return compareText(a.set, b.set) || a.index - b.index || a.generation - b.generation || compareText(a.container, b.container);
}

/** Containers in order, put together by Instance. */
function gather(
  read: readonly { readonly container: OwnedContainer; readonly counters: Omit<ContainerSample, "name"> | null }[],
): readonly Omit<InstanceSample, "network">[] {
  const instances: { set: string; index: number; generation: number; containers: ContainerSample[] }[] = [];
  for (const { container, counters } of read) {
    const { set, index, generation } = container;
    let last = instances.at(-1);
    if (last === undefined || last.set !== set || last.index !== index || last.generation !== generation) {
      last = { set, index, generation, containers: [] };
      instances.push(last);
    }
    if (counters !== null) last.containers.push({ name: container.container, ...counters });
  }
  return instances;
}
