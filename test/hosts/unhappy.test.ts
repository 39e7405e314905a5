import { statfsSync } from "node:fs";
import { createServer, request, type Server } from "node:http";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { createFleet, type TestFleet } from "./fleet.ts";
import { bridgePool, setManifest } from "./manifests.ts";
import { AGENT_SOCKET, DOCKER_SOCKET, type RigHost } from "./rig/host.ts";
import { IMAGES, imageArchive } from "./rig/images.ts";
import { RIG_PATH, startInNamespaces } from "./rig/process.ts";
import { createRig, type Rig } from "./rig/rig.ts";
import { PATIENCE_MS, waitUntil } from "./rig/wait.ts";

const MAIN = join(import.meta.dirname, "../../reconciler/main.ts");
const NOBODY = "65534";
const SETTLE_MS = 120_000;

let rig: Rig;
let host: RigHost;
let fleet: TestFleet;

beforeAll(async () => {
  rig = await createRig({ hosts: ["a"], agents: true, docker: "plain", ovs: false });
  host = rig.host("a");
  // A disk of Docker's own, so that it can be filled.
  await host.killDocker("SIGTERM");
  await host.exec(["mount", "-t", "tmpfs", "-o", "size=400m", "tmpfs", join(host.folder, "docker")]);
  await host.startDocker();
  await host.engine.send("/images/load?quiet=1", imageArchive());
  fleet = createFleet(rig, { "pool.yaml": bridgePool(rig), "web.yaml": setManifest("web", 1, IMAGES.sleeper) });
  await fleet.startReconciler();
  await fleet.settled(SETTLE_MS);
});
afterAll(async () => {
  await fleet?.close();
  await rig?.close();
});

interface Finding {
  readonly part: string;
  readonly state: string;
  readonly found: string;
  readonly fix: string;
}

/** What `agent check` on the host finds about one part. */
async function check(part: string, { docker = DOCKER_SOCKET, as = "0" } = {}): Promise<Finding & { readonly exitCode: number }> {
  const who = ["setpriv", `--reuid=${as}`, `--regid=${as}`, "--clear-groups"];
  const argv = [process.execPath, MAIN, "agent", "check", "-o", "json", "--docker", docker, "--docker-root", join(host.folder, "docker")];
  const { exitCode, stdout } = await host.exec([...who, ...argv], { anyExit: true });
  return { exitCode, ...(JSON.parse(stdout) as Finding[]).find((finding) => finding.part === part)! };
}

/**
 * Leaves nothing free in the file system of a folder. Who replaced a file at that moment freed the old one, and each small file of his found
 * room from then on: it is filled again until nothing gets free any more.
 */
async function fill(folder: string): Promise<void> {
  let looks = 0;
  const isFull = async (): Promise<boolean> => {
    looks = statfsSync(host.path(folder)).bavail === 0 ? looks + 1 : 0;
    await host.exec(["dd", "if=/dev/zero", `of=${folder}/fill`, "bs=4k", "oflag=append", "conv=notrunc"], { anyExit: true });
    return looks === 3;
  };
  await waitUntil(`${folder} to stay full`, isFull, { everyMs: 1_000 });
}

/** Another agent in place of the host's own while `work` runs. */
async function withAgent(start: () => Promise<{ kill(): Promise<void> }>, work: () => Promise<void>): Promise<void> {
  await host.killAgent();
  const agent = await start();
  try {
    await work();
  } finally {
    await agent.kill();
    await host.startAgent();
  }
}

test("an image that is nowhere, and no registry in reach", async () => {
  fleet.commit({ "absent.yaml": setManifest("absent", 1, "rig.test/absent:1") });
  await fleet.says(
    ["explain", "absent/0"],
    'image rig.test/absent:1: Get "https://rig.test/v2/": dial tcp',
    "[pull-failed]. What to do: See that the host reaches the registry (name, proxy, certificate)",
  );
  await fleet.says(["status"], "absent", 'pull-failed: image rig.test/absent:1: Get "https://rig.test/v2/"');
  fleet.commit({ "absent.yaml": null });
});

test("a port of the host that another program has", async () => {
  const other = host.exec(["busybox", "nc", "-l", "-p", "8099"], { deadlineMs: 2 * PATIENCE_MS, anyExit: true });
  const listens = async (): Promise<boolean> => (await host.exec(["ss", "-Hltn", "sport = :8099"])).stdout !== "";
  await waitUntil("the other program to listen", listens);
  fleet.commit({ "port.yaml": setManifest("port", 1, IMAGES.web, "ports: [{ name: http, port: 8080, hostPort: 8099 }]") });
  await fleet.says(
    ["explain", "port/0"],
    "listen tcp4 0.0.0.0:8099: bind: address already in use",
    "[port-taken]. What to do: Stop that program (`ss -ltnp` names it), or choose another `hostPort` in the Set; the step is tried again.",
  );
  fleet.commit({ "port.yaml": null });
  await host.exec(["busybox", "nc", "-w", "1", "127.0.0.1", "8099"], { anyExit: true });
  await other;
});

test("a container of somebody else that has the name", async () => {
  await host.docker("create", "--name", "setpoint.named-0.g1.app", IMAGES.sleeper);
  fleet.commit({ "named.yaml": setManifest("named", 1, IMAGES.sleeper) });
  await fleet.says(
    ["explain", "named/0"],
    "last: the container setpoint.named-0.g1.app on a belongs to someone else [not-ours]. What to do: Rename or remove that object on the host, or rename the Set.",
  );
  expect(await host.docker("inspect", "--format", "{{.State.Status}}", "setpoint.named-0.g1.app")).toBe("created");
  await host.docker("rm", "setpoint.named-0.g1.app");
  await fleet.settled(SETTLE_MS);
  fleet.commit({ "named.yaml": null });
});

