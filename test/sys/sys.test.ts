import { mkdtempSync, readFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { createSystemClock } from "../../reconciler/sys/clock.ts";
import { readConfig } from "../../reconciler/sys/config.ts";
import { exec, type ExecRequest } from "../../reconciler/sys/exec.ts";
import { createLog } from "../../reconciler/sys/log.ts";

function request(args: readonly string[], change: Partial<ExecRequest> = {}): ExecRequest {
  return {
    program: process.execPath,
    args,
    folder: tmpdir(),
    environment: {},
    deadlineMs: 10_000,
    maxOutputBytes: 100_000,
    signal: new AbortController().signal,
    ...change,
  };
}

describe("exec", () => {
  test("passes arguments as they are: no shell reads them", async () => {
    const args = ["$HOME", "; echo x", "a  b", "`id`", ""];
    const result = await exec(request(["-e", "process.stdout.write(JSON.stringify(process.argv.slice(1)))", "--", ...args]));
    expect(result.kind === "exited" && JSON.parse(Buffer.from(result.stdout).toString())).toEqual(args);
  });

  test("inherits no environment, and gives input and exit code through", async () => {
    const script = "process.stdin.pipe(process.stdout); console.error(JSON.stringify(process.env)); process.exitCode = 3";
    const result = await exec(request(["-e", script], { environment: { ONE: "1" }, input: "in" }));
    expect(result).toMatchObject({ kind: "exited", exitCode: 3 });
    expect(result.kind === "exited" && [Buffer.from(result.stdout).toString(), JSON.parse(result.stderr)]).toEqual(["in", { ONE: "1" }]);
  });

  test("ends a program at its deadline, at its output limit, and when aborted", async () => {
    expect(await exec(request(["-e", "setInterval(() => {}, 1000)"], { deadlineMs: 300 }))).toEqual({ kind: "deadline" });
    const flood = "process.stdout.write('x'.repeat(1e6)); setInterval(() => {}, 1000)";
    expect(await exec(request(["-e", flood], { maxOutputBytes: 1_000 }))).toEqual({ kind: "too-much-output" });
    const control = new AbortController();
    const running = exec(request(["-e", "setInterval(() => {}, 1000)"], { signal: control.signal }));
    setTimeout(() => control.abort(new Error("enough")), 100);
    await expect(running).rejects.toThrow("enough");
  });

  test("a program that does not exist is a result", async () => {
    expect(await exec(request([], { program: "no-such-program-here" }))).toEqual({ kind: "not-found" });
  });
});

describe("log", () => {
  test("one JSON line per call, on disk before the call returns", () => {
    const file = join(mkdtempSync(join(tmpdir(), "setpoint-log-")), "sub", "log");
    const log = createLog("info", file);
    log.debug({}, "not this");
    log.warn({ host: "a-1", error: new Error("outer", { cause: new Error("inner") }) }, "host lost");
    const lines = readFileSync(file, "utf8").trimEnd().split("\n");
    expect(lines).toHaveLength(1);
    expect(JSON.parse(lines[0]!)).toEqual({
      level: "warn",
      time: expect.stringMatching(/^\d{4}-\d\d-\d\dT[\d:.]+Z$/),
      host: "a-1",
      error: "outer: inner",
      msg: "host lost",
    });
  });
});

describe("config", () => {
  test("SETPOINT_LOG is a level, info when unset", () => {
    expect(readConfig({})).toEqual({ logLevel: "info" });
    expect(readConfig({ SETPOINT_LOG: "" })).toEqual({ logLevel: "info" });
    expect(readConfig({ SETPOINT_LOG: "debug" })).toEqual({ logLevel: "debug" });
    expect(() => readConfig({ SETPOINT_LOG: "loud" })).toThrow('SETPOINT_LOG is "loud"; allowed are debug, info, warn, error, silent');
  });
});

describe("clock", () => {
  test("sleep ends after its time, or rejects with the reason when aborted", async () => {
    const clock = createSystemClock();
    const before = clock.monotonic();
    await clock.sleep(20);
    expect(clock.monotonic() - before).toBeGreaterThan(18);
    const control = new AbortController();
    const sleeping = clock.sleep(1e12, control.signal);
    control.abort(new Error("wake up"));
    await expect(sleeping).rejects.toThrow("wake up");
    await expect(clock.sleep(1, control.signal)).rejects.toThrow("wake up");
  });
});
