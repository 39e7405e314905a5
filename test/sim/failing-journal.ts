import type { Journal } from "../../reconciler/run/ports.ts";

/** A process that dies exactly before or after one of its journal writes. */
export interface FailingJournal extends Journal {
  /** Die at the n-th append from now, counted from 1; `written`: after it was written. */
  dieAt(append: number, written: boolean): void;
}

/** The death of the process, as the code sees it: nothing after this call happens. */
export class Killed extends Error {
  override readonly name = "Killed";
}

export function failingJournal(journal: Journal, died: () => void): FailingJournal {
  let left = Infinity;
  let afterwards = false;
  return {
    load: () => journal.load(),
    append(events) {
      left--;
      if (left > 0) return journal.append(events);
      if (afterwards && left === 0) journal.append(events);
      died();
      throw new Killed("killed between two journal writes");
    },
    snapshot: (memory) => journal.snapshot(memory),
    eventsOfTask: (taskId) => journal.eventsOfTask(taskId),
    recentTasks: (limit) => journal.recentTasks(limit),
    eventsOfSet: (set, limit) => journal.eventsOfSet(set, limit),
    close: () => undefined,
    dieAt(append, written) {
      left = append;
      afterwards = written;
    },
  };
}
