import { execFileSync, spawn, spawnSync } from "node:child_process";
import { copyFileSync, mkdirSync, mkdtempSync, realpathSync, rmSync, symlinkSync, writeFileSync, chmodSync, readFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, expect, test } from "vitest";

const CHECKOUT = dirname(dirname(dirname(fileURLToPath(import.meta.url))));
const LAUNCHER = join(CHECKOUT, "reconciler/setpoint");
const VERSION = (JSON.parse(readFileSync(join(CHECKOUT, "package.json"), "utf8")) as { version: string }).version;
/** Without the checkout's node_modules/.bin: what a user's shell has. */
const PLAIN_PATH = "/usr/local/bin:/usr/bin:/bin";

let root = "";
beforeEach(() => {
  root = realpathSync(mkdtempSync(join(tmpdir(), "setpoint-launcher-")));
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

/** A checkout with the launcher, node_modules unless told otherwise, and a main.ts with this text. */
function checkout(main: string, withModules = true): string {
  mkdirSync(join(root, "checkout/reconciler"), { recursive: true });
  copyFileSync(LAUNCHER, join(root, "checkout/reconciler/setpoint"));
  writeFileSync(join(root, "checkout/reconciler/main.ts"), main);
  writeFileSync(join(root, "checkout/package.json"), '{"type": "module"}');
  if (withModules) symlinkSync(join(CHECKOUT, "node_modules"), join(root, "checkout/node_modules"));
  return join(root, "checkout/reconciler/setpoint");
}

/** A folder for PATH whose `node` is of this version: it tells its version as such a node does, and fails for all else. */
function oldNode(major: number): string {
  mkdirSync(join(root, "old"), { recursive: true });
  const script = `#!/bin/sh\n[ "$1" = --version ] || { echo "node ${major} was run" >&2; exit 99; }\necho v${major}.1.0\n`;
  writeFileSync(join(root, "old/node"), script);
  chmodSync(join(root, "old/node"), 0o755);
  return join(root, "old");
}

function run(program: string, args: readonly string[], path = PLAIN_PATH, folder = root): string {
  return execFileSync(program, args, {
    cwd: folder,
    env: { PATH: path, HOME: root, NODE_COMPILE_CACHE: join(root, "cache"), npm_config_update_notifier: "false" },
    encoding: "utf8",
  }).trim();
}

const TELL = "console.log(JSON.stringify([process.versions.node.split('.')[0], ...process.argv.slice(2)] satisfies unknown[]));\n";

test("called straight, from any folder, it answers", () => {
  expect(run(LAUNCHER, ["--version"])).toBe(VERSION);
});

test("through a symbolic link, and a link to a link", () => {
  symlinkSync(LAUNCHER, join(root, "setpoint"));
  symlinkSync("setpoint", join(root, "sp"));
  expect(run(join(root, "setpoint"), ["--version"])).toBe(VERSION);
  expect(run(join(root, "sp"), ["--version"])).toBe(VERSION);
});

test("by npx in the checkout", () => {
  expect(run("npx", ["--no-install", "setpoint", "--version"], PLAIN_PATH, CHECKOUT)).toBe(VERSION);
});

test("runs the lockfile's Node 24 whatever node the PATH has", () => {
  const launcher = checkout(TELL);
  expect(run(launcher, ["a"])).toBe('["24","a"]');
  expect(run(launcher, ["a"], `${oldNode(20)}:${PLAIN_PATH}`)).toBe('["24","a"]');
});

test("arguments arrive as they were given", () => {
  const args = ["plan", "two words", "", "*", "$HOME", "--", "-x"];
  expect(run(checkout(TELL), args)).toBe(JSON.stringify(["24", ...args]));
});

test("without node_modules it says what to do, and no stack trace", () => {
  const launcher = checkout(TELL, false);
  const result = spawnSync(launcher, ["plan"], { env: { PATH: `${oldNode(20)}:${PLAIN_PATH}` }, encoding: "utf8" });
  expect(result.status).toBe(1);
  expect(result.stdout).toBe("");
  expect(result.stderr.replaceAll(root, "ROOT").replace(/node-linux-(x64|arm64)/, "node-linux-ARCH")).toBe(
    "setpoint: needs Node 24, which 'npm ci' installs beside it (package node-linux-ARCH); run 'npm ci' in ROOT/checkout without --omit=optional\n",
  );
});

test("without node_modules a Node 24 on the PATH will do", () => {
  const launcher = checkout(TELL, false);
  expect(run(launcher, ["a"], `${dirname(process.execPath)}:${PLAIN_PATH}`)).toBe('["24","a"]');
});

test("a signal to the launcher's process reaches the program, and its exit code comes back", async () => {
  const main = "process.on('SIGTERM', () => process.exit(7));\nconsole.log(process.pid);\nsetInterval(() => {}, 1000);\n";
  const child = spawn(checkout(main), [], { env: { PATH: PLAIN_PATH }, stdio: ["ignore", "pipe", "inherit"] });
  const ended = new Promise((resolve) => child.once("close", (code, signal) => resolve([code, signal])));
  const pid = await new Promise<string>((resolve) => child.stdout.once("data", (text: Buffer) => resolve(text.toString().trim())));
  expect(Number(pid)).toBe(child.pid);
  child.kill("SIGTERM");
  expect(await ended).toEqual([7, null]);
});
