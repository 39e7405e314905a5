import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Command, CommandError, type RunCommand } from "../../../reconciler/agent/commands.ts";
import type { DockerNetwork, DockerNetworks } from "../../../reconciler/agent/network/docker-networks.ts";
import { createNetwork } from "../../../reconciler/agent/network/network.ts";
import type { Network, PortRequest, Resolver } from "../../../reconciler/agent/ports.ts";
import type { NetworkSettings } from "../../../reconciler/core/host-settings.ts";

interface FakePort {
  readonly bridge: string;
  readonly columns: Record<string, string>;
  readonly ids: Record<string, string>;
  readonly options: Record<string, string>;
}

export const SETTINGS: NetworkSettings = {
  driver: "ovs",
  cidr: "10.99.1.0/24",
  gateway: "10.99.1.1",
  vlan: null,
  bridge: "sp0",
  datapath: "netdev",
  mtu: 1450,
  overlay: null,
};

export function port(more: Partial<PortRequest> = {}): PortRequest {
  return { set: "web", index: 0, generation: 1, ip: "10.99.1.7", vlan: null, ingressBps: null, egressBps: null, ...more };
}

export function soon(): AbortSignal {
  return AbortSignal.timeout(10_000);
}

/** Links, limits and a switch in memory, worked by the very command lines that the host's tools get; a command it does not know throws. */
export class FakeHost {
  readonly folder = mkdtempSync(join(tmpdir(), "network-"));
  /** Every command as one line, oldest first; reads of the switch are left out. */
  readonly commands: string[] = [];
  /** By name; the value is the other end. */
  readonly links = new Map<string, string>();
  readonly limits = new Map<string, number>();
  /** Docker's bridge, once a network was made; by link, the bridge it is a port of. */
  readonly masters = new Map<string, string>();
  /** By pid: what was configured inside. */
  readonly inside = new Map<number, string>();
  readonly bridges = new Map<string, { ids: Record<string, string>; columns: Record<string, string> }>();
  readonly ports = new Map<string, FakePort>();
  flows: { cookie: string; text: string }[] = [];
  /** Links whose address was announced, oldest first. */
  readonly announced: string[] = [];
  switchRun = "1";
  /** Docker makes its bridges on this machine, not on another. */
  dockerIsHere = true;
  readonly networks: DockerNetwork[] = [];
  readonly lines: string[] = [];
  /** Called before each command; may throw or never resolve. */
  before: (line: string) => Promise<void> | void = () => {};
  nowMs = 1_000_000;
  resolver: Resolver | null = { nameservers: ["192.0.2.53"], search: [], options: [] };
  #qos: string | null = null;
  #made: Network[] = [];

  readonly run: RunCommand = async (command, signal) => {
    const line = [command.program, ...command.args].join(" ");
    const isRead = line.includes("--format=json") || line.includes("dump-flows") || line.includes("qdisc show") || line.includes("sptest");
    if (!isRead) this.commands.push(line);
    await new Promise<void>((resolve, reject) => {
      signal.addEventListener("abort", () => reject(signal.reason as Error));
      Promise.resolve(this.before(line)).then(resolve, reject);
    });
    signal.throwIfAborted();
    return this.#answer(command);
  };

  /** A new run of the agent on this host. */
  agent({ stays = true } = {}): Network {
    const note = (fields: object, message: string): void => void this.lines.push(`${message} ${JSON.stringify(fields)}`);
    const networks: DockerNetworks = {
      ensure: async (wanted) => {
        this.networks.push(wanted);
        const bridge = wanted.options["com.docker.network.bridge.name"];
        if (bridge !== undefined && this.dockerIsHere) this.links.set(bridge, "");
      },
    };
    const network = createNetwork({
      stateFolder: join(this.folder, "state"),
      pluginSocket: this.pluginSocket,
      dockerSocket: join(this.folder, "docker.sock"),
      stays,
      fleet: () => "lab",
      clock: { now: () => this.nowMs, monotonic: () => this.nowMs, sleep: (ms, signal) => sleepAtOnce(ms, signal) },
      log: { info: note, warn: note, error: note },
      run: this.run,
      networks,
      files: {
        links: () => [...this.links.keys()].map((name) => `${name}: 100 1 0 0 0 0 0 0 200 2 0 0 0 0 0 0`).join("\n"),
        hasLink: (name) => this.links.has(name),
        bridgeOf: (link) => this.masters.get(link) ?? "",
        routesOf: (pid) => (this.inside.get(pid)?.includes("route add default") === true ? "eth0\t00000000\t0101630A\t0003" : ""),
        indexOf: (link) => [...this.links.keys()].indexOf(link) + 1,
        ownPid: () => 1,
        hasIpv6: () => true,
        switchRun: () => this.switchRun,
        engineRun: () => "1",
      },
      resolver: () => this.resolver,
    });
    this.#made.push(network);
    return network;
  }

