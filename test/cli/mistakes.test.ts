import { mkdirSync, writeFileSync } from "node:fs";
import { createServer, type Server } from "node:net";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { cli, scratch } from "./run.ts";

const here = scratch();
const servers: Server[] = [];

/** A socket on which nobody speaks as a daemon does. */
async function strangerOn(state: string, answer: string): Promise<void> {
  mkdirSync(join(here.dir, state));
  const server = createServer((socket) => socket.end(answer));
  servers.push(server);
  await new Promise<void>((resolve) => {
    server.listen(join(here.dir, state, "control.sock"), resolve);
  });
}

beforeAll(async () => {
  writeFileSync(join(here.dir, "file"), "no folder");
  writeFileSync(join(here.dir, "bundle.json"), "{}");
  writeFileSync(join(here.dir, "text.json"), "not JSON");
  mkdirSync(join(here.dir, "full"));
  writeFileSync(join(here.dir, "full", "a.yaml"), "");
  mkdirSync(join(here.dir, "none"));
  mkdirSync(join(here.dir, "bad"));
  writeFileSync(join(here.dir, "bad", "web.yaml"), "apiVersion: setpoint/v1\nkind: Sett\n");
  await strangerOn("odd", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi");
  await strangerOn("noise", "what?\r\n\r\n");
  await strangerOn("mute", "");
});

afterAll(() => {
  for (const server of servers) server.close();
  here.remove();
});

const VERBS =
  "init, validate, plan, apply, daemon, demo, status, get, explain, trace, hold, release, confirm, trash, host, sim, completion, agent";
const DURATION = "Allowed: whole numbers with d, h, m, s, ms from large to small, such as `90s`, `1h30m`, `500ms`.";
const LONG = "x".repeat(110);

/** Command line, and all that it prints. `HERE` stands for the working folder. */
const MISTAKES: readonly (readonly [line: string, printed: string])[] = [
  ["plna .", "error: there is no verb 'plna'; did you mean 'plan'? [usage]\n"],
  ["frobnicate", `error: there is no verb 'frobnicate' [usage]\n  hint: The verbs are ${VERBS}.\n`],
  ["help stats", "error: there is no verb 'stats'; did you mean 'status'? [usage]\n"],
  [
    "--state x plan",
    "error: the command line begins with --state, and options come after the verb [usage]\n  hint: Write: setpoint VERB [options]\n",
  ],
  [
    "host cordn a --why b",
    "error: there is no verb 'cordn'; did you mean 'cordon'? [usage]\n  usage: setpoint host cordon | uncordon | drain | confirm-dead NAME --why TEXT\n",
  ],
  [
    "trash lst",
    "error: there is no verb 'lst'; did you mean 'list'? [usage]\n  usage: setpoint trash list | restore ID | purge ID [options]\n",
  ],
  [
    "trash restore",
    "error: ID is missing [usage]\n  usage: setpoint trash restore ID [--to SET/INDEX[/VOLUME]] [--replace] [--why TEXT] | --cancel ID\n",
  ],
  ["trash purge x --why", "error: --why needs a value [usage]\n  usage: setpoint trash purge ID [--yes] [--why TEXT]\n"],
  [
    "trash restore x --cancel --replace",
    "error: --cancel ends a restore; it goes with neither --to nor --replace [usage]\n  hint: Write: setpoint trash restore --cancel ID\n",
  ],
  [
    "plan . --outptu json",
    "error: there is no option '--outptu'; did you mean '--output'? [usage]\n  usage: setpoint plan DIR [options]\n",
  ],
  [
    "plan . -o jsn",
    "error: 'jsn' is not allowed for --output. Did you mean 'json'? Allowed: text, json, markdown, mermaid. [usage]\n  usage: setpoint plan DIR [options]\n",
  ],
  ["plan . -o", "error: --output needs a value [usage]\n  usage: setpoint plan DIR [options]\n"],
  ["plan . extra", "error: too many words: ., extra (at most 1 allowed) [usage]\n  usage: setpoint plan DIR [options]\n"],
  [
    "plan",
    "error: plan needs a folder with manifests, or a bundle with --from [usage]\n  hint: For the folder you are in: setpoint plan .\n",
  ],
  [
    "plan . --fleet Big",
    "error: 'Big' is not allowed for --fleet. Allowed: lower-case letters, digits and '-', a letter first, at most 40. [usage]\n  usage: setpoint plan DIR [options]\n",
  ],
  ["plan nowhere", "error: there is no folder HERE/nowhere [folder-missing]\n  hint: Mend the path.\n"],
  [
    "plan --from missing.json",
    "error: the bundle missing.json can't be read (ENOENT) [file-unreadable]\n  hint: Give a file written by: setpoint plan DIR --save FILE\n",
  ],
  [
    "plan --from bundle.json",
    'error: bundle.json is no plan bundle: its "format" is not "setpoint-plan-bundle" [bundle-invalid]\n  hint: Write one with: setpoint plan DIR --save FILE\n',
  ],
  [
    "plan --from text.json",
    "error: text.json is no plan bundle: it is not JSON [bundle-invalid]\n  hint: Write one with: setpoint plan DIR --save FILE\n",
  ],
  ["validate", "error: DIR is missing [usage]\n  usage: setpoint validate DIR [options]\n"],
  ["validate file", "error: HERE/file is not a folder [folder-missing]\n  hint: Give the folder that holds the manifests.\n"],
  ["apply . --timeout 10", `error: '10' is not allowed for --timeout. ${DURATION} [usage]\n  usage: setpoint apply DIR [options]\n`],
  [
    "apply . --speed fast",
    "error: 'fast' is not allowed for --speed. Allowed: a number from 0.1 to 1000. [usage]\n  usage: setpoint apply DIR [options]\n",
  ],
  ["daemon", "error: --repo is missing [usage]\n  usage: setpoint daemon --repo PATH|URL [options]\n"],
  [
    "daemon --repo . --branch a..b",
    `error: "a..b" can't be the name of a branch [git-branch-name]\n  hint: Give the short name, for example main.\n`,
  ],
  [
    "daemon --repo . --state file",
    "error: the state folder HERE/file is not a folder [state-folder]\n  hint: Give another folder with --state or SETPOINT_STATE.\n",
  ],
  [
    `daemon --repo . --state ${LONG}`,
    `error: the path of the control socket has PATHLENGTH bytes, and 107 are allowed: HERE/${LONG}/control.sock [socket-path-long]\n  hint: Give a state folder with a shorter path with --state or SETPOINT_STATE.\n`,
  ],
  [
    "init full",
    "error: the folder full already has files (a.yaml) [folder-not-empty]\n  hint: Give an empty or a new folder; init never overwrites anything.\n",
  ],
  ["init file", "error: file is a file [folder-missing]\n  hint: Give an empty or a new folder.\n"],
  [
    "get set",
    "error: 'set' is not allowed as KIND. Did you mean 'sets'? Allowed: sets, slots, hosts, pools, tasks, revisions, holds, trash, problems. [usage]\n  usage: setpoint get KIND [NAME] [options]\n",
  ],
  [
    "get sets",
    "error: no daemon runs on HERE/.setpoint, and there is no journal there [state-empty]\n  hint: Give the daemon's state folder with --state or SETPOINT_STATE, or start one: setpoint daemon --repo ...\n",
  ],
  [
    "status --state file",
    "error: the state folder HERE/file is not a folder [state-folder]\n  hint: Give another folder with --state or SETPOINT_STATE.\n",
  ],
  ["hold web", "error: --why is missing [usage]\n  usage: setpoint hold SET | host/NAME | pool/NAME --why TEXT [--for 2h]\n"],
  [
    "hold web --why=",
    "error: '' is not allowed for --why. It may not be empty. [usage]\n  usage: setpoint hold SET | host/NAME | pool/NAME --why TEXT [--for 2h]\n",
  ],
  [
    "hold web --why x --for 2",
    `error: '2' is not allowed for --for. ${DURATION} [usage]\n  usage: setpoint hold SET | host/NAME | pool/NAME --why TEXT [--for 2h]\n`,
  ],
  [
    "hold web --why x",
    "error: no daemon runs on the state folder HERE/.setpoint [no-daemon]\n  hint: Start one with `setpoint daemon --repo ...`, or give its state folder with --state.\n",
  ],
  [
    "sim a bang",
    "error: 'bang' is not allowed as FAULT. Did you mean 'hang'? Allowed: off, on, hang, cut. [usage]\n  usage: setpoint sim HOST off | on | hang | cut\n",
  ],
  [
    "completion tcsh",
    "error: 'tcsh' is not allowed as SHELL. Allowed: bash, zsh, fish. [usage]\n  usage: setpoint completion bash | zsh | fish\n",
  ],
  [
    "status --state odd",
    "error: what answers on HERE/odd/control.sock does not speak as this version's daemon does [daemon-answer]\n  hint: Use the same version of setpoint for the daemon and the other verbs.\n",
  ],
  [
    "status --state noise",
    "error: what answers on HERE/noise/control.sock does not speak as this version's daemon does [daemon-answer]\n  hint: Use the same version of setpoint for the daemon and the other verbs.\n",
  ],
  [
    "status --state mute",
    "error: the daemon on HERE/mute closed the connection before it answered [daemon-silent]\n  hint: It may be stopping. Try again.\n",
  ],
];

describe("mistakes in the command line", () => {
  test.each(MISTAKES)("setpoint %s", async (line, printed) => {
    const pathLength = Buffer.byteLength(join(here.dir, LONG, "control.sock"));
    const expected = printed.replaceAll("HERE", here.dir).replace("PATHLENGTH", String(pathLength));
    const result = await cli({ cwd: here.dir, env: { SETPOINT_LOG: "silent" } }, ...line.split(" "));
    expect(result).toEqual({ exitCode: 1, stdout: "", stderr: expected });
  });

  test("the environment names a wrong state folder or level", async () => {
    const state = await cli({ cwd: here.dir, env: { SETPOINT_STATE: "file" } }, "status");
    expect(state.stderr).toBe(
      `error: the state folder ${here.dir}/file is not a folder [state-folder]\n  hint: Give another folder with --state or SETPOINT_STATE.\n`,
    );
    const level = await cli({ cwd: here.dir, env: { SETPOINT_LOG: "loud" } }, "daemon", "--repo", ".");
    expect(level.stderr).toBe(
      'error: SETPOINT_LOG is "loud"; allowed are debug, info, warn, error, silent [log-level]\n  hint: Set one of these, or unset it.\n',
    );
  });

  test("mistakes in manifests are all shown, with their place", async () => {
    const result = await cli({ cwd: here.dir }, "validate", "bad");
    expect(result.exitCode).toBe(1);
    expect(result.stderr).toContain("web.yaml:2:7: error: ");
    expect(result.stderr).toMatch(/\nnot valid: \d+ errors?\n$/);
    const json = JSON.parse((await cli({ cwd: here.dir }, "validate", "bad", "-o", "json")).stdout) as {
      valid: boolean;
      problems: object[];
    };
    expect(json).toMatchObject({ valid: false, commit: expect.stringMatching(/^dir-/), warnings: 0 });
    expect(json.problems.length).toBeGreaterThan(0);
  });
});
