import { existsSync, mkdirSync, renameSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { cli, scratch, type CliResult } from "./run.ts";
import { commit, edit, makeFleet, until } from "./repository.ts";

const here = scratch();
const stop = new AbortController();
const env = { SETPOINT_LOG: "silent", SETPOINT_STATE: "state" };
let fleet = "";
let running: Promise<CliResult> = Promise.reject(new Error("not started"));
running.catch(() => {});

async function setpoint(...args: readonly string[]): Promise<CliResult> {
  return cli({ cwd: here.dir, env }, ...args);
}

/** The status, once it is as wanted. */
async function status(isWanted: (report: Record<string, unknown>) => boolean): Promise<Record<string, unknown>> {
  return until(async () => {
    const { exitCode, stdout, stderr } = await setpoint("status", "-o", "json");
    if (exitCode !== 0 || stderr !== "") return null;
    const report = JSON.parse(stdout) as Record<string, unknown>;
    return isWanted(report) ? report : null;
  });
}

beforeAll(async () => {
  fleet = await makeFleet(here.dir);
  running = cli({ cwd: here.dir, env, interrupted: stop.signal }, "daemon", "--repo", "fleet", "--speed", "200");
  await status((report) => report["state"] === "converged");
});

afterAll(async () => {
  stop.abort();
  await running;
  here.remove();
});

describe("a running daemon and the verbs that speak with it", () => {
  test("status and the lists have their documented shapes", async () => {
    const report = await status((report) => report["state"] === "converged");
    const fields = "fleet state commit rejected sets instances hosts actionsRunning changes waits tasks held holds restores problems";
    expect(Object.keys(report).join(" ")).toBe(fields);
    expect(report).toMatchObject({ sets: { total: 1, ready: 1 }, instances: { wanted: 3, ready: 3 }, hosts: { total: 4, reachable: 4 } });
    for (const kind of ["sets", "slots", "hosts", "pools", "tasks", "revisions", "holds", "trash", "problems"]) {
      const rows = JSON.parse((await setpoint("get", kind, "-o", "json")).stdout) as object[];
      expect({ kind, fields: Object.keys(rows[0] ?? {}) }).toMatchSnapshot();
    }
  });

  test("tables fit the terminal; wide and yaml show all", async () => {
    const narrow = await cli({ cwd: here.dir, env, columns: 60 }, "get", "slots");
    for (const line of narrow.stdout.split("\n")) expect(line.length).toBeLessThanOrEqual(60);
    expect(narrow.stdout).toMatch(/^SLOT +PHASE +HOST/);
    expect((await setpoint("get", "slots", "web/1", "-o", "yaml")).stdout).toMatch(/^- slot: web\/1\n {2}phase: running\n/);
    expect((await setpoint("get", "hosts", "lab-a-1", "-o", "wide")).stdout.split("\n")[0]).toContain("RACK");
  });

  test("a plan of a folder comes from the daemon, twice the same", async () => {
    const first = await setpoint("plan", "fleet", "-o", "json");
    expect(first).toMatchObject({ exitCode: 0, stderr: "" });
    expect((await setpoint("plan", "fleet", "-o", "json")).stdout).toBe(first.stdout);
    writeFileSync(join(fleet, "sets/broken.yaml"), "kind: Set\n");
    const broken = await setpoint("plan", "fleet");
    expect(broken.exitCode).toBe(1);
    expect(broken.stderr).toMatch(/sets\/broken\.yaml:1:1: error: [^]*nothing is planned\n$/);
  });

  test("a commit that is not valid is refused and said; the fleet stays", async () => {
    commit(fleet);
    const report = await status((report) => report["rejected"] !== null);
    expect(report).toMatchObject({ instances: { wanted: 3, ready: 3 }, problems: [{ code: "frozen", subject: "source" }] });
    expect((await setpoint("status")).stdout).toMatch(/^refused +[0-9a-f]{7}: sets\/broken\.yaml:1:1/m);
    expect((await setpoint("get", "revisions")).stdout).toMatch(/rejected[^]*\nsets\/broken\.yaml:1:1: error: /);
    edit(join(fleet, "sets/broken.yaml"), "kind: Set\n", "");
    commit(fleet);
    await status((report) => report["rejected"] === null);
  });

  test("hold, explain, release", async () => {
    expect((await setpoint("hold", "web", "--for", "2h", "--why", "busy evening")).stdout).toBe(
      "web is held for 2h; end it with: setpoint release web\n",
    );
    edit(join(fleet, "sets/web.yaml"), "nginx:1.27", "nginx:1.28");
    const head = commit(fleet);
    const report = await status((report) => report["commit"] === head && report["state"] === "blocked");
    expect(report["holds"]).toMatchObject([{ name: "web", who: "ann", why: "busy evening" }]);
    const explained = await setpoint("explain", "web/1");
    expect(explained.stdout).toContain("Set web is held by ann: busy evening. End it with: setpoint release web\n");
    expect((await setpoint("release", "web")).stdout).toBe("web is released\n");
    await status((report) => report["state"] === "converged");
    expect((await setpoint("release", "web")).stderr).toBe(
      "error: set web is not held [no-such-hold]\n  hint: List the holds with: setpoint get holds\n",
    );
  });

  test("a host is drained, given back, switched off and on", async () => {
    expect((await setpoint("host", "drain", "lab-a-1", "--why", "new disk")).exitCode).toBe(0);
    await until(async () => ((await setpoint("get", "slots", "-o", "json")).stdout.includes(`"host": "lab-a-1"`) ? null : true));
    expect((await setpoint("explain", "host/lab-a-1")).stdout).toContain("ann said so: new disk.\n");
    expect((await setpoint("host", "confirm-dead", "lab-a-1", "--why", "x")).stderr).toContain("[host-alive]");
    expect((await setpoint("host", "uncordon", "lab-a-1")).stdout).toBe("host lab-a-1 follows its manifest again\n");
    await setpoint("sim", "lab-b-2", "off");
    await status((report) => (report["hosts"] as { reachable: number }).reachable === 3);
    await until(async () => (/^WAITS +SLOTS +WHY\nweb +1 +host lab-b-2 is silent/m.test((await setpoint("status")).stdout) ? true : null));
    await setpoint("sim", "lab-b-2", "on");
    await status((report) => (report["hosts"] as { reachable: number }).reachable === 4 && report["state"] === "converged");
  });

  test("what a daemon refuses", async () => {
    const refused = async (...args: readonly string[]): Promise<string> => (await setpoint(...args)).stderr;
    expect(await refused("hold", "wbe", "--why", "x")).toBe(
      "error: there is no set 'wbe' [no-such-object]\n  hint: List them with: setpoint get sets\n",
    );
    expect(await refused("hold", "web/1", "--why", "x")).toContain("error: 'web/1' can't be held [usage]\n");
    expect(await refused("explain", "nobody")).toContain(
      "error: nothing to explain about 'nobody': there is no Set or host of that name [no-such-object]\n",
    );
    expect(await refused("get", "slots", "nobody")).toBe(
      "error: slots has no 'nobody' [no-such-object]\n  hint: List all with: setpoint get slots\n",
    );
    expect(await refused("confirm", "abcd")).toBe(
      "error: no held destroys wait under the hash abcd [no-such-plan]\n  hint: Nothing waits to be confirmed now.\n",
    );
    expect(await refused("trace", "zz")).toBe(
      "error: there is no Task whose id begins with 'zz' [no-such-task]\n  hint: List the newest with: setpoint trace\n",
    );
    expect(await refused("sim", "lab-z-1", "off")).toContain("error: there is no simulated host 'lab-z-1' [no-such-object]\n");
    expect(await refused("host", "cordon", "lab-z-1", "--why", "x")).toContain("error: there is no host 'lab-z-1' [no-such-object]\n");
  });

  test("only one process may have the state folder", async () => {
    const second = await setpoint("daemon", "--repo", "fleet");
    expect(second.exitCode).toBe(1);
    expect(second.stderr).toMatch(/^error: .* \[[a-z-]+\]\n {2}hint: .*\n$/);
    const applied = await setpoint("apply", "fleet");
    expect(applied.stderr).toContain("[daemon-running]");
  });

  test("status --watch tells what happens", async () => {
    const seen: string[] = [];
    const end = new AbortController();
    const watching = cli({ cwd: here.dir, env, interrupted: end.signal, onOut: (text) => seen.push(text) }, "status", "--watch");
    await until(async () => (seen.length > 0 ? true : null));
    await setpoint("hold", "pool/lab", "--why", "audit");
    await until(async () => (seen.join("").includes("ann holds pool lab: audit") ? true : null));
    await setpoint("release", "pool/lab");
    end.abort();
    expect((await watching).exitCode).toBe(0);
  });
});

describe("destroys over the budget", () => {
  test("wait until somebody confirms them", async () => {
    edit(join(fleet, "sets/web.yaml"), "replicas: 3", "replicas: 0");
    const planned = await setpoint("plan", "fleet");
    expect(planned.exitCode).toBe(3);
    const head = commit(fleet);
    const report = await status((report) => report["commit"] === head && report["state"] === "blocked");
    const [held] = report["held"] as { hash: string; destroys: number; budget: number }[];
    expect(planned.stdout).toContain(`${held!.destroys} destroys, budget ${held!.budget}; go on with: setpoint confirm ${held!.hash}\n`);
    const told = (await setpoint("status")).stdout;
    expect(told.split(`setpoint confirm ${held!.hash}`)).toHaveLength(2);
    expect((await setpoint("explain", "web")).stdout).toContain("It waits: the Set wants fewer: over the pool's budget");
    expect((await setpoint("confirm", held!.hash)).stdout).toBe("confirmed: the held destroys go on\n");
    const done = await status((report) => report["state"] === "converged");
    expect(done).toMatchObject({ held: [], instances: { wanted: 0, ready: 0 } });
    edit(join(fleet, "sets/web.yaml"), "replicas: 0", "replicas: 3");
  });
});

describe("a daemon whose repository has no valid commit yet", () => {
  test("says what is wrong instead of ending", async () => {
    const end = new AbortController();
    const lone = cli({ cwd: here.dir, env, interrupted: end.signal }, "daemon", "--repo", "nowhere", "--state", "lone");
    const refused = await until(async () => {
      const { stdout } = await cli({ cwd: here.dir }, "status", "--state", "lone");
      return stdout.includes("refused") ? stdout : null;
    });
    expect(refused).toMatch(/^state +starting\nrevision +none yet\nrefused +source: .*nowhere/m);
    expect((await cli({ cwd: here.dir }, "plan", "fleet", "--state", "lone")).exitCode).toBe(2);
    end.abort();
    expect((await lone).exitCode).toBe(0);
  });
});

describe("sockets of daemons that are gone", () => {
  test("a killed daemon's socket file is no daemon", async () => {
    const state = join(here.dir, "gone");

    mkdirSync(state);
    const server = createServer();
    await new Promise<void>((resolve) => {
      server.listen(join(state, "control.sock"), resolve);
    });
    // As after a kill: the file stays and nobody listens.

    renameSync(join(state, "control.sock"), join(state, "kept"));
    await new Promise((resolve) => server.close(resolve));
    renameSync(join(state, "kept"), join(state, "control.sock"));
    expect(existsSync(join(state, "control.sock"))).toBe(true);
    const { stderr } = await cli({ cwd: here.dir }, "hold", "web", "--why", "x", "--state", "gone");
    expect(stderr).toContain("[no-daemon]");
    const end = new AbortController();
    const revived = cli({ cwd: here.dir, env, interrupted: end.signal }, "daemon", "--repo", "fleet", "--speed", "200", "--state", "gone");
    await until(async () => ((await cli({ cwd: here.dir }, "get", "hosts", "--state", "gone")).exitCode === 0 ? true : null));
    end.abort();
    expect((await revived).exitCode).toBe(0);
    expect(existsSync(join(state, "control.sock"))).toBe(false);
  });
});