  /** What a command that ends badly throws. */
  fails(line: string, stderr: string): CommandError {
    const [program, ...args] = line.split(" ") as [string, ...string[]];
    return new CommandError({ program, args }, "exit", stderr);
  }

  get pluginSocket(): string {
    return join(this.folder, "setpoint.sock");
  }

  /** What Docker does between Join and the first instruction. */
  takePeer(link: string): void {
    const other = this.links.get(link)!;
    this.links.delete(link);
    this.links.set(other, "inside");
  }

  /** As vswitchd after kill -9: ports stay in the database, flows are gone. */
  restartSwitch(): void {
    this.flows = [];
    this.switchRun += "1";
  }

  /** Flows by cookie. */
  flowsOf(cookie: string): string[] {
    return this.flows.filter((flow) => flow.cookie === cookie).map(({ text }) => text);
  }

  addForeignPort(name: string, bridge: string): void {
    this.ports.set(name, { bridge, columns: {}, ids: { owner: "someone" }, options: {} });
  }

  async remove(): Promise<void> {
    for (const network of this.#made) await network.close();
    rmSync(this.folder, { recursive: true });
  }

  #answer(command: Command): string {
    const { program, args, input = "" } = command;
    switch (program) {
      case "ip":
        return this.#ip(command, input);
      case "nsenter":
        this.#enter(command, input);
        return "";
      case "ethtool":
        return "";
      case "tc":
        return this.#tc(args);
      case "ovs-vsctl":
        return args[1] === "--format=json" ? this.#snapshot(args) : this.#change(args);
      case "ovs-ofctl":
        return this.#openflow(args, input);
      default:
        throw new Error(`no such program: ${program}`);
    }
  }

