import { chmodSync, existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { startStream, StreamEndError } from "../../reconciler/sys/stream-process.ts";
import { Bench, settings, step, until } from "./bench.ts";

/** A program `ssh` that notes its arguments and then joins its stdin and stdout to an agent's socket, as sshd and `agent dial` do. */
function fakeSsh(folder: string, program: string): Record<string, string> {
  const bin = join(folder, "bin");
  mkdirSync(bin);
  const file = join(bin, "ssh");
  writeFileSync(file, `#!${process.execPath}\nconst { connect } = require("node:net");\nconst fs = require("node:fs");\n${program}`);
  chmodSync(file, 0o755);
  return { PATH: `${bin}:/usr/bin:/bin` };
}

const JOIN = `
fs.appendFileSync(process.env.NOTES, JSON.stringify(process.argv.slice(2)) + "\\n");
const socket = connect(process.env.AGENT);
process.stdin.pipe(socket).pipe(process.stdout);
socket.on("close", () => process.exit(0));
`;

function open(environment: Record<string, string>): Bench {
  return new Bench(environment);
}

test("an ssh host is reached through the system's ssh, and served like any other", async () => {
  const environment: Record<string, string> = {};
  const at = open(environment);
  const agent = await at.agent("h-1");
  const notes = join(at.folder.path, "notes");
  Object.assign(environment, fakeSsh(at.folder.path, JOIN), { NOTES: notes, AGENT: agent.path });
  try {
    at.follow({ name: "h-1", agent: "ssh://ops@bj-a-001:2222", settings: settings("h-1") });
    await until(() => at.seen.has("h-1") && agent.echoes.length > 0);
    const results: number[] = [];
    for await (const { number } of at.hosts.apply("h-1", { actions: [step(0), step(1)] }, new AbortController().signal))
      results.push(number);
    expect(results.sort((a, b) => a - b)).toEqual([0, 1]);
    const calls = readFileSync(notes, "utf8").trim().split("\n");
    expect(calls.length).toBeLessThanOrEqual(3);
    const args = JSON.parse(calls[0]!) as string[];
    expect(args.slice(-8)).toEqual(["-p", "2222", "--", "bj-a-001", "setpoint", "agent", "dial"].toSpliced(0, 0, "ops"));
    expect(args).toEqual(expect.arrayContaining(["BatchMode=yes", "ControlMaster=auto", "ControlPersist=60", "-T", "-l"]));
    expect(args.find((one) => one.startsWith("ControlPath="))).toBe(`ControlPath=${at.folder.path}/ssh/%C`);
    expect(existsSync(join(at.folder.path, "ssh"))).toBe(true);
  } finally {
    await at.close();
  }
});

test.each([
  [
    "process.stderr.write('Warning: x\\nroot@h: Permission denied (publickey).\\n'); process.exit(255);",
    "ssh: root@h: Permission denied (publickey).",
  ],
  [
    "process.stderr.write('bash: setpoint: command not found\\n'); process.exit(127);",
    "setpoint is not on the PATH of that host's ssh logins; install it there (ssh HOST setpoint --version must work)",
  ],
  ["process.stderr.write('no agent listens here\\n'); process.exit(1);", "no agent listens here"],
  [
    "process.stderr.write('Banner of the host\\nerror: no agent listens on /run/a.sock [agent-absent]\\n  hint: Start it on this host: x\\n'); process.exit(1);",
    "no agent listens on /run/a.sock; start it on this host: x",
  ],
  ["process.kill(process.pid, 'SIGKILL');", "ssh was killed by SIGKILL"],
])("why a login failed is told: %s", async (program, said) => {
  const environment: Record<string, string> = {};
  const at = open(environment);
  Object.assign(environment, fakeSsh(at.folder.path, program));
  try {
    at.follow({ name: "h-1", agent: "ssh://h", settings: settings("h-1") });
    await until(() => at.lost.length > 0);
    expect(at.lost).toEqual([`h-1: ${said}`]);
  } finally {
    await at.close();
  }
});

test("without ssh on the machine, that is said", async () => {
  const at = open({ PATH: "/nowhere" });
  try {
    at.follow({ name: "h-1", agent: "ssh://h", settings: settings("h-1") });
    await until(() => at.lost.length > 0);
    expect(at.lost).toEqual(["h-1: there is no program ssh; install the OpenSSH client"]);
  } finally {
    await at.close();
  }
});

test("a stream's program ends with it, and with all it started", async () => {
  const program = `const { spawn } = require("node:child_process"); const child = spawn("sleep", ["600"]); process.stdout.write(child.pid + "\\n"); process.stdin.resume();`;
  const stream = startStream({ program: process.execPath, args: ["-e", program], folder: "/", environment: { PATH: "/usr/bin:/bin" } });
  const pid = Number(String(await new Promise((resolve) => stream.once("data", resolve))));
  expect(isRunning(pid)).toBe(true);
  stream.destroy();
  await until(() => !isRunning(pid));
});

test("what a program says last is kept, and no more", async () => {
  const program = `process.stderr.write("x".repeat(100000) + "\\nthe end\\n"); process.exitCode = 3;`;
  const stream = startStream({ program: process.execPath, args: ["-e", program], folder: "/", environment: {} });
  const error = await new Promise<unknown>((resolve) => stream.once("error", resolve));
  expect(error).toBeInstanceOf(StreamEndError);
  const { end } = error as StreamEndError;
  expect(end).toMatchObject({ kind: "exited", exitCode: 3 });
  if (end.kind === "exited") expect([end.stderr.length, end.stderr.endsWith("the end\n")]).toEqual([4096, true]);
});

test("the exit code of a program that closes its output early is waited for as long as was asked", async () => {
  const program = "exec >&-; sleep 1.5; exit 3";
  const request = { program: "sh", args: ["-c", program], folder: "/", environment: { PATH: "/usr/bin:/bin" } };
  const patient = startStream({ ...request, exitWithinMs: 60_000 });
  const error = await new Promise<unknown>((resolve) => patient.once("error", resolve).resume());
  expect(error).toMatchObject({ end: { kind: "exited", exitCode: 3 } });
  const hasty = startStream({ ...request, exitWithinMs: 100 });
  await new Promise((resolve) => hasty.once("end", resolve).resume());
});

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return !readFileSync(`/proc/${pid}/stat`, "utf8").includes(") Z ");
  } catch {
    return false;
  }
}
