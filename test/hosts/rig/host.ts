import { existsSync, mkdirSync } from "node:fs";
import { connect } from "node:net";
import { join } from "node:path";
import { spawn, type ChildProcess } from "node:child_process";
import { createEngineApi, type EngineApi } from "./engine-api.ts";
import type { Fabric } from "./fabric.ts";
import { removeCgroup } from "./leftovers.ts";
import {
  childOf,
  endOf,
  inNamespaces,
  RIG_PATH,
  run,
  startInNamespaces,
  tail,
  type CommandOptions,
  type CommandResult,
  type RigProcess,
} from "./process.ts";
import { createRelay, type Relay } from "./relay.ts";
import { Hopeless, waitFor, waitUntil } from "./wait.ts";

const INIT = join(import.meta.dirname, "host-init.sh");
const MAIN = join(import.meta.dirname, "../../../reconciler/main.ts");
const OVS_SCHEMA = "/usr/share/openvswitch/vswitch.ovsschema";

/** The bridge that `startSwitch` makes, and its port to the other hosts. */
export const BRIDGE = "br0";
export const UPLINK = "eth1";

/** Where the host itself sees its sockets. */
export const DOCKER_SOCKET = "/run/docker.sock";
export const AGENT_SOCKET = "/run/setpoint/agent.sock";

export interface DockerOptions {
  readonly liveRestore?: boolean;
}

export interface HostPlace {
  readonly name: string;
  /** 1..200: the last part of its address. */
  readonly number: number;
  /** On disk: what survives a power cut. */
  readonly folder: string;
  /** Of all its containers; without a slash at the start. */
  readonly cgroup: string;
  readonly fabric: Fabric;
  /** `plain`: Docker's own bridge and iptables. `bare`: neither, the network is the agent's. */
  readonly docker: "plain" | "bare";
  /** Hears the pid of each new first process before anything runs in its namespaces. */
  readonly onBoot: (pids: readonly number[]) => void;
}