  #ip(command: Command, input: string): string {
    const [verb, ...args] = command.args;
    const lines = verb === "-batch" || verb === "-force" ? input : `link ${args.join(" ")}`;
    const added = /link add (\S+) .*peer name (\S+)/.exec(lines);
    if (added !== null) {
      if (this.links.has(added[1]!)) throw new CommandError(command, "exit", "RTNETLINK answers: File exists");
      this.links.set(added[1]!, added[2]!).set(added[2]!, added[1]!);
    }
    for (const [, link, master] of lines.matchAll(/link set (\S+) master (\S+)/g)) {
      if (!this.links.has(master!)) throw new CommandError(command, "exit", "Error: argument is wrong: Device does not exist");
      this.masters.set(link!, master!);
    }
    if (args[0] === "del") {
      if (!this.links.has(args[1]!)) throw new CommandError(command, "exit", `Cannot find device "${args[1]}"`);
      this.links.delete(this.links.get(args[1]!)!);
      this.links.delete(args[1]!);
    }
    return "";
  }

  /** In a namespace: the links of the host that it makes from there, and what it configures. */
  #enter(command: Command, input: string): void {
    if (!command.args.includes("-batch")) return;
    const [made, ...lines] = input.split("\n");
    const [, link, index] = /^link add (\S+) netns 1 .*master if(\d+) up type veth peer name eth0 /.exec(made!)!;
    if (this.links.has(link!)) throw new CommandError(command, "exit", "RTNETLINK answers: File exists");
    const bridge = [...this.links.keys()][Number(index) - 1];
    if (bridge === undefined) throw new CommandError(command, "exit", "Error: argument is wrong: Device does not exist");
    this.links.set(link!, "inside");
    this.masters.set(link!, bridge);
    this.inside.set(Number(/--net=\/proc\/(\d+)\//.exec(command.args.join(" "))![1]), lines.join("\n"));
  }

  #tc(args: readonly string[]): string {
    if (args.includes("show")) {
      return JSON.stringify([...this.limits].map(([dev, bps]) => ({ kind: "tbf", dev, root: true, options: { rate: bps / 8 } })));
    }
    const link = args[args.indexOf("dev") + 1]!;
    if (args.includes("noqueue")) this.limits.delete(link);
    else this.limits.set(link, Number.parseInt(args[args.indexOf("rate") + 1]!, 10));
    return "";
  }

  #change(args: readonly string[]): string {
    let answer = "";
    for (const words of split(args.filter((word) => !/^--(no-wait|timeout|if-exists|may-exist)/.test(word)))) {
      const [verb, ...rest] = words as [string, ...string[]];
      const fields = rest.filter((word) => word.includes("="));
      if (verb === "add-br") this.bridges.set(rest[0]!, this.bridges.get(rest[0]!) ?? { ids: {}, columns: {} });
      else if (verb === "del-port") this.ports.delete(rest[0]!);
      else if (verb === "add-port") this.#addPort(rest, fields);
      else if (verb === "create") answer = this.#qos = "11111111-2222";
      else if (verb === "set" && rest[0] === "bridge") assignAll(this.bridges.get(rest[1]!)!, fields);
      else if (verb === "set" && this.ports.has(rest[1]!)) assignAll(this.ports.get(rest[1]!)!, fields);
      else if (verb !== "set") throw new Error(`no such command of ovs-vsctl: ${words.join(" ")}`);
    }
    return answer;
  }

  #addPort([bridge, name]: readonly string[], fields: readonly string[]): void {
    if (this.ports.has(name!)) throw new Error(`there is a port ${name} already`);
    const added = { bridge: bridge!, columns: {}, ids: {}, options: {} };
    assignAll(added, fields);
    this.ports.set(name!, added);
  }

  /** In the order of the command's tables; `find` shows only what is the fleet's. */
  #snapshot(args: readonly string[]): string {
    const fleet = /setpoint-fleet="([^"]*)"/.exec(args.join(" "))![1];
    const ours = [...this.ports].filter(([, { ids }]) => ids["setpoint-fleet"] === fleet);
    const bridges = [...this.bridges].map(([name, { ids, columns }]) => {
      const ports = [...this.ports].filter(([, held]) => held.bridge === name).map(([port]) => ["uuid", `id-${port}`]);
      return [name, map(ids), columns["datapath_type"] ?? "", columns["fail_mode"] ?? ["set", []], ["set", ports]];
    });
    return [
      table(["name", "external_ids", "datapath_type", "fail_mode", "ports"], bridges),
      table(
        ["_uuid", "name", "tag", "protected", "external_ids"],
        ours.map(([name, { ids, columns }]) => {
          const tag = columns["tag"] === undefined ? ["set", []] : Number(columns["tag"]);
          return [["uuid", `id-${name}`], name, tag, columns["protected"] === "true", map(ids)];
        }),
      ),
      table(
        ["name", "options"],
        ours.map(([name, { options }]) => [name, map(options)]),
      ),
      table(["_uuid", "type"], this.#qos === null ? [] : [[["uuid", this.#qos], "linux-noop"]]),
    ].join("\n");
  }

  #openflow(args: readonly string[], input: string): string {
    if (args.includes("dump-flows")) return this.flows.map(({ cookie, text }) => ` cookie=${cookie}, ${text}`).join("\n");
    if (!args.includes("bundle")) throw new Error(`no such command of ovs-ofctl: ${args.join(" ")}`);
    for (const line of input.trim().split("\n")) {
      if (line.startsWith("packet-out ")) {
        this.announced.push(/in_port=(\w+),/.exec(line)![1]!);
        continue;
      }
      const [, verb, cookie, mask, text] = /^flow (delete|add) cookie=(0x[0-9a-f]+)(?:\/([-\w]+))?(?:,(.*))?$/.exec(line)!;
      const same = (other: string): boolean => (mask === "-1" ? other === cookie : other.slice(0, 10) === cookie!.slice(0, 10));
      if (verb === "delete") this.flows = this.flows.filter((flow) => !same(flow.cookie));
      else this.flows.push({ cookie: cookie!, text: text! });
    }
    return "";
  }
}

/** Time stands still: waiting gives others a turn and ends at once. */
function sleepAtOnce(_ms: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    setImmediate(() => (signal?.aborted === true ? reject(signal.reason as Error) : resolve()));
  });
}

function split(words: readonly string[]): string[][] {
  const parts: string[][] = [[]];
  for (const word of words) {
    if (word === "--") parts.push([]);
    else parts.at(-1)!.push(word);
  }
  return parts.filter((part) => part.length > 0);
}

function assignAll(
  target: { readonly columns: Record<string, string>; readonly ids: Record<string, string>; readonly options?: Record<string, string> },
  fields: readonly string[],
): void {
  for (const field of fields) {
    const [, group, key, value] = /^(?:(external_ids|options):)?([^=]+)=(.*)$/.exec(field)!;
    const plain = value!.startsWith('"') ? (JSON.parse(value!) as string) : value!;
    if (group === "external_ids") target.ids[key!] = plain;
    else if (group === "options") target.options![key!] = plain;
    else target.columns[key!] = plain;
  }
}

function table(headings: readonly string[], data: readonly unknown[]): string {
  return JSON.stringify({ headings, data });
}

function map(record: Readonly<Record<string, string>>): unknown {
  return ["map", Object.entries(record)];
}
