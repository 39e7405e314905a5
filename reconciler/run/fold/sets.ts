import { type Draft, type EventOf, refuse, replaceSet, setOf } from "./draft.ts";

export function taskOpened(draft: Draft, event: EventOf<"task.opened">): void {
  const set = setOf(draft, event.set);
  if (set.task !== null) refuse(draft, event, `${event.set} has an open task, ${set.task.taskId}`);
  const { taskId, trigger, commit, goal, atMs: openedAtMs } = event;
  replaceSet(draft, event.set, set, { task: { taskId, trigger, commit, goal, openedAtMs }, taskCount: set.taskCount + 1 });
}

export function taskClosed(draft: Draft, event: EventOf<"task.closed">): void {
  const set = setOf(draft, event.set);
  if (set.task?.taskId !== event.taskId) {
    refuse(draft, event, `the open task of ${event.set} is ${set.task?.taskId ?? "none"}, not ${event.taskId}`);
  }
  replaceSet(draft, event.set, set, { task: null });
}

export function setCounted(draft: Draft, event: EventOf<"set.counted">): void {
  const set = setOf(draft, event.set);
  if (set.count !== event.count) replaceSet(draft, event.set, set, { count: event.count });
}
