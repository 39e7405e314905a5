import type { JournalEvent } from "../../core/events.ts";
import { parseMemory, serializeMemory, type SerializedMemory } from "../../core/memory-json.ts";
import type { Memory } from "../../core/memory.ts";
import { type Attribution, createAttributor } from "./attribution.ts";
import type { StoredJournal } from "./journal.ts";

/**
 * A journal that lives as long as the object: for simulation, tests and verbs that keep nothing. It survives a
 * simulated crash of its reconciler, since load() may be called again. Keeps every event; a snapshot only
 * shortens what load() returns.
 */
export function openMemoryJournal(): StoredJournal {
  const events: JournalEvent[] = [];
  const attributions: Attribution[] = [];
  const attributor = createAttributor(null, []);
  let saved: SerializedMemory | null = null;
  const about = (wanted: (attribution: Attribution) => boolean) => events.filter((_, position) => wanted(attributions[position]!));

  return {
    load: () => ({ memory: saved === null ? null : parseMemory(saved), events: events.slice(saved?.sequence ?? 0) }),
    append(added) {
      for (const event of added) {
        events.push(event);
        attributions.push(attributor.attribute(event));
      }
    },
    snapshot(memory: Memory) {
      saved = serializeMemory(memory);
    },
    eventsSinceSnapshot: () => events.length - (saved?.sequence ?? 0),
    eventsOfTask: (taskId) => about((attribution) => attribution.taskId === taskId),
    recentTasks(limit) {
      const all = events.filter((event) => event.type === "task.opened");
      const opened = lastOf(all, limit).toReversed();
      const ids = new Set(opened.map((event) => event.taskId));
      return [...opened, ...events.filter((event) => event.type === "task.closed" && ids.has(event.taskId))];
    },
    eventsOfSet: (set, limit) =>
      lastOf(
        about((attribution) => attribution.set === set),
        limit,
      ),
    close() {},
  };
}

/** A copy of the last `limit` items. */
function lastOf<Item>(items: readonly Item[], limit: number): Item[] {
  return items.slice(Math.max(0, items.length - limit));
}
