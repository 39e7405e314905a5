import { chmodSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { request } from "node:http";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { WIRE_VERSION } from "../../reconciler/core/agent-wire.ts";
import { createFleet, type TestFleet, type WorldContainer } from "./fleet.ts";
import { bridgePool, setManifest } from "./manifests.ts";
import { DOCKER_SOCKET, type RigHost } from "./rig/host.ts";
import { IMAGES } from "./rig/images.ts";
import { createRig, type Rig } from "./rig/rig.ts";
import { waitUntil } from "./rig/wait.ts";

const MAIN = join(import.meta.dirname, "../../reconciler/main.ts");
const SETTLE_MS = 120_000;
/** Asked for as a value: Docker keeps it with the container, and nobody else. */
const IN_VARIABLE = "variable-c2VjcmV0LW9uZQ";
/** Asked for as a file: Docker never has it. */
const IN_FILE = "file-c2VjcmV0LXR3bw";
const NEW_IN_FILE = "file-bmV3ZXItc2VjcmV0";

let rig: Rig;
let host: RigHost;
let fleet: TestFleet;
let folder: string;

beforeAll(async () => {
  rig = await createRig({ hosts: ["a"], docker: "plain", ovs: false });
  host = rig.host("a");
  folder = join(host.folder, "secrets");
  await host.startAgent("--secrets", folder);
  fleet = createFleet(rig, { "pool.yaml": bridgePool(rig), "web.yaml": webSet() });
  await fleet.startReconciler();
});
afterAll(async () => {
  await fleet?.close();
  await rig?.close();
});

function webSet(ofTemplate = "", ofContainer = ""): string {
  const env = "{ DB_PASSWORD: { secret: db, key: password }, TOKEN_FILE: { secret: api, key: token, as: file } }";
  const container = ['user: "1000"', `env: ${env}`, "mounts: [{ volume: tls, path: /etc/tls }]", ofContainer];
  const template = ["volumes: [{ name: tls, secret: { name: tls } }]", ofTemplate];
  return setManifest("web", 2, IMAGES.sleeper, container.join("\n"), template.join("\n"));
}

function put(secret: string, key: string, value: string): void {
  mkdirSync(join(folder, secret), { recursive: true });
  writeFileSync(join(folder, secret, key), `${value}\n`);
}

/** What `agent check` on the host finds about a folder of secrets. */
async function check(secrets: string): Promise<object | undefined> {
  const places = ["--docker", DOCKER_SOCKET, "--docker-root", join(host.folder, "docker"), "--secrets", secrets];
  const { stdout } = await host.exec([process.execPath, MAIN, "agent", "check", "-o", "json", ...places], { anyExit: true });
  return (JSON.parse(stdout) as { readonly part: string }[]).find(({ part }) => part === "secrets");
}

async function inside({ id }: WorldContainer, script: string): Promise<string> {
  return await host.docker("exec", id, "/bin/sh", "-c", script);
}

async function apps(): Promise<readonly WorldContainer[]> {
  return [...(await fleet.settled(SETTLE_MS)).values()];
}

test("a secret that is not there: nothing is made, host, name and path are told, and it goes on by itself when it is", async () => {
  await fleet.says(
    ["explain", "web/0"],
    `secret-missing: a has no folder of secrets: ${folder} is not there`,
    "Put the file that the message names onto that host; the step is tried again by itself.",
  );
  put("db", "password", IN_VARIABLE);
  put("api", "token", IN_FILE);
  await fleet.says(
    ["explain", "web/0"],
    `secret-exposed: ${folder} of a is open to others than its owner (mode 755)`,
    `chmod 700 ${folder}`,
  );
  chmodSync(folder, 0o700);
  await fleet.says(["explain", "web/0"], `secret-missing: a has no secret tls: ${join(folder, "tls")} is not there`);
  expect((await fleet.world()).length).toBe(0);
  expect(await check(folder)).toMatchObject({ state: "present" });
  expect(await check(join(folder, "nowhere"))).toMatchObject({ state: "advice", fix: `install -d -m 700 ${join(folder, "nowhere")}` });
  expect(await check(rig.folder)).toMatchObject({ state: "lacking", fix: `chown root: ${rig.folder} && chmod 700 ${rig.folder}` });
  put("tls", "tls.crt", "certificate");
  for (const app of await apps()) {
    expect(await inside(app, 'echo "$DB_PASSWORD $TOKEN_FILE"; cat $TOKEN_FILE /etc/tls/tls.crt; stat -c "%a %u" $TOKEN_FILE')).toBe(
      `${IN_VARIABLE} /run/secrets/api/token\n${IN_FILE}\ncertificate\n400 1000`,
    );
    expect(await host.docker("inspect", app.id)).not.toContain(IN_FILE);
  }
});

test("a value that changes reaches files without a restart, and variables when the container is made anew", async () => {
  const before = await apps();
  put("api", "token", NEW_IN_FILE);
  put("db", "password", `${IN_VARIABLE}-2`);
  for (const app of before) {
    await waitUntil("the file is new", async () => (await inside(app, "cat $TOKEN_FILE")) === NEW_IN_FILE);
    expect(await inside(app, "echo $DB_PASSWORD")).toBe(IN_VARIABLE);
  }
  expect((await apps()).map(({ id }) => id)).toEqual(before.map(({ id }) => id));
  fleet.commit({ "web.yaml": webSet("", "ulimits: { nofile: 2048 }") });
  for (const app of await apps()) expect(await inside(app, "echo $DB_PASSWORD; ulimit -n")).toBe(`${IN_VARIABLE}-2\n2048`);
});

test("files outlive the agent, and are back after a power cut before their containers are", async () => {
  const [app] = await apps();
  await host.killAgent();
  expect(await inside(app!, "cat $TOKEN_FILE")).toBe(NEW_IN_FILE);
  await host.startAgent("--secrets", folder);
  await fleet.settled(SETTLE_MS);
  await host.powerCut();
  await host.boot();
  for (const after of await apps()) expect(await inside(after, "cat $TOKEN_FILE /etc/tls/tls.crt")).toBe(`${NEW_IN_FILE}\ncertificate`);
  const memory = (await host.exec(["find", "/run/setpoint-secrets", "-name", "token"])).stdout.trim().split("\n");
  expect(memory).toHaveLength(2);
});

test("a runtime that Docker does not know is told, and what runs stays", async () => {
  const before = await apps();
  fleet.commit({ "web.yaml": webSet("runtime: runsc", "ulimits: { nofile: 2048 }") });
  await fleet.says(["explain", "web/0"], "runtime-missing", "Install the runtime on that host and register it");
  fleet.commit({ "web.yaml": webSet("", "ulimits: { nofile: 2048 }") });
  const after = await apps();
  expect(after.map(({ id }) => id)).toEqual(before.map(({ id }) => id));
});

test("no value is in a log, plan, trace, journal, answer of the API or report of the host", async () => {
  // A check that prints all it knows, and fails: its words are shown to people.
  const leaky = `health: { exec: { command: [/bin/sh, -c, 'echo $DB_PASSWORD $(cat $TOKEN_FILE); exit 1'] }, interval: 1s, failures: 1 }`;
  fleet.commit({ "web.yaml": webSet("", leaky) });
  await fleet.says(["explain", "web/0"], "exit code 1: (secret) (secret)");
  const [task] = JSON.parse((await fleet.tell("trace", "-o", "json")).stdout) as { taskId: string }[];
  const repo = join(rig.folder, "reconciler/repo");
  const saved = join(rig.folder, "saved-plan.json");
  const said = [
    await fleet.evidence(),
    await fleet.printed("status", "-o", "json"),
    ...(await Promise.all(["sets", "slots", "hosts", "tasks", "problems"].map((kind) => fleet.printed("get", kind, "-o", "json")))),
    await fleet.printed("explain", "web", "-o", "json"),
    await fleet.printed("trace", task!.taskId, "-o", "json"),
    await fleet.printed("plan", repo, "-o", "json"),
    await fleet.printed("plan", repo, "--save", saved),
    await observe(),
  ];
  expect(said.filter((text) => /\bweb\b/.test(text)).length).toBeGreaterThan(6);
  expect(leaksIn(said.join("\n"))).toEqual([]);
  const found = filesWith(rig.folder, [join(host.folder, "secrets")]);
  // Docker and containerd keep variables with the container, and nobody keeps what was asked for as a file.
  const ofDocker = join(host.folder, "docker/");
  expect(found.some(({ path }) => path.startsWith(ofDocker))).toBe(true);
  expect(found.filter(({ path, value }) => value !== IN_VARIABLE || !path.startsWith(ofDocker))).toEqual([]);
  expect(readFileSync(saved, "utf8")).toContain('"secret":"db"');
});

/** Values in a text. */
function leaksIn(text: string): string[] {
  return [IN_VARIABLE, IN_FILE, NEW_IN_FILE].filter((value) => text.includes(value));
}

/** Files below a folder that hold a value; layers of images are left out. */
function filesWith(top: string, except: readonly string[]): { readonly path: string; readonly value: string }[] {
  return readdirSync(top, { withFileTypes: true }).flatMap((entry) => {
    const path = join(top, entry.name);
    if (except.includes(path) || /\/docker\/(overlay2|vfs|image|buildkit)$/.test(path)) return [];
    if (entry.isDirectory()) return filesWith(path, except);
    return entry.isFile() ? leaksIn(readFileSync(path, "latin1")).map((value) => ({ path, value })) : [];
  });
}

/** The report of the host, as its agent gives it. */
function observe(): Promise<string> {
  const headers = { "setpoint-wire": String(WIRE_VERSION), "setpoint-fleet": "setpoint" };
  return new Promise((resolve, reject) => {
    const call = request({ socketPath: host.agentSocket, path: "/v1/observe", headers }, (answer) => {
      const chunks: Buffer[] = [];
      answer.on("data", (chunk: Buffer) => chunks.push(chunk));
      answer.on("end", () => {
        const text = Buffer.concat(chunks).toString();
        if (answer.statusCode === 200) resolve(text);
        else reject(new Error(text));
      });
    });
    call.on("error", reject);
    call.end();
  });
}
