import { setTimeout as sleep } from "node:timers/promises";

/** One way to start containers. */
export interface Contender {
  readonly name: string;
  /** Containers per step of the scale: two where each has an infra container of its own. */
  readonly containersEach: number;
  /** Resolves when this many run. */
  scaleTo(count: number): Promise<void>;
  /** Removes them all. */
  clear(): Promise<void>;
}

/** Why a contender can't take part here. */
export interface Absent {
  readonly name: string;
  readonly absent: string;
}

/** Medians over the runs; milliseconds. */
export interface StartFigures {
  readonly name: string;
  readonly containersEach: number;
  readonly firstHalfMs: number;
  readonly secondHalfMs: number;
  readonly totalMs: number;
  /** Of every run, fastest first. */
  readonly totalsMs: readonly number[];
}

const SETTLE_MS = 1_000;

/** 0 → half → all, and away again, `runs` times. */
export async function measureStarts(
  contender: Contender,
  { count, runs }: { readonly count: number; readonly runs: number },
): Promise<StartFigures> {
  const halves: (readonly [number, number])[] = [];
  for (let run = 0; run < runs; run++) {
    try {
      const started = performance.now();
      await contender.scaleTo(count / 2);
      const half = performance.now();
      await contender.scaleTo(count);
      halves.push([half - started, performance.now() - half]);
    } finally {
      await contender.clear();
    }
    await sleep(SETTLE_MS);
  }
  const totalsMs = halves.map(([first, second]) => first + second).sort((a, b) => a - b);
  return {
    name: contender.name,
    containersEach: contender.containersEach,
    firstHalfMs: median(halves.map(([first]) => first)),
    secondHalfMs: median(halves.map(([, second]) => second)),
    totalMs: median(totalsMs),
    totalsMs,
  };
}

function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)]!;
}
