import { shortHash, traceId } from "../core/hash.ts";
import type { DesiredSet } from "../core/desired.ts";
import type { EventBody } from "../core/events.ts";
import type { SetMemory, TaskTrigger } from "../core/memory.ts";

/** How a Set stands at the end of a pass; decides whether its Task goes on. */
export interface TaskFacts {
  /** Steps or claims were planned for it in this pass. */
  readonly works: boolean;
  /** Nothing is missing, nothing is left over, nothing is under way. */
  readonly settled: boolean;
  /** Nothing will happen by itself any more: what is missing is Stalled. */
  readonly stalled: boolean;
  readonly held: boolean;
  readonly trigger: TaskTrigger;
}

/** What a Set should become, as one hash: another goal is another Task. */
export function goalOf(set: DesiredSet | null, total: number): string {
  return set === null ? "removed" : shortHash([set.specHash, set.liveHash, total, set.pools, set.placement]);
}

/** The id of the Task that steps of this pass belong to: the open one if it has the same goal, else the next. */
export function taskIdFor(name: string, memory: SetMemory | null, goal: string, commit: string): string {
  if (memory?.task?.goal === goal) return memory.task.taskId;
  return traceId("task", name, (memory?.taskCount ?? 0) + 1, goal, commit);
}

/** Opens and closes the Set's Task as the pass demands; at most one is open. */
export function taskEvents(name: string, memory: SetMemory | null, goal: string, commit: string, facts: TaskFacts): EventBody[] {
  const events: EventBody[] = [];
  let open = memory?.task ?? null;
  function close(verdict: "Succeeded" | "Failed" | "Superseded" | "Held", why: string): void {
    if (open === null) return;
    events.push({ type: "task.closed", set: name, taskId: open.taskId, verdict, why });
    open = null;
  }
  if (open !== null && open.goal !== goal) close("Superseded", "the manifest asks for something else now");
  if (facts.held) close("Held", "a hold was placed");
  if (facts.works && open === null && !facts.held) {
    const taskId = taskIdFor(name, memory, goal, commit);
    events.push({ type: "task.opened", set: name, taskId, trigger: facts.trigger, commit, goal });
  } else if (facts.settled) {
    close("Succeeded", "every slot is as the manifest asks");
  } else if (facts.stalled) {
    close("Failed", "what is missing is Stalled");
  }
  return events;
}
