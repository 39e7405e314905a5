import { afterEach, beforeEach } from "vitest";
import { createDockerEngine, type DockerEngine } from "../../../reconciler/agent/docker/engine.ts";
import { StepError } from "../../../reconciler/agent/ports.ts";
import { createSystemClock } from "../../../reconciler/sys/clock.ts";
import { FakeEngine } from "./fake-engine.ts";

export interface Fixture {
  fake: FakeEngine;
  engine: DockerEngine;
}

export const REF = { set: "web", index: 3, generation: 2 };
export const INFRA = "setpoint.web-3.g2._infra";
export const APP = "setpoint.web-3.g2.web";

/** Long enough for a slow machine, short enough for a test that waits for it. */
export const SHORT = { pingMs: 300, readMs: 300, writeMs: 300, silenceMs: 300 };

export function never(): AbortSignal {
  return new AbortController().signal;
}

/** A fake engine and ours on it, new for each test. `short`: with deadlines that a test can wait for. */
export function useEngine({ short = false }: { short?: boolean } = {}): Fixture {
  const fixture = {} as Fixture;
  beforeEach(async () => {
    fixture.fake = new FakeEngine();
    await fixture.fake.listen();
    fixture.fake.images.add("test/busybox:1");
    fixture.engine = createDockerEngine({
      socketPath: fixture.fake.socketPath,
      fleet: "test",
      host: "a-1",
      clock: createSystemClock(),
      folder: fixture.fake.folder,
      infraImage: "test/busybox:1",
      dataRoot: fixture.fake.folder,
      ...(short ? { deadlines: SHORT } : {}),
    });
  });
  afterEach(async () => {
    fixture.engine.close();
    await fixture.fake.close();
  });
  return fixture;
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
