import { spawn, type ChildProcess } from "node:child_process";
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { PassThrough } from "node:stream";
import { afterEach, beforeEach, expect, it } from "vitest";
import { dialBySudo } from "../../../reconciler/cli/verbs/agent-dial.ts";
import { UserError } from "../../../reconciler/core/errors/user-error.ts";

const MAIN = join(import.meta.dirname, "../../../reconciler/main.ts");
/** An agent as far as dial is concerned: answers the first word, and does with the second what its argument says. */
const AGENT = `
const { createServer } = require("node:net");
createServer({ allowHalfOpen: true }, (socket) => {
  socket.on("error", () => {});
  socket.on("end", () => socket.end("bye\\n"));
  socket.on("data", (chunk) => {
    if (String(chunk) === "end\\n") socket.end("last words\\n");
    else if (String(chunk) === "reset\\n") socket.resetAndDestroy();
    else socket.write("hello\\n");
  });
}).listen(process.argv[1], () => console.log("up"));
`;

let folder: string;
let path: string;
let agent: ChildProcess;

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), "sp-dial-"));
  path = join(folder, "agent.sock");
  agent = spawn(process.execPath, ["-e", AGENT, path], { stdio: ["ignore", "pipe", "inherit"] });
  await new Promise((resolve) => agent.stdout!.once("data", resolve));
});
afterEach(() => {
  agent.kill("SIGKILL");
  rmSync(folder, { recursive: true, force: true });
});

interface Dialled {
  readonly process: ChildProcess;
  readonly out: () => string;
  readonly err: () => string;
  /** Exit code. */
  readonly ended: Promise<number | null>;
}

/** A process as ssh starts it: its stdin stays open for as long as the reconciler's side does. Resolves when the agent answered. */
async function dialled(): Promise<Dialled> {
  const child = spawn(process.execPath, [MAIN, "agent", "dial", "--socket", path], { stdio: "pipe" });
  const texts = { out: "", err: "" };
  child.stderr.on("data", (chunk: Buffer) => (texts.err += chunk.toString()));
  const heard = new Promise((resolve) => child.stdout.once("data", resolve));
  child.stdout.on("data", (chunk: Buffer) => (texts.out += chunk.toString()));
  const ended = new Promise<number | null>((resolve) => child.once("close", resolve));
  child.stdin.on("error", () => {});
  child.stdin.write("hello\n");
  await heard;
  return { process: child, out: () => texts.out, err: () => texts.err, ended };
}

const CLOSED = /^error: the agent on .*agent.sock closed the connection \[agent-closed\]\n {2}hint: It was stopped, or died: /;

it("ends at once, with a message, when the agent is killed", async () => {
  const { ended, err } = await dialled();
  const atMs = performance.now();
  agent.kill("SIGKILL");
  expect(await ended).toBe(1);
  expect(performance.now() - atMs).toBeLessThan(1_000);
  expect(err()).toMatch(CLOSED);
});

it("ends at once when the agent closes the socket, after what the agent said last", async () => {
  const { process: child, ended, out, err } = await dialled();
  child.stdin!.write("end\n");
  expect(await ended).toBe(1);
  expect(out()).toBe("hello\nlast words\n");
  expect(err()).toMatch(CLOSED);
});

it("ends with 0 and without a word when its input ended first", async () => {
  const { process: child, ended, out, err } = await dialled();
  child.stdin!.end();
  expect(await ended).toBe(0);
  expect([out(), err()]).toEqual(["hello\nbye\n", ""]);
});

const DENIED = new UserError("agent-denied", "you may not");

/** Dials with a program `sudo` that does this. */
async function bySudo(program: string, input: PassThrough): Promise<{ readonly ended: Promise<number>; readonly output: PassThrough }> {
  writeFileSync(join(folder, "sudo"), `#!/bin/sh\n${program}\n`);
  chmodSync(join(folder, "sudo"), 0o755);
  const output = new PassThrough();
  return { ended: dialBySudo("/run/a.sock", { PATH: `${folder}:/usr/bin:/bin` }, DENIED, { input, output }), output };
}

it("goes on as root by sudo, with the same words", async () => {
  const input = new PassThrough();
  const { ended, output } = await bySudo('echo "$1 ${2##*/reconciler/} $3 $4 $5 $6"; exec cat', input);
  input.end("hello\n");
  expect(await ended).toBe(0);
  expect(String(output.read())).toBe("-n setpoint agent dial --socket /run/a.sock\nhello\n");
});

it.each([
  ["echo 'sudo: a password is required' >&2; exit 1", DENIED],
  ["printf 'error: no agent listens [agent-absent]\\n  hint: Start it\\n' >&2; exit 1", { code: "agent-absent", hint: "Start it" }],
])("says what root heard, or that there is no root: %s", async (program, error) => {
  const input = new PassThrough();
  const { ended } = await bySudo(program, input);
  await expect(ended).rejects.toMatchObject(error);
});
