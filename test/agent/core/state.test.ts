import { copyFileSync, mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fc, test } from "@fast-check/vitest";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { AgentState, type InstanceRecord } from "../../../reconciler/agent/state/agent-state.ts";
import { openStateFiles } from "../../../reconciler/agent/state/files.ts";
import type { Action } from "../../../reconciler/core/plan.ts";
import { spec, step } from "../../sim/fixtures.ts";
import { Bench, codeOf, exclusiveSpec } from "./bench.ts";

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "setpoint-state-"));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

function record(index: number): InstanceRecord {
  const { live, liveHash, resources } = spec();
  const rest = { taskId: "t", ip: "", spec: spec(), live, liveHash, resources, want: "run", why: "", started: true } as const;
  return { set: "web", index, generation: 1, ...rest };
}

describe("the state folder", () => {
  it("gives back what was saved", async () => {
    const state = new AgentState(folder);
    await Promise.all([
      state.put(record(0)),
      state.put(record(1)),
      state.raiseFloor("web", 0, 3),
      state.remove({ set: "db", index: 0, generation: 4 }),
    ]);
    const again = new AgentState(folder);
    expect([...again.records.values()]).toEqual([record(0), record(1)]);
    expect(again.floors).toEqual({ "db/0": 5, "web/0": 3 });
    expect(again.wasRemoved({ set: "db", index: 0, generation: 4 })).toBe(true);
    // Equal specs are on the disk once.
    expect(readFileSync(join(folder, "instances.json"), "utf8").match(/shop\/web:1"/g)).toHaveLength(1);
  });

  it("writes what comes together at once", async () => {
    const files = openStateFiles(folder);
    let writes = 0;
    const saves = Array.from({ length: 100 }, () => files.save("floors", () => ({ writes: ++writes })));
    await Promise.all(saves);
    expect(writes).toBeLessThanOrEqual(2);
  });

  it.each([
    ["torn", (path: string) => truncateSync(path, 40), "is torn"],
    ["damaged", (path: string) => writeFileSync(path, readFileSync(path, "utf8").replace("web/0", "web/1")), "checksum"],
    ["foreign", (path: string) => writeFileSync(path, "{}"), "not written by a setpoint agent"],
    ["of another concern", (path: string) => copyFileSync(join(folder, "instances.json"), path), "checksum"],
  ])("says that a file is %s, and never starts without it", async (_, damage, words) => {
    const state = new AgentState(folder);
    await Promise.all([state.raiseFloor("web", 0, 3), state.put(record(0))]);
    const path = join(folder, "floors.json");
    damage(path);
    expect(() => new AgentState(folder)).toThrow(words);
    expect(() => new AgentState(folder)).toThrow(path);
  });

  it("passes over a save that nobody was told of", async () => {
    const state = new AgentState(folder);
    await state.raiseFloor("web", 0, 3);
    writeFileSync(join(folder, "floors.json.new"), "{");
    expect(new AgentState(folder).floors).toEqual({ "web/0": 3 });
  });

  it("says when it can't save, and does so at the next try", async () => {
    const state = new AgentState(folder);
    rmSync(folder, { recursive: true });
    await expect(state.raiseFloor("web", 0, 3)).rejects.toMatchObject({ code: "agent-state" });
    const { mkdirSync } = await import("node:fs");
    mkdirSync(folder);
    await state.raiseFloor("web", 0, 3);
    expect(new AgentState(folder).floors).toEqual({ "web/0": 3 });
  });
});

describe("a killed agent", () => {
  it("is followed by one that knows what it had promised", async () => {
    const at = await new Bench().begin();
    await at.bringUp();
    // Killed after the start was written and before the engine was asked.
    at.host.engine.hung = true;
    void at.agent.apply(step("removeInstance", {})).catch(() => undefined);
    await at.pass(50);
    const old = at.agent;
    at.abandon();
    at.host.engine.wake();
    await at.pass(3_000);
    const ip = "10.0.0.10";
    expect(codeOf(await at.run(step("startInstance", { spec: spec(), ip })))).toBe("refused stale-generation");
    expect(at.host.engine.running()).toEqual([]);
    expect(await at.codes(step("removeInstance", {}), step("confirmGone", {}))).toEqual(["done", "done"]);
    await at.until(old.close());
    await at.end();
  });

  it("serves no second fleet", async () => {
    const at = await new Bench().begin();
    await expect(at.until(at.agent.configure({ ...at.agent.settings!, fleet: "other" }))).rejects.toMatchObject({ code: "agent-fleet" });
    await at.restart();
    await expect(at.until(at.agent.configure({ ...at.agent.settings!, fleet: "other" }))).rejects.toThrow(
      "serves the fleet shop, not other",
    );
    await at.end();
  });
});

const generation = fc.integer({ min: 1, max: 4 });
const event = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.tuple(
      fc.constantFrom("attachPort", "startInstance", "stopInstance", "removeInstance", "confirmGone", "detachPort"),
      generation,
    ),
  },
  { weight: 1, arbitrary: fc.tuple(fc.constantFrom("crash", "restart", "wait"), generation) },
);

function actionOf(kind: string, at: number): Action {
  const slot = { generation: at };
  if (kind === "attachPort") return step("attachPort", { ip: "10.0.0.10", vlan: null, ingressBps: null, egressBps: null }, slot);
  if (kind === "startInstance") return step("startInstance", { spec: exclusiveSpec(), ip: "10.0.0.10" }, slot);
  if (kind === "stopInstance") return step("stopInstance", { graceMs: 1 }, slot);
  return step(kind as "confirmGone", {}, slot);
}

test.prop([fc.array(event, { minLength: 4, maxLength: 14 }), fc.boolean()], { numRuns: 12 })(
  "no order or doubling of steps runs a generation below the floor, or two of an exclusive slot",
  async (events, sideBySide) => {
    const at = await new Bench().begin();
    const check = (): void => expect(at.host.engine.running().length).toBeLessThanOrEqual(1);
    const open: Promise<unknown>[] = [];
    for (const [kind, number] of events) {
      if (kind === "crash") at.host.engine.crash({ set: "web", index: 0, generation: number });
      else if (kind === "wait") await at.pass(1_500);
      else if (kind === "restart") await at.restart();
      else {
        const floor = at.agent.settings === null ? 1 : new AgentState(at.host.folder).floorOf("web", 0);
        const started = at.host.engine.calls.length;
        const step = at.agent.apply(actionOf(kind, number));
        open.push(step.catch(() => undefined));
        if (sideBySide) continue;
        await at.until(step);
        if (number < floor && kind === "startInstance") expect(at.host.engine.calls.slice(started)).toEqual([]);
      }
      check();
    }
    await at.until(Promise.allSettled(open));
    check();
    // What ran below a floor that rose is ended at the latest when all is looked at anew.
    await at.pass(70_000);
    const floor = new AgentState(at.host.folder).floorOf("web", 0);
    for (const name of at.host.engine.running()) expect(Number(name.split("@")[1])).toBeGreaterThanOrEqual(floor - 1);
    await at.end();
  },
);
