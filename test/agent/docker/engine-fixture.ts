import { afterEach, beforeEach } from "vitest";
import { createDockerEngine, type DockerEngine } from "../../../reconciler/agent/docker/engine.ts";
import { type Clock, StepError } from "../../../reconciler/agent/ports.ts";
import { createSystemClock } from "../../../reconciler/sys/clock.ts";
import { FakeEngine } from "./fake-engine.ts";

export interface Fixture {
  fake: FakeEngine;
  engine: DockerEngine;
  /** All deadlines that run come now. */
  expire(): void;
  /** As failure, for a step that the fake leaves without an answer: its deadlines come as soon as it hangs. */
  hung(step: Promise<unknown>): ReturnType<typeof failure>;
}

export const REF = { set: "web", index: 3, generation: 2 };
export const INFRA = "setpoint.web-3.g2._infra";
export const APP = "setpoint.web-3.g2.web";

export function never(): AbortSignal {
  return new AbortController().signal;
}

/** A fake engine and ours on it, new for each test. Deadlines never come by themselves, so that no test depends on the machine's speed. */
export function useEngine(): Fixture {
  const fixture = {} as Fixture;
  beforeEach(async () => {
    const fake = new FakeEngine();
    await fake.listen();
    fake.images.add("test/busybox:1");
    const clock = createPatientClock();
    fixture.fake = fake;
    fixture.engine = createDockerEngine({
      socketPath: fake.socketPath,
      fleet: "test",
      host: "a-1",
      clock,
      folder: fake.folder,
      infraImage: "test/busybox:1",
      dataRoot: fake.folder,
    });
    fixture.expire = () => clock.expire();
    fixture.hung = async (step) => {
      const error = failure(step);
      await until(() => fake.hung > 0);
      clock.expire();
      return error;
    };
  });
  afterEach(async () => {
    fixture.engine.close();
    await fixture.fake.close();
  });
  return fixture;
}

/** Sleeps shorter than a second are real; longer ones are deadlines, which end with `expire`. */
function createPatientClock(): Clock & { expire(): void } {
  const system = createSystemClock();
  const sleepers = new Set<() => void>();
  return {
    ...system,
    sleep: (ms, signal) => (ms < 1_000 ? system.sleep(ms, signal) : wait(sleepers, signal)),
    expire() {
      for (const wake of sleepers) wake();
    },
  };
}

function wait(sleepers: Set<() => void>, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const wake = (): void => {
      sleepers.delete(wake);
      resolve();
    };
    sleepers.add(wake);
    signal?.addEventListener("abort", () => {
      sleepers.delete(wake);
      reject(signal.reason as Error);
    });
  });
}

export async function until(holds: () => boolean): Promise<void> {
  for (let tries = 0; !holds(); tries++) {
    if (tries > 5_000) throw new Error(`never came true: ${holds.toString()}`);
    await new Promise((resolve) => {
      setTimeout(resolve, 2);
    });
  }
}

/** The error a step ends with, as the reconciler hears it. */
export async function failure(step: Promise<unknown>): Promise<Pick<StepError, "code" | "retry" | "outcome" | "message">> {
  try {
    await step;
  } catch (error) {
    if (!(error instanceof StepError)) throw error;
    const { code, retry, outcome, message } = error;
    return { code, retry, outcome, message };
  }
  throw new Error("the step was done");
}
