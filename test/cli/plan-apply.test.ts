import { readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { cli, scratch, type CliResult } from "./run.ts";
import { edit, makeFleet } from "./repository.ts";

const EXAMPLE = join(import.meta.dirname, "../../manifests-example");

const here = scratch();
let fleet = "";

async function setpoint(...args: readonly string[]): Promise<CliResult> {
  return cli({ cwd: here.dir }, ...args);
}

beforeAll(async () => {
  fleet = await makeFleet(here.dir);
});
afterAll(() => here.remove());

describe("init", () => {
  test("prints commands that work where it was called, also through npx", async () => {
    const direct = await cli({ cwd: here.dir }, "init", "one");
    expect(direct.stdout).toBe(
      'Wrote a pool of simulated hosts and one Set to one, a new git repository.\n\nNext:\n  setpoint validate one\n  setpoint plan one\n  git -C one add . && git -C one commit -m "First fleet"\n  setpoint daemon --repo one\n',
    );
    const npx = await cli({ cwd: here.dir, env: { npm_command: "exec" } }, "init", "two");
    expect(npx.stdout).toContain("  npx setpoint daemon --repo two\n");
  });
});

describe("plan and apply without a daemon", () => {
  test("a plan of the example is the same bytes each time, and changes nothing", async () => {
    const first = await setpoint("plan", EXAMPLE, "-o", "json");
    await new Promise((resolve) => setTimeout(resolve, 20));
    const second = await setpoint("plan", EXAMPLE, "-o", "json");
    expect(first.exitCode).toBe(2);
    expect(second.stdout).toBe(first.stdout);
    expect(first.stdout).not.toMatch(/AtMs|\b\d{13}\b/);
    expect(Object.keys(JSON.parse(first.stdout) as object)).toEqual([
      "hash",
      "commit",
      "verdict",
      "summary",
      "changes",
      "actions",
      "held",
      "problems",
    ]);
  });

  test("a bundle replays the plan it was saved from", async () => {
    const saved = await setpoint("plan", EXAMPLE, "-o", "json", "--save", "bundle.json");
    const replayed = await setpoint("plan", "--from", "bundle.json", "-o", "json");
    expect(replayed).toEqual({ ...saved, stderr: "" });
  });

  test("plan, apply, plan, edit, plan: exit codes 2, 0, 0, 2, and 3 where there is no room", async () => {
    expect((await setpoint("plan", fleet)).exitCode).toBe(2);
    const applied = await setpoint("apply", fleet, "--speed", "200");
    expect(applied.stdout).toMatch(/^converged: the hosts are as dir-[0-9a-f]{12} says\n$/);
    expect(applied.exitCode).toBe(0);
    const converged = await setpoint("plan", fleet, "-o", "json");
    expect(converged.exitCode).toBe(0);
    expect(JSON.parse(converged.stdout)).toMatchObject({ verdict: "nothing", changes: [], actions: [], summary: { unchanged: 3 } });
    edit(join(fleet, "sets/web.yaml"), "nginx:1.27", "nginx:1.28");
    const edited = await setpoint("plan", fleet);
    expect(edited.exitCode).toBe(2);
    expect(edited.stdout).toContain("image web 1.27 -> 1.28");
    edit(join(fleet, "sets/web.yaml"), "replicas: 3", "replicas: 100");
    const full = await setpoint("plan", fleet);
    expect(full.stdout).toMatch(/web\/99 +blocked +- .*hosts?/);
    expect(full.exitCode).toBe(3);
  });

  test("reading verbs answer from the state folder and say so", async () => {
    const status = await setpoint("status");
    expect(status.stderr).toBe(`note: no daemon runs on ${join(here.dir, ".setpoint")}; this is what its journal last knew\n`);
    expect(readFileSync(join(here.dir, ".setpoint/.gitignore"), "utf8")).toBe("*\n");
    const slots = await setpoint("get", "slots", "web", "-o", "json");
    const rows = JSON.parse(slots.stdout) as { slot: string; phase: string }[];
    expect(rows.filter((row) => row.phase === "running").map((row) => row.slot)).toEqual(["web/0", "web/1", "web/2"]);
    const tasks = JSON.parse((await setpoint("trace", "-o", "json")).stdout) as { taskId: string; verdict: string }[];
    expect(tasks).toMatchObject([{ set: "web", trigger: "create", verdict: "Succeeded" }]);
    const trace = await setpoint("trace", tasks[0]!.taskId.slice(0, 8));
    expect(trace.stdout).toMatch(/web\/0 +lab-\S+ +startInstance +\S+ +█/);
  });

  test("verbs that change something need a daemon", async () => {
    const held = await setpoint("hold", "web", "--why", "x");
    expect(held.stderr).toContain("[no-daemon]");
  });
});
