import type { EngineApi } from "../../hosts/rig/engine-api.ts";
import { IMAGES } from "../../hosts/rig/images.ts";
import { waitUntil } from "../../hosts/rig/wait.ts";
import type { Contender } from "./contender.ts";

const SERVICE = "start-speed";
const DEADLINE_MS = 180_000;

/** Runs Docker's command line and resolves to what it printed. */
export type DockerCli = (...args: readonly string[]) => Promise<string>;

/** `docker service scale` on a Swarm of this one node, which the engine is during each run. `default`: the network a service has when none is named. */
export function swarm(engine: EngineApi, docker: DockerCli, network: "host" | "default"): Contender {
  let exists = false;
  return {
    name: `docker service scale, ${network}`,
    containersEach: 1,
    async setUp() {
      await docker("swarm", "init", "--advertise-addr", "127.0.0.1", "--listen-addr", "127.0.0.1");
    },
    async scaleTo(count) {
      if (!exists) {
        const where = network === "host" ? ["--network", "host"] : [];
        await docker("service", "create", "--detach", "--name", SERVICE, "--replicas", "0", "--no-resolve-image", ...where, IMAGES.sleeper);
        exists = true;
      }
      await docker("service", "scale", "--detach", `${SERVICE}=${count}`);
      await waitUntil(`${count} tasks`, async () => (await runningTasks(engine)) === count, { deadlineMs: DEADLINE_MS, everyMs: 50 });
    },
    async clear() {
      if (!exists) return;
      await docker("service", "rm", SERVICE);
      exists = false;
      await waitUntil("the containers to go", async () => (await containersOfSwarm(engine)) === 0, {
        deadlineMs: DEADLINE_MS,
        everyMs: 100,
      });
    },
    async tearDown() {
      await docker("swarm", "leave", "--force");
    },
  };
}

async function runningTasks(engine: EngineApi): Promise<number> {
  const tasks = (await engine.call("GET", "/tasks")) as readonly { readonly Status: { readonly State: string } }[];
  return tasks.filter(({ Status }) => Status.State === "running").length;
}

async function containersOfSwarm(engine: EngineApi): Promise<number> {
  const filters = encodeURIComponent(JSON.stringify({ label: [`com.docker.swarm.service.name=${SERVICE}`] }));
  return ((await engine.call("GET", `/containers/json?all=1&filters=${filters}`)) as readonly unknown[]).length;
}
