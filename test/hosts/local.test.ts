import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { DOCKER_SOCKET, type RigHost } from "./rig/host.ts";
import { IMAGES } from "./rig/images.ts";
import { type CommandResult } from "./rig/process.ts";
import { createRig, type Rig } from "./rig/rig.ts";

const MAIN = join(import.meta.dirname, "../../reconciler/main.ts");
const WITHIN_MS = 120_000;

let rig: Rig;
let host: RigHost;
let folder: string;

beforeAll(async () => {
  rig = await createRig({ hosts: ["laptop"], docker: "plain", ovs: false });
  host = rig.host("laptop");
  folder = join(host.folder, "hello");
  mkdirSync(folder);
});
afterAll(() => rig?.close());

/** One container that says hello, published on the machine's own port 8088, with a rate that plain Docker can't enforce. */
function webManifest(image: string): string {
  return `apiVersion: setpoint/v1
kind: Set
metadata: { name: web }
spec:
  pool: local
  replicas: 1
  template:
    network: { ingress: 50mbit, egress: 20mbit }
    containers:
      - name: app
        image: ${image}
        ports: [{ name: http, port: 8080, hostPort: 8088 }]
        health: { http: { port: 8080 }, interval: 1s }
        resources: { cpu: { request: 10m }, memory: { request: 16Mi, limit: 64Mi } }
`;
}

function setpoint(...args: readonly string[]): Promise<CommandResult> {
  const env = { DOCKER_HOST: `unix://${DOCKER_SOCKET}`, XDG_STATE_HOME: join(host.folder, "state"), HOME: host.folder };
  return host.exec([process.execPath, MAIN, ...args], { env, deadlineMs: WITHIN_MS, anyExit: true });
}

/** What a program on the machine gets from the published port. */
async function hello(): Promise<string> {
  const script = "process.stdout.write(await (await fetch('http://127.0.0.1:8088/', { signal: AbortSignal.timeout(60000) })).text())";
  return (await host.exec([process.execPath, "--input-type=module", "--eval", script], { anyExit: true })).stdout;
}

async function containers(): Promise<string[]> {
  return (await host.docker("ps", "--all", "--format", "{{.Names}} {{.ID}}"))
    .split("\n")
    .filter((line) => line !== "")
    .sort();
}

test("a folder of manifests on plain Docker: applied, reached on its published port, changed, taken away", async () => {
  await host.docker("run", "--detach", "--name", "mine", IMAGES.sleeper);
  const [mine] = await containers();

  writeFileSync(join(folder, "web.yaml"), webManifest(IMAGES.web));
  const first = await setpoint("apply", "--local", folder);
  expect(first.stderr + first.stdout).toContain("not enforced, for want of a driver there: rates on local");
  expect(first.exitCode).toBe(0);
  expect(await hello()).toBe("hello from web\n");

  const running = await containers();
  const again = await setpoint("apply", "--local", folder);
  expect(again.exitCode).toBe(0);
  expect(await containers()).toEqual(running);

  writeFileSync(join(folder, "web.yaml"), webManifest(IMAGES.web2));
  expect((await setpoint("apply", "--local", folder)).exitCode).toBe(0);
  expect(await hello()).toBe("hello from web 2\n");

  expect((await setpoint("apply", "--local", "--delete")).exitCode).toBe(0);
  expect(await containers()).toEqual([mine]);
  expect(await hello()).toBe("");
});

test("a machine without Docker says how to get on", async () => {
  await host.killDocker("SIGTERM");
  const refused = await setpoint("apply", "--local", folder);
  expect(refused.exitCode).toBe(1);
  expect(refused.stderr).toContain(`Docker does not run here: nothing answers on ${DOCKER_SOCKET}`);
});
