import { rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { StatusReport, TaskRow, TaskTrace, TrashRow } from "../../reconciler/api/types.ts";
import { cli, scratch, type CliOptions, type CliResult } from "./run.ts";
import { commit, makeFleet, until } from "./repository.ts";

const here = scratch();
const stop = new AbortController();
const env = { SETPOINT_LOG: "silent", SETPOINT_STATE: "state" };
let fleet = "";
let running: Promise<CliResult> = Promise.reject(new Error("not started"));
running.catch(() => {});

async function setpoint(line: string, options: Partial<CliOptions> = {}): Promise<CliResult> {
  return cli({ cwd: here.dir, env, ...options }, ...line.split(" "));
}

async function converged(head: string): Promise<StatusReport> {
  return until(async () => {
    const report = JSON.parse((await setpoint("status -o json")).stdout) as StatusReport;
    return report.commit === head && report.state === "converged" ? report : null;
  });
}

async function trash(): Promise<readonly TrashRow[]> {
  return JSON.parse((await setpoint("trash list -o json")).stdout) as TrashRow[];
}

const SET = (name: string, volume: string): string => `apiVersion: setpoint/v1
kind: Set
metadata: {name: ${name}}
spec:
  pool: lab
  replicas: 1
  template:
    containers:
      - {name: app, image: "shop/db:1", resources: {cpu: {request: 100m}, memory: {request: 64Mi}}, mounts: [{volume: ${volume}, path: /data}]}
    volumes: [{name: ${volume}, lvm: {size: 2Gi}}]
`;

async function commitSet(name: string, volume = "data"): Promise<void> {
  writeFileSync(join(fleet, `sets/${name}.yaml`), SET(name, volume));
  await converged(commit(fleet));
}

async function removeSet(name: string): Promise<void> {
  rmSync(join(fleet, `sets/${name}.yaml`));
  await converged(commit(fleet));
}

beforeAll(async () => {
  fleet = await makeFleet(here.dir);
  running = cli({ cwd: here.dir, env, interrupted: stop.signal }, "daemon", "--repo", "fleet", "--speed", "200");
  await until(async () => ((await setpoint("status")).stdout.includes("converged") ? true : null));
});

afterAll(async () => {
  stop.abort();
  await running;
  here.remove();
});

describe("the trash", () => {
  test("is empty at first", async () => {
    expect(await setpoint("trash list")).toMatchObject({
      exitCode: 0,
      stdout: "",
      stderr: expect.stringContaining("there is nothing in the trash"),
    });
    expect(await trash()).toEqual([]);
  });

  test("lists what a removed Set left", async () => {
    await commitSet("db");
    await removeSet("db");
    const [row] = await trash();
    const head = { set: "db", index: 0, volume: "data", kind: "lvm", sizeBytes: 2 * 1024 ** 3, restore: null, purge: null };
    const fields = "id host set index volume kind sizeBytes usedBytes trashedAtMs commit taskId purgeAtMs restore purge";
    expect(Object.keys(row!).join(" ")).toBe(fields);
    expect(row).toMatchObject({ ...head, id: `${row!.host}/db-0-data-${row!.trashedAtMs}`, purgeAtMs: row!.trashedAtMs + 7 * 86_400_000 });
    expect((await setpoint("trash list")).stdout).toMatch(
      /^ID +WAS +SIZE +USED +TRASHED +REVISION +TASK +PURGED +RESTORE\n\S+ +db\/0 data +2Gi .* in (7d|6d23h)\n$/,
    );
    expect((await setpoint("trash list --set web")).stderr).toContain("there is nothing in the trash of Set web");
    expect((await setpoint(`trash list --host ${row!.host} --set db`)).stdout).toContain(row!.id);
    expect((await setpoint(`get trash ${row!.id}`)).stdout).toContain("db/0 data");
  });

  test("gives a volume back when its Set is committed again", async () => {
    const [{ id, host }] = (await trash()) as [TrashRow];
    const asked = await setpoint("trash restore db-0 --why audit");
    expect(asked).toEqual({
      exitCode: 0,
      stderr: "",
      stdout: `${id} comes back as volume data of db/0; it waits for Set db in the manifests\nsee how it goes: setpoint trash list, setpoint explain db/0\n`,
    });
    expect(await trash()).toMatchObject([
      { purgeAtMs: null, restore: { slot: "db/0", who: "ann", why: "audit", state: "waits for Set db in the manifests" } },
    ]);
    expect((await setpoint("status")).stdout).toMatch(
      /TO RESTORE +AS +BY +STATE\n\S+ +db\/0 data +ann +waits for Set db in the manifests\n/,
    );
    expect((await setpoint(`trash restore ${id}`)).stderr).toContain(
      `error: ann asked for ${id} already, as volume data of db/0 [restore-open]`,
    );
    expect((await setpoint(`trash purge ${id} --yes`)).stderr).toContain("[restore-open]");
    await commitSet("db");
    await until(async () => ((await trash()).length === 0 ? true : null));
    expect((await setpoint("get slots db -o json")).stdout).toContain(`"host": "${host}"`);
    const tasks = JSON.parse((await setpoint("trace -o json")).stdout) as TaskRow[];
    const { taskId } = tasks.find(({ set }) => set === "db")!;
    const { spans } = JSON.parse((await setpoint(`trace ${taskId} -o json`)).stdout) as TaskTrace;
    expect(spans.map(({ kind }) => kind)).toContain("restoreVolume");
    expect(spans.map(({ kind }) => kind)).not.toContain("createVolume");
  });

  test("takes what a slot has only when that was said", async () => {
    await removeSet("db");
    await commitSet("db");
    const [{ id, host }] = (await trash()) as [TrashRow];
    expect((await setpoint("trash restore db-0 --to db/4")).exitCode).toBe(0);
    const explained = await until(async () => {
      const { stdout } = await setpoint("explain db/4");
      return stdout.includes("this waits") ? stdout : null;
    });
    expect(explained).toContain(
      `ann asked for volume data to come back from ${id}; this waits for Set db to have a slot 4: it wants 0 to 0. End it with: setpoint trash restore --cancel ${id}\n`,
    );
    await setpoint("trash restore --cancel db-0");
    expect((await setpoint(`trash restore ${id}`)).stderr).toBe(
      `error: db/0 has data of its own, volume data on ${host}, which would go to the trash [restore-occupied]\n  hint: If that is what you want, add --replace. To restore beside it: --to SET/INDEX\n`,
    );
    expect((await setpoint(`trash restore ${id} --replace --why`.concat(" back"))).exitCode).toBe(0);
    const after = await until(async () => {
      const rows = await trash();
      return rows.length === 1 && rows[0]!.id !== id ? rows : null;
    });
    expect(after).toMatchObject([{ set: "db", index: 0, volume: "data", restore: null }]);
    const tasks = JSON.parse((await setpoint("trace -o json")).stdout) as TaskRow[];
    expect(tasks[0]).toMatchObject({ set: "db", trigger: "restore" });
  });

  test("gives a volume to another Set, under the name it has there", async () => {
    await commitSet("copy", "pgdata");
    expect((await setpoint("trash restore db-0 --to copy/0")).stderr).toBe(
      "error: can't restore it there: it needs a volume data in Set copy [restore-target]\n  hint: Give one of: copy/0/pgdata\n",
    );
    expect((await setpoint("trash restore db-0 --to copy/0/pgdata")).stderr).toContain("[restore-occupied]");
    expect((await setpoint("trash restore db-0 --to web/0")).stderr).toContain("hint: Set web has no volume of kind lvm.");
    expect((await setpoint("trash restore db-0 --to copy")).stderr).toBe(
      "error: 'copy' is not a slot [restore-target]\n  hint: Write SET/INDEX, such as db/0, or SET/INDEX/VOLUME, such as db/0/data.\n",
    );
    expect((await setpoint("trash restore db-0 --to copy/1/pgdata")).stdout).toContain(
      "; it waits for Set copy to have a slot 1: it wants 0 to 0\n",
    );
    const cancelled = await setpoint("trash restore --cancel db-0");
    expect(cancelled.stdout).toMatch(/^\S+\/db-0-data-\d+ is not restored; /);
    expect((await setpoint("trash restore --cancel db-0")).stderr).toContain("[no-such-restore]");
    expect((await setpoint("trash restore db-0 --to copy/0/pgdata --replace")).exitCode).toBe(0);
    await until(async () => ((await trash()).some(({ set }) => set === "copy") ? true : null));
    await until(async () => ((await trash()).every(({ restore }) => restore === null) ? true : null));
    expect((await trash()).map(({ set }) => set)).toEqual(["copy"]);
  });

  test("is destroyed before its time only when that was said twice", async () => {
    const [{ id }] = (await trash()) as [TrashRow];
    expect((await setpoint(`trash purge ${id}`)).stderr).toMatch(
      /^error: .*its data would be destroyed for good \[purge-unconfirmed\]\n {2}hint: If you mean it, add --yes\.\n$/,
    );
    const questions: string[] = [];
    const answers = (answer: string) => (question: string) => (questions.push(question), answer);
    expect(await setpoint(`trash purge ${id}`, { answers: answers("y") })).toMatchObject({ exitCode: 1, stdout: `${id} is kept\n` });
    expect(questions[0]).toMatch(
      /^\S+: volume pgdata of copy\/0, 2Gi, .* used, in the trash for .*\nIts data is destroyed for good\. Go on\? Type yes: $/,
    );
    expect(await setpoint(`trash purge ${id}`, { answers: answers("yes") })).toMatchObject({
      exitCode: 0,
      stdout: `${id} is being destroyed\n`,
    });
    await until(async () => ((await trash()).length === 0 ? true : null));
    expect((await setpoint(`trash purge ${id} --yes`)).stderr).toContain(
      `error: no entry of the trash has an id that begins with '${id}' [no-such-trash]`,
    );
  });

  test("asks for more where an id is not clear", async () => {
    await removeSet("db");
    await removeSet("copy");
    await commitSet("db");
    await removeSet("db");
    const ids = (await trash()).filter(({ set }) => set === "db").map(({ id }) => id);
    expect(ids).toHaveLength(2);
    expect((await setpoint("trash restore db-0")).stderr).toBe(
      `error: 'db-0' may be any of 2 entries of the trash [trash-ambiguous]\n  hint: Give one of: ${ids.join(", ")}\n`,
    );
  });

  test("is still known when no daemon runs", async () => {
    const before = (await trash()).map(({ id }) => id);
    stop.abort();
    await running;
    const { stdout, stderr } = await setpoint("trash list -o json");
    expect((JSON.parse(stdout) as TrashRow[]).map(({ id }) => id)).toEqual(before);
    expect(stderr).toContain("no daemon runs on");
    expect((await setpoint(`trash restore ${before[0]}`)).stderr).toContain("[no-daemon]");
  });
});