/** One machine: namespaces, Docker, Open vSwitch and an agent of its own. */
export class RigHost {
  readonly name: string;
  readonly address: string;
  readonly folder: string;
  /** Docker's API, spoken to without its command line. */
  readonly engine: EngineApi;
  readonly #place: HostPlace;
  readonly #relay: Relay;
  #machine: { readonly outer: ChildProcess; readonly ended: Promise<unknown>; readonly initPid: number } | null = null;
  #docker: RigProcess | null = null;
  #database: RigProcess | null = null;
  #switch: RigProcess | null = null;
  #agent: RigProcess | null = null;
  /** What the machine starts at boot; null: not enabled. */
  #enabled: { docker: DockerOptions | null; switch: boolean; agent: readonly string[] | null } = {
    docker: null,
    switch: false,
    agent: null,
  };

  private constructor(place: HostPlace, relay: Relay) {
    this.#place = place;
    this.#relay = relay;
    this.name = place.name;
    this.address = `192.168.50.${place.number}`;
    this.folder = place.folder;
    this.engine = createEngineApi(() => this.path(DOCKER_SOCKET));
  }

  /** A machine that is off. */
  static async create(place: HostPlace): Promise<RigHost> {
    mkdirSync(join(place.folder, "log"), { recursive: true });
    const host: { made: RigHost | null } = { made: null };
    const relay = await createRelay(join(place.folder, "agent.sock"), () => host.made!.#agentTarget());
    host.made = new RigHost(place, relay);
    return host.made;
  }

  /** What a HostPool writes for this host: stays the same over power cuts. */
  get agentSocket(): string {
    return join(this.folder, "agent.sock");
  }

  /** Where the cgroups of its containers are. */
  get cgroupParent(): string {
    return `/${this.#place.cgroup}`;
  }

  get isOn(): boolean {
    return this.#machine !== null;
  }

  /** Its first process, as this machine counts. */
  get initPid(): number {
    if (this.#machine === null) throw new Error(`host ${this.name} is off: boot() it first`);
    return this.#machine.initPid;
  }

  get dockerPid(): number {
    if (this.#docker === null) throw new Error(`host ${this.name} has no Docker daemon running`);
    return this.#docker.pid;
  }

  get agentPid(): number {
    if (this.#agent === null) throw new Error(`host ${this.name} has no agent running`);
    return this.#agent.pid;
  }

  /** A path of the host's own file system, as this machine sees it. */
  path(inside: string): string {
    return `/proc/${this.initPid}/root${inside}`;
  }

  /** Runs a program in the host's namespaces; see run. It does not outlive its deadline. */
  exec(argv: readonly string[], options: CommandOptions = {}): Promise<CommandResult> {
    const deadlineMs = options.deadlineMs ?? 60_000;
    const limited = ["timeout", "--kill-after=1", String(deadlineMs / 1000), ...argv];
    return run(inNamespaces(this.initPid, limited), { ...options, deadlineMs: deadlineMs + 10_000 });
  }

  /** Docker's command line; resolves to what it printed. */
  async docker(...args: readonly string[]): Promise<string> {
    const { stdout } = await this.exec(["docker", "-H", `unix://${DOCKER_SOCKET}`, ...args]);
    return stdout.trimEnd();
  }

  /** Switches the machine on, and starts what was running when it went off, in the order of its units: switch, agent, Docker. */
  async boot(): Promise<void> {
    if (this.#machine !== null) throw new Error(`host ${this.name} is on already`);
    await removeCgroup(this.#place.cgroup);
    this.#machine = await this.#startMachine();
    await this.#place.fabric.plug(this.#place.number, this.#machine.initPid);
    this.#relay.reset();
    this.#relay.mend();
    if (this.#enabled.switch) await this.startSwitch();
    if (this.#enabled.agent !== null) await this.startAgent(...this.#enabled.agent);
    if (this.#enabled.docker !== null) await this.startDocker(this.#enabled.docker);
  }

  /** All processes end at once and what was in memory is gone; the disk stays. Who spoke with the host hears nothing. */
  async powerCut(): Promise<void> {
    const machine = this.#machine;
    if (machine === null) return;
    this.#relay.cut();
    process.kill(machine.initPid, "SIGKILL");
    await machine.ended;
    this.#machine = null;
    for (const daemon of [this.#docker, this.#database, this.#switch, this.#agent]) await daemon?.ended;
    this.#docker = this.#database = this.#switch = this.#agent = null;
    await removeCgroup(this.#place.cgroup);
  }

  /** Resolves when Docker answers. */
  async startDocker(options: DockerOptions = {}): Promise<void> {
    if (this.#docker?.running() === true) throw new Error(`the Docker daemon of host ${this.name} runs already`);
    this.#enabled = { ...this.#enabled, docker: options };
    this.#docker = await startInNamespaces(this.initPid, this.#dockerCommand(options), { log: this.#log("dockerd"), env: this.#env() });
    await waitUntil(
      `Docker of host ${this.name} to answer`,
      () => {
        if (this.#docker?.running() !== true) throw new Hopeless("dockerd ended");
        return this.engine.call("GET", "/_ping").then((answer) => answer === "OK");
      },
      { evidence: () => this.logTails() },
    );
  }

  async killDocker(signal: NodeJS.Signals = "SIGKILL"): Promise<void> {
    await this.#docker?.kill(signal);
    this.#docker = null;
  }

  /** SIGSTOP hangs the daemon, SIGCONT lets it go on. */
  signalDocker(signal: NodeJS.Signals): void {
    process.kill(this.dockerPid, 0);
    this.#docker!.signal(signal);
  }

  /** The database with the switch, and the bridge with its uplink; what of it runs already is left alone. */
  async startSwitch(): Promise<void> {
    this.#enabled = { ...this.#enabled, switch: true };
    const database = join(this.folder, "ovs/conf.db");
    if (!existsSync(database)) await this.exec(["ovsdb-tool", "create", database, OVS_SCHEMA]);
    const remote = "/run/openvswitch/db.sock";
    if (this.#database?.running() !== true) {
      const argv = ["ovsdb-server", database, `--remote=punix:${remote}`, "--pidfile", "--no-chdir"];
      this.#database = await startInNamespaces(this.initPid, argv, { log: this.#log("ovsdb"), env: this.#env() });
      await this.#until("the switch's database", () => this.exec(["ovs-vsctl", "--timeout=2", "--no-wait", "init"]));
    }
    if (this.#switch?.running() !== true) {
      const argv = ["ovs-vswitchd", `unix:${remote}`, "--pidfile", "--no-chdir", "-vconsole:warn"];
      this.#switch = await startInNamespaces(this.initPid, argv, { log: this.#log("vswitchd"), env: this.#env() });
    }
    const bridge = ["--may-exist", "add-br", BRIDGE, "--", "set", "bridge", BRIDGE, "datapath_type=netdev"];
    const uplink = ["--may-exist", "add-port", BRIDGE, UPLINK];
    await this.#until("the switch", () => this.exec(["ovs-vsctl", "--timeout=10", ...bridge, "--", ...uplink]));
  }

  /** Kills the switch itself; its database stays. */
  async killSwitch(signal: NodeJS.Signals = "SIGKILL"): Promise<void> {
    await this.#switch?.kill(signal);
    this.#switch = null;
  }

  /** Resolves when the agent takes connections. The arguments come after those every agent of the rig has. */
  async startAgent(...args: readonly string[]): Promise<void> {
    if (this.#agent?.running() === true) throw new Error(`the agent of host ${this.name} runs already`);
    this.#enabled = { ...this.#enabled, agent: args };
    const root = join(this.folder, "docker");
    const where = ["--state", join(this.folder, "agent"), "--socket", AGENT_SOCKET, "--docker", DOCKER_SOCKET, "--docker-root", root];
    const argv = [process.execPath, MAIN, "agent", ...where, ...args];
    this.#agent = await startInNamespaces(this.initPid, argv, { log: this.#log("agent"), env: this.#env() });
    await this.#until("the agent", async () => {
      if (this.#agent?.running() !== true) throw new Hopeless("the agent ended");
      await knock(this.path(AGENT_SOCKET));
    });
  }

  async killAgent(signal: NodeJS.Signals = "SIGKILL"): Promise<void> {
    await this.#agent?.kill(signal);
    this.#agent = null;
  }

  /** Cuts the network between the reconciler and the host: nothing arrives, and nobody is told. */
  cut(): void {
    this.#relay.cut();
  }

  mend(): void {
    this.#relay.mend();
  }

  /** Takes the cables to the other hosts down. */
  unplug(): Promise<void> {
    return this.#place.fabric.setLink(this.#place.number, "down");
  }

  replug(): Promise<void> {
    return this.#place.fabric.setLink(this.#place.number, "up");
  }

  /** The last lines of every log, for a message. */
  logTails(lines?: number): string {
    const logs = ["init", "dockerd", "ovsdb", "vswitchd", "agent"].map((name) => this.#log(name)).filter((path) => existsSync(path));
    return logs.map((path) => tail(path, lines)).join("\n");
  }

  async close(): Promise<void> {
    await this.powerCut();
    this.engine.close();
    await this.#relay.close();
  }

  async #startMachine(): Promise<{ outer: ChildProcess; ended: Promise<unknown>; initPid: number }> {
    const separate = ["--mount", "--net", "--pid", "--uts", "--ipc", "--fork", "--mount-proc", "--kill-child=KILL"];
    // Both ends of the chain die with their parent, so a test that crashes takes its machines along.
    const argv = ["--pdeathsig", "KILL", "unshare", ...separate, INIT, this.name, this.folder];
    const outer = spawn("setpriv", argv, { cwd: "/", env: { PATH: RIG_PATH }, stdio: ["ignore", "pipe", "pipe"] });
    const ended = endOf(outer);
    const printed: string[] = [];
    for (const stream of [outer.stdout, outer.stderr]) stream.on("data", (chunk: Buffer) => printed.push(chunk.toString()));
    const initPid = await waitFor(
      `host ${this.name} to boot`,
      () => {
        if (outer.exitCode !== null) throw new Hopeless(`its first process ended with ${outer.exitCode}`);
        return printed.join("").startsWith("up\n") ? childOf(outer.pid!) : null;
      },
      { everyMs: 5, evidence: () => printed.join("") },
    );
    this.#place.onBoot([outer.pid!, initPid]);
    return { outer, ended, initPid };
  }

  #dockerCommand({ liveRestore = false }: DockerOptions): string[] {
    const places = ["--data-root", join(this.folder, "docker"), "--exec-root", "/run/docker", "--pidfile", "/run/docker.pid"];
    const cgroups = ["--cgroup-parent", `/${this.#place.cgroup}`, "--exec-opt", "native.cgroupdriver=cgroupfs"];
    const bare = ["--bridge=none", "--iptables=false", "--ip-forward=false", "--ip-masq=false", "--userland-proxy=false"];
    return [
      "dockerd",
      `--host=unix://${DOCKER_SOCKET}`,
      "--shutdown-timeout=3",
      ...places,
      ...cgroups,
      ...(this.#place.docker === "bare" ? bare : []),
      ...(liveRestore ? ["--live-restore"] : []),
    ];
  }

  #env(): Record<string, string> {
    const { folder } = this;
    return {
      PATH: RIG_PATH,
      HOME: folder,
      OVS_RUNDIR: "/run/openvswitch",
      OVS_DBDIR: join(folder, "ovs"),
      OVS_LOGDIR: join(folder, "log"),
      NODE_COMPILE_CACHE: join(folder, "../node-cache"),
    };
  }

  #agentTarget(): string | null {
    return this.#machine === null ? null : this.path(AGENT_SOCKET);
  }

  #log(name: string): string {
    return join(this.folder, "log", `${name}.log`);
  }

  async #until(what: string, tried: () => Promise<unknown>): Promise<void> {
    const attempt = async (): Promise<true> => {
      await tried();
      return true;
    };
    await waitFor(`${what} of host ${this.name}`, attempt, { evidence: () => this.logTails() });
  }
}

/** Resolves when somebody takes a connection. */
function knock(path: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const socket = connect(path, () => {
      socket.destroy();
      resolve();
    });
    socket.on("error", reject);
  });
}
