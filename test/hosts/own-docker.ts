import { type ChildProcess, spawn } from "node:child_process";
import { mkdtempSync, openSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { createApi, DEADLINES, type Api } from "../../reconciler/agent/docker/api.ts";
import { createDockerEngine, type DockerEngine } from "../../reconciler/agent/docker/engine.ts";
import { TAR_END, tarFile } from "../../reconciler/sys/tar.ts";
import { createSystemClock } from "../../reconciler/sys/clock.ts";
import { findBusybox } from "./rig/images.ts";
import { removeCgroup } from "./rig/leftovers.ts";
import { endOf, tail } from "./rig/process.ts";
import { waitUntil } from "./rig/wait.ts";

/** A busybox at the root, made on the spot. */
export const IMAGE = "test/busybox:1";

/** A Docker daemon of the test's own, in this machine's namespaces, so that its pids are ours: no bridge, no iptables. */
export class OwnDocker {
  readonly folder = mkdtempSync("/var/tmp/setpoint-docker-");
  readonly socketPath = join(this.folder, "docker.sock");
  readonly api: Api = createApi(this.socketPath, createSystemClock(), DEADLINES);
  readonly engine: DockerEngine;
  #daemon: ChildProcess | null = null;

  constructor() {
    this.engine = this.engineWith((text) => text);
  }

  /** One more engine on the same daemon; `hide` as the agent's. The caller closes it. */
  engineWith(hide: (text: string) => string): DockerEngine {
    const dataRoot = join(this.folder, "data");
    const clock = createSystemClock();
    const owner = { fleet: "test", host: "a-1" };
    return createDockerEngine({ ...owner, socketPath: this.socketPath, clock, folder: this.folder, dataRoot, hide });
  }

  get pid(): number {
    return this.#daemon!.pid!;
  }

  get #cgroup(): string {
    return this.folder.split("/").at(-1)!;
  }

  async start(): Promise<void> {
    await this.#run();
    const busybox = readFileSync(findBusybox()!);
    const query = { fromSrc: "-", repo: "test/busybox", tag: "1" };
    const file = Buffer.concat([...tarFile("busybox", 0o755, busybox), TAR_END]);
    const stream = await this.api.stream({ method: "POST", path: "/images/create", query, file, signal: AbortSignal.timeout(60_000) });
    await stream.resume().toArray();
  }

  /** The daemon ends, and with it all containers; another one begins. */
  async restart(): Promise<void> {
    this.#daemon!.kill("SIGTERM");
    await endOf(this.#daemon!);
    await this.#run();
  }

  async #run(): Promise<void> {
    const log = openSync(join(this.folder, "dockerd.log"), "a");
    const [data, exec, pid] = ["data", "exec", "docker.pid"].map((name) => join(this.folder, name));
    const places = ["--data-root", data!, "--exec-root", exec!, "--pidfile", pid!, "-H", `unix://${this.socketPath}`];
    const network = ["--bridge=none", "--iptables=false", "--ip-forward=false", "--ip-masq=false", "--userland-proxy=false"];
    const rest = ["--cgroup-parent", `/${this.#cgroup}`, "--shutdown-timeout", "3"];
    this.#daemon = spawn("dockerd", [...places, ...network, ...rest], { stdio: ["ignore", log, log] });
    await waitUntil("Docker answers", () => this.answers());
  }

  async answers(): Promise<boolean> {
    try {
      await this.api.ping(AbortSignal.timeout(1_000));
      return true;
    } catch {
      return false;
    }
  }

  /** Runs a container that has nothing to do with ours; resolves to its id. */
  async runForeign(name: string, labels: Readonly<Record<string, string>> = {}): Promise<string> {
    const signal = AbortSignal.timeout(60_000);
    const body = {
      Image: IMAGE,
      Entrypoint: ["/busybox", "sleep", "inf"],
      Labels: labels,
      HostConfig: { NetworkMode: "none", Init: true },
    };
    const { Id } = await this.api.call<{ Id: string }>({ method: "POST", path: "/containers/create", query: { name }, body, signal });
    await this.api.call({ method: "POST", path: `/containers/${Id}/start`, signal });
    return Id;
  }

  /** Removes all containers, also those that are not ours. */
  async clear(): Promise<void> {
    const signal = AbortSignal.timeout(120_000);
    const all = await this.api.call<{ Id: string }[]>({ method: "GET", path: "/containers/json", query: { all: "1" }, signal });
    await Promise.all(
      all.map(({ Id }) => this.api.call({ method: "DELETE", path: `/containers/${Id}`, query: { force: "1", v: "1" }, signal })),
    );
  }

  async close(): Promise<void> {
    if (this.#daemon !== null) {
      process.kill(this.pid, "SIGCONT");
      await this.clear().catch(() => process.stderr.write(`${tail(join(this.folder, "dockerd.log"))}\n`));
      this.#daemon.kill("SIGTERM");
      await endOf(this.#daemon);
    }
    this.engine.close();
    this.api.close();
    await removeCgroup(this.#cgroup);
    rmSync(this.folder, { recursive: true, force: true });
  }
}
