import { setTimeout as sleep } from "node:timers/promises";
import type { ProcessorTime } from "./processor-time.ts";

/** One way to start containers. */
export interface Contender {
  readonly name: string;
  /** Containers per step of the scale: two where each has an infra container of its own. */
  readonly containersEach: number;
  /** Before each run, not measured. */
  setUp?(): Promise<void>;
  /** Resolves when this many run. */
  scaleTo(count: number): Promise<void>;
  /** Removes them all. */
  clear(): Promise<void>;
  /** After each run. */
  tearDown?(): Promise<void>;
}

/** Why a contender can't take part here. */
export interface Absent {
  readonly name: string;
  readonly absent: string;
}

/** One run; milliseconds. */
interface Run {
  readonly firstHalfMs: number;
  readonly secondHalfMs: number;
  readonly totalMs: number;
  /** What starting took of the CPUs, removal not counted. */
  readonly processor: ProcessorTime | null;
}

/** Medians over the runs; milliseconds. */
export interface StartFigures extends Run {
  readonly name: string;
  readonly containersEach: number;
  /** Of every run, fastest first. */
  readonly totalsMs: readonly number[];
}

export interface MeasureOptions {
  readonly count: number;
  readonly runs: number;
  /** CPU time used so far; null where it can't be told. */
  readonly processor: () => ProcessorTime | null;
  /** Hears each result of each run as it comes. */
  readonly report: (name: string, result: string) => void;
}

const SETTLE_MS = 1_000;

/** 0 → half → all, and away again, `runs` times. In each run all take their turn, so that what else the machine does meets all of them. */
export async function measureStarts(
  contenders: readonly Contender[],
  options: MeasureOptions,
): Promise<readonly (StartFigures | Absent)[]> {
  const runs = new Map<Contender, Run[]>(contenders.map((contender) => [contender, []]));
  const absent = new Map<Contender, string>();
  for (let number = 0; number < options.runs; number++) {
    for (const [contender, own] of runs) {
      if (absent.has(contender)) continue;
      try {
        const run = await runOnce(contender, options);
        own.push(run);
        options.report(contender.name, `${(run.totalMs / 1000).toFixed(2)} s`);
      } catch (error) {
        absent.set(contender, (error as Error).message.trim().split("\n")[0]!);
        options.report(contender.name, (error as Error).message);
      }
      await sleep(SETTLE_MS);
    }
  }
  return [...runs].map(([contender, own]) => {
    const why = absent.get(contender);
    return why === undefined ? figuresOf(contender, own) : { name: contender.name, absent: why };
  });
}

async function runOnce(contender: Contender, { count, processor }: MeasureOptions): Promise<Run> {
  await contender.setUp?.();
  try {
    const before = processor();
    const started = performance.now();
    await contender.scaleTo(count / 2);
    const half = performance.now();
    await contender.scaleTo(count);
    const end = performance.now();
    return {
      firstHalfMs: half - started,
      secondHalfMs: end - half,
      totalMs: end - started,
      processor: difference(before, processor()),
    };
  } finally {
    await contender.clear();
    await contender.tearDown?.();
  }
}

function difference(before: ProcessorTime | null, after: ProcessorTime | null): ProcessorTime | null {
  if (before === null || after === null) return null;
  const { engineMs, agentMs, reconcilerMs } = before;
  return { engineMs: after.engineMs - engineMs, agentMs: after.agentMs - agentMs, reconcilerMs: after.reconcilerMs - reconcilerMs };
}

function figuresOf({ name, containersEach }: Contender, runs: readonly Run[]): StartFigures {
  const middle = (of: (run: Run) => number): number => median(runs.map(of));
  const share = (of: (time: ProcessorTime) => number): number =>
    median(runs.flatMap((run) => (run.processor === null ? [] : [of(run.processor)])));
  return {
    name,
    containersEach,
    firstHalfMs: middle((run) => run.firstHalfMs),
    secondHalfMs: middle((run) => run.secondHalfMs),
    totalMs: middle((run) => run.totalMs),
    totalsMs: runs.map((run) => run.totalMs).sort((a, b) => a - b),
    processor: runs.some((run) => run.processor === null)
      ? null
      : { engineMs: share((it) => it.engineMs), agentMs: share((it) => it.agentMs), reconcilerMs: share((it) => it.reconcilerMs) },
  };
}

function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)]!;
}
