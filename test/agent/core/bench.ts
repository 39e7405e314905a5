import { createAgent, type Agent } from "../../../reconciler/agent/agent.ts";
import type { HostSettings } from "../../../reconciler/core/host-settings.ts";
import type { HostObservation } from "../../../reconciler/core/observation.ts";
import type { ActionResult, WatchLine } from "../../../reconciler/core/agent-wire.ts";
import type { Action, InstanceSpec } from "../../../reconciler/core/plan.ts";
import { createVolumes } from "../../../reconciler/agent/volumes/volumes.ts";
import { createVirtualClock, type VirtualClock } from "../../../reconciler/sim/virtual-clock.ts";
import { bringUpSteps, spec, type step } from "../../sim/fixtures.ts";
import { FakeHost } from "./fake-host.ts";
import { FakeSecrets } from "./fake-secrets.ts";

export const SETTINGS: HostSettings = {
  fleet: "shop",
  host: "a-1",
  leaseForMs: null,
  network: {
    driver: "ovs",
    cidr: "10.0.0.0/16",
    gateway: "10.0.0.1",
    vlan: null,
    bridge: "br0",
    datapath: "system",
    mtu: 1500,
    overlay: null,
  },
  cpus: null,
};

/** One agent on a host in memory, on a clock that moves only when told. */
export class Bench {
  readonly clock: VirtualClock = createVirtualClock(1_700_000_000_000);
  readonly host = new FakeHost(this.clock);
  readonly secrets = new FakeSecrets();
  agent: Agent;

  constructor() {
    this.agent = this.#create();
  }

  #create(): Agent {
    const { engine, network, cgroups, sampler, probe, machine, folder, log } = this.host;
    const { secrets } = this;
    const volumes = createVolumes([this.host.lvm.driver()]);
    const write =
      (level: string) =>
      (fields: Readonly<Record<string, unknown>>, message: string): void =>
        void log.push(`${level} ${message} ${fields["error"] instanceof Error ? fields["error"].message : ""}`);
    const logger = { info: write("info"), warn: write("warn"), error: write("error") };
    return createAgent({
      engine,
      network,
      cgroups,
      sampler,
      probe,
      secrets,
      volumes,
      machine,
      clock: this.clock,
      log: logger,
      stateFolder: folder,
    });
  }

  /** Starts the agent and tells it its settings. */
  async begin(settings: Partial<HostSettings> = {}): Promise<this> {
    void this.agent.start();
    await this.until(this.agent.configure({ ...SETTINGS, ...settings }));
    return this;
  }

  /** Ends the agent's process; `meanwhile` happens before the next one starts. */
  async restart(meanwhile: () => void = () => undefined): Promise<void> {
    await this.until(this.agent.close());
    meanwhile();
    this.agent = this.#create();
    void this.agent.start();
  }

  /** As kill -9: what the agent was doing goes on in the engine, but nobody hears of it. */
  abandon(): void {
    this.agent = this.#create();
    void this.agent.start();
  }

  /** Lets time pass, and waits for the disk wherever something is written. */
  async pass(ms: number): Promise<void> {
    const slice = ms >= 1_000 ? 50 : 10;
    for (let left = ms; left > 0; left -= slice) {
      await this.clock.advance(Math.min(slice, left));
      await diskIdle();
    }
  }

  /** Lets time pass until the work is over; at most ten minutes. */
  async until<Result>(work: Promise<Result>): Promise<Result> {
    const state = { over: false };
    const end = (): void => void (state.over = true);
    work.then(end, end);
    for (let turns = 0; !state.over && turns < 60_000; turns++) await this.pass(10);
    return await work;
  }

  observe(): Promise<HostObservation> {
    return this.until(this.agent.observe());
  }

  run(action: Action): Promise<ActionResult> {
    return this.until(this.agent.apply(action));
  }

  /** Codes of steps carried out one after another: `done` for success. */
  async codes(...actions: readonly Action[]): Promise<string[]> {
    const codes: string[] = [];
    for (const action of actions) codes.push(codeOf(await this.run(action)));
    return codes;
  }

  /** An Instance from image to running. */
  async bringUp(wanted: InstanceSpec = spec(), slot: Parameters<typeof step>[2] = {}): Promise<void> {
    const codes = await this.codes(...bringUpSteps(wanted, slot).filter((action) => action.kind !== "createVolume"));
    if (codes.some((code) => code !== "done")) throw new Error(`could not bring up: ${codes.join(", ")}`);
  }

  async watch(lines: WatchLine[]): Promise<() => void> {
    return await this.until(this.agent.watch((line) => void lines.push(line)));
  }

  async end(): Promise<void> {
    this.host.engine.hung = false;
    await this.until(this.agent.close());
    this.host.remove();
  }
}

/** Exclusive, as one with an address of its own: the fixtures' volume would need LVM. */
export function exclusiveSpec(): InstanceSpec {
  return { ...spec(), exclusive: true };
}

export function codeOf({ outcome, code }: ActionResult): string {
  return outcome === "done" ? "done" : `${outcome} ${code}`;
}

/** Resolves when no file is being written. */
async function diskIdle(): Promise<void> {
  for (let quiet = 0; quiet < 2; quiet++) {
    await new Promise((resolve) => setImmediate(resolve));
    if (process.getActiveResourcesInfo().some((name) => name.startsWith("FSReq") || name === "CloseReq")) quiet = -1;
  }
}
