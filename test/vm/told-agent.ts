import { WIRE_VERSION, type ActionResult } from "../../reconciler/core/agent-wire.ts";
import type { HostSettings } from "../../reconciler/core/host-settings.ts";
import type { HostObservation } from "../../reconciler/core/observation.ts";
import type { Action, ActionKind, InstanceSpec } from "../../reconciler/core/plan.ts";
import { container, instanceSpec } from "../agent/docker/instance.ts";
import { IMAGES } from "../hosts/rig/images.ts";
import { Hopeless, waitFor } from "../hosts/rig/wait.ts";
import type { VmHost } from "./rig/host.ts";

export const FLEET = "lab";
const SOCKET = "/run/setpoint/agent.sock";
/** Joins stdin and stdout to a socket; ends when the other side does. */
const JOIN =
  'my $s = IO::Socket::UNIX->new($ARGV[0]) or die "connect: $!\\n"; local $/; my $q = <STDIN>; print $s $q; $s->flush; print <$s>';
/** Codes of steps that ran out of time. */
const SLOW: readonly string[] = ["engine-silent", "engine-timeout", "network-failed"];
/** A machine without hardware help, on a busy one, takes its time. */
const STEP_MS = 180_000;

export const SETTINGS: HostSettings = {
  fleet: FLEET,
  host: "a",
  leaseForMs: null,
  cpus: null,
  limits: "best-effort",
  network: {
    driver: "bridge",
    cidr: "10.88.0.0/16",
    gateway: "10.88.0.1",
    vlan: null,
    bridge: "spvols",
    datapath: "system",
    mtu: 1500,
    overlay: null,
  },
  storage: { volumeGroup: "vg0", thinPool: null, folder: "/var/lib/setpoint/folders" },
};

type Payload<K extends ActionKind> = Omit<
  Extract<Action, { kind: K }>,
  "number" | "host" | "set" | "taskId" | "needs" | "input" | "deadlineMs" | "kind" | "generation" | "index"
>;

export interface SlotChoice {
  readonly set?: string;
  readonly index?: number;
  readonly generation?: number;
}

/** The agent of a machine, told what to do step by step, as a reconciler would. */
export class ToldAgent {
  readonly host: VmHost;

  constructor(host: VmHost) {
    this.host = host;
  }

  async configure(change: Partial<HostSettings> = {}): Promise<void> {
    await this.#call("PUT", "/v1/settings", { ...SETTINGS, ...change });
  }

  async observe(): Promise<HostObservation> {
    return JSON.parse(await this.#call("GET", "/v1/observe")) as HostObservation;
  }

  /** How the step ended; null: the agent ended first. */
  async step<K extends ActionKind>(kind: K, payload: Payload<K>, slot: SlotChoice = {}): Promise<ActionResult | null> {
    const { set = "db", index = 0, generation = 1 } = slot;
    const rest = { number: 0, taskId: "4bf92f3577b34da6a3ce929d0e0e4736", needs: [], input: "i", deadlineMs: STEP_MS };
    const action = { kind, host: "a", set, index, generation, ...rest, ...payload };
    const answer = await this.#call("POST", "/v1/apply", { actions: [action] });
    return answer === "" ? null : (JSON.parse(answer) as ActionResult);
  }

  /** `done`, or the outcome, code and message. What only tells of a machine that is slow is asked for again, as a reconciler does. */
  async told<K extends ActionKind>(kind: K, payload: Payload<K>, slot: SlotChoice = {}): Promise<string> {
    return await waitFor(`${kind} to have a chance`, async () => {
      const result = await this.step(kind, payload, slot);
      if (result === null) throw new Hopeless(`the agent ended in the middle of ${kind}`);
      if (SLOW.includes(result.code)) throw new Error(`${result.code}: ${result.message}`);
      return result.outcome === "done" ? "done" : `${result.outcome} ${result.code}: ${result.message}`;
    });
  }

  /** Throws unless it was done. */
  async must<K extends ActionKind>(kind: K, payload: Payload<K>, slot: SlotChoice = {}): Promise<void> {
    const told = await this.told(kind, payload, slot);
    if (told !== "done") throw new Error(`${kind} ${JSON.stringify(payload)}: ${told}`);
  }

  /** An Instance with one container that sleeps and has the volume `data` at /data. */
  async run(ip: string, slot: SlotChoice = {}): Promise<void> {
    await this.must("attachPort", { ip, vlan: null, ingressBps: null, egressBps: null }, slot);
    await this.must("startInstance", { spec: withVolume(), ip }, slot);
  }

  async remove(slot: SlotChoice = {}): Promise<void> {
    await this.must("stopInstance", { graceMs: 1_000 }, slot);
    await this.must("removeInstance", {}, slot);
    await this.must("detachPort", {}, slot);
  }

  /** Waits until the agent answers, after it was killed or its machine booted. */
  async isBack(): Promise<void> {
    await waitFor("the agent to answer", async () => (await this.observe()).capabilities.includes("docker") || null, { everyMs: 500 });
  }

  async #call(method: string, path: string, body?: unknown): Promise<string> {
    const text = body === undefined ? "" : JSON.stringify(body);
    const head = [
      `${method} ${path} HTTP/1.0`,
      `setpoint-fleet: ${FLEET}`,
      `setpoint-wire: ${WIRE_VERSION}`,
      `content-length: ${Buffer.byteLength(text)}`,
    ];
    const options = { input: `${head.join("\r\n")}\r\n\r\n${text}`, deadlineMs: STEP_MS };
    const { stdout } = await this.host.exec(["perl", "-MIO::Socket::UNIX", "-e", JOIN, SOCKET], options);
    const [status = "", ...rest] = stdout.split("\r\n");
    const answer = rest.join("\r\n").split("\r\n\r\n").slice(1).join("\r\n\r\n");
    if (stdout !== "" && !/^HTTP\/1.1 2/.test(status)) throw new Error(`${method} ${path}: ${status} ${answer}`);
    return answer;
  }
}

/** As ToldAgent.run starts it. */
export function withVolume(): InstanceSpec {
  const mounts = [{ volume: "data", path: "/data", readOnly: false }];
  const app = container("app", { image: IMAGES.sleeper, command: null, mounts });
  return { ...instanceSpec({ containers: [app], volumes: [{ name: "data", kind: "lvm", filesystem: "ext4" }] }), exclusive: true };
}

/** Name of the app container that ToldAgent.run starts. */
export function appOf({ set = "db", index = 0, generation = 1 }: SlotChoice = {}): string {
  return `setpoint.${set}-${index}.g${generation}.app`;
}
