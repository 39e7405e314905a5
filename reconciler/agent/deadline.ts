import { type Sleeper, withDeadline } from "../sys/deadline.ts";
import { StepError } from "./ports.ts";

/** Runs work on the engine or a driver; rejects with a StepError of code `engine-silent` when it is not over after `ms`. */
export function withinTime<Result>(
  clock: Sleeper,
  { ms, what, lifetime }: { readonly ms: number; readonly what: string; readonly lifetime: AbortSignal },
  work: (signal: AbortSignal) => Promise<Result>,
): Promise<Result> {
  const late = (): Error => new StepError("engine-silent", `${what} did not end within ${Math.round(ms / 1000)} s`);
  return withDeadline(clock, { ms, lifetime, late }, work);
}