test("no Docker: nothing is tried, and all goes on when it is back", async () => {
  await host.killDocker("SIGTERM");
  expect(await check("docker")).toMatchObject({
    exitCode: 1,
    state: "lacking",
    found: `nothing at ${DOCKER_SOCKET}`,
    fix: "systemctl start docker",
  });
  const away = `Docker can't be used on a: no container engine listens on ${DOCKER_SOCKET}`;
  await fleet.says(["status"], "host/a", `${away}; see there: setpoint agent check`);
  await fleet.says(["explain", "web/0"], away, "[wait.engine]. It goes on by itself as soon as Docker on a can be used");
  await fleet.says(["explain", "host/a"], `${away}. On that host, this tells what to do: setpoint agent check`);
  await host.startDocker();
  await fleet.settled(SETTLE_MS);
});

test("a Docker too old", async () => {
  const docker = join(host.folder, "old.sock");
  const proxy = await oldDocker(docker, host.path(DOCKER_SOCKET));
  const told = "the container engine 18.09.9 speaks API 1.39; 1.40 (Docker 19.03) is the oldest that works";
  try {
    expect(await check("docker", { docker })).toMatchObject({
      exitCode: 1,
      found: told,
      fix: "install Docker 19.03 or newer: apt-get install docker.io",
    });
    const start = async (): Promise<{ kill(): Promise<void> }> => {
      await host.startAgent("--docker", docker);
      return { kill: () => host.killAgent() };
    };
    await withAgent(start, () => fleet.says(["status"], `Docker can't be used on a: ${told}; see there: setpoint agent check`));
  } finally {
    proxy.closeAllConnections();
    proxy.close();
  }
});

/** Docker as it was: says of itself that it speaks API 1.39 at most. */
async function oldDocker(path: string, real: string): Promise<Server> {
  const server = createServer((asked, answer) => {
    if (asked.url?.split("?")[0]?.endsWith("/version") === true) {
      answer.setHeader("content-type", "application/json");
      answer.end(JSON.stringify({ Version: "18.09.9", ApiVersion: "1.39", MinAPIVersion: "1.12" }));
      return;
    }
    const passed = request({ socketPath: real, method: asked.method, path: asked.url, headers: asked.headers }, (got) => {
      answer.writeHead(got.statusCode!, got.headers);
      got.pipe(answer);
    });
    passed.on("error", () => answer.destroy());
    asked.pipe(passed);
  });
  await new Promise<void>((resolve) => void server.listen(path, resolve));
  return server;
}

test("an agent, and a check, of a user who may not open Docker's socket", async () => {
  expect(await check("docker", { as: NOBODY })).toMatchObject({
    exitCode: 1,
    found: `you may not use ${DOCKER_SOCKET}`,
    fix: "run the agent as root",
  });
  const state = join(host.folder, "agent-of-nobody");
  await host.exec(["mkdir", "-p", state]);
  await host.exec(["chown", NOBODY, state, "/run/setpoint"]);
  const start = async (): Promise<{ kill(): Promise<void> }> => {
    await host.exec(["rm", "-f", AGENT_SOCKET]);
    const who = ["setpriv", `--reuid=${NOBODY}`, `--regid=${NOBODY}`, "--clear-groups", process.execPath];
    const argv = [...who, MAIN, "agent", "--state", state, "--socket", AGENT_SOCKET, "--docker", DOCKER_SOCKET];
    return await startInNamespaces(host.initPid, argv, { log: join(host.folder, "log/nobody.log"), env: { PATH: RIG_PATH, HOME: state } });
  };
  await withAgent(start, () =>
    fleet.says(["status"], `Docker can't be used on a: the agent may not open ${DOCKER_SOCKET}; see there: setpoint agent check`),
  );
  await host.exec(["chown", "0", "/run/setpoint"]);
});

test("no room for the agent's own state", async () => {
  const state = join(host.folder, "agent-small");
  await host.exec(["mkdir", "-p", state]);
  await host.exec(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", state]);
  const start = async (): Promise<{ kill(): Promise<void> }> => {
    await host.startAgent("--state", state);
    return { kill: () => host.killAgent() };
  };
  await withAgent(start, async () => {
    // What it starts while there is room proves that this agent, no earlier one, is heard, and has its settings and its network.
    fleet.commit({ "room.yaml": setManifest("room", 1, IMAGES.sleeper) });
    await fleet.settled(SETTLE_MS);
    await fill(state);
    fleet.commit({ "state.yaml": setManifest("state", 1, IMAGES.sleeper) });
    const told = `the agent's state folder ${state}/network can't be used: the disk is full`;
    await fleet.says(["explain", "state/0"], told, "[agent-state]. What to do: Free disk space or mend permissions");
    await host.exec(["rm", `${state}/fill`]);
    await fleet.settled(SETTLE_MS);
  });
  fleet.commit({ "room.yaml": null, "state.yaml": null });
});

test("no room on Docker's disk", async () => {
  const disk = join(host.folder, "docker");
  // What is still to be removed would make room.
  await fleet.settled(SETTLE_MS);
  await fill(disk);
  expect(await check("disk")).toMatchObject({
    state: "lacking",
    found: `0 free in ${disk}`,
    fix: "free space there, or give Docker another data-root",
  });
  fleet.commit({ "full.yaml": setManifest("full", 1, IMAGES.sleeper) });
  await fleet.says(["explain", "full/0"], "no space left on device [disk-full]. What to do: Free disk space on the host");
  await host.exec(["rm", `${disk}/fill`]);
  await fleet.settled(SETTLE_MS);
});
