import { execFileSync } from "node:child_process";
import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import type { HostRow, SlotRow, StatusReport } from "../../reconciler/api/types.ts";
import { askDaemon } from "../../reconciler/cli/client.ts";
import type { StateFolder } from "../../reconciler/cli/state-folder.ts";
import { startDaemon, type DaemonProcess } from "../kill/daemon-process.ts";
import type { RigHost } from "./rig/host.ts";
import { run, type CommandResult } from "./rig/process.ts";
import { waitFor, waitUntil } from "./rig/wait.ts";

/** Name of the fleet in owner labels: the daemon's default. */
const FLEET = "setpoint";
const LOG_CHARACTERS = 4_000;
const MAIN = join(import.meta.dirname, "../../reconciler/main.ts");

/** Files of a manifest repository by path; null removes one. */
export type Files = Readonly<Record<string, string | null>>;

/** What a fleet takes of its hosts, whatever kind of machine they are. */
export type FleetHost = Pick<RigHost, "name" | "isOn" | "engine" | "exec" | "docker" | "logTails">;

/** Hosts, and a folder that is removed with them. */
export interface FleetRig {
  readonly folder: string;
  readonly hosts: readonly FleetHost[];
  /** Where the reconciler finds programs, as ssh; absent: where this process does. */
  readonly path?: string;
}

/** One container of ours, as Docker on some host lists it. */
export interface WorldContainer {
  readonly host: string;
  readonly id: string;
  readonly name: string;
  /** `web/3`. */
  readonly slot: string;
  readonly generation: number;
  readonly role: string;
  readonly ip: string;
  readonly running: boolean;
}

/** A manifest repository, the reconciler that follows it as a process of its own, and the hosts of a rig. */
export interface TestFleet {
  readonly rig: FleetRig;
  /** Writes and commits; resolves to the commit. */
  commit(files: Files): string;
  startReconciler(): Promise<void>;
  /** Throws while no reconciler runs. */
  readonly reconcilerPid: number;
  /** The reconciler's journal. */
  readonly journal: string;
  /** As the kernel does it. */
  killReconciler(): Promise<void>;
  /** A verb of the command line on the reconciler's machine, whatever its exit code. */
  tell(...verb: readonly string[]): Promise<CommandResult>;
  /** What a verb prints, in one line. */
  printed(...verb: readonly string[]): Promise<string>;
  /** Waits until a verb prints all of this, on lines however broken. */
  says(verb: readonly string[], ...sentences: readonly string[]): Promise<void>;
  status(): Promise<StatusReport>;
  slots(): Promise<readonly SlotRow[]>;
  hosts(): Promise<readonly HostRow[]>;
  /** Our containers on every host that is on, from Docker itself. Rejects while one does not answer. */
  world(): Promise<readonly WorldContainer[]>;
  /**
   * Resolves to the running app containers, one of each slot, when the reconciler has nothing left to do for its newest commit and the
   * hosts run exactly one Instance of each slot.
   */
  settled(deadlineMs: number): Promise<ReadonlyMap<string, WorldContainer>>;
  /** Logs of the reconciler and of all hosts, and what the reconciler says of the fleet. */
  evidence(): Promise<string>;
  close(): Promise<void>;
}

export function createFleet(rig: FleetRig, files: Files): TestFleet {
  const dir = join(rig.folder, "reconciler");
  const repository = join(dir, "repo");
  const at = (name: string): string => join(dir, "state", name);
  const state: StateFolder = { dir: join(dir, "state"), journal: at("journal.db"), sim: at("sim.db"), socket: at("control.sock") };
  const identity = ["-c", "user.name=ann", "-c", "user.email=ann@example"];
  const git = (...args: readonly string[]): string =>
    execFileSync("git", ["-C", repository, ...identity, ...args], { encoding: "utf8" }).trim();
  mkdirSync(repository, { recursive: true });
  git("init", "--quiet", "--initial-branch=main");
  let reconciler: DaemonProcess | null = null;
  const logs: string[] = [];
  const ask = async <Answer>(path: string): Promise<Answer> => {
    const answer = await askDaemon<Answer>(state, path);
    if (answer === null) throw new Error("the reconciler does not run");
    return answer;
  };
  const fleet: TestFleet = {
    rig,
    journal: state.journal,
    get reconcilerPid() {
      if (reconciler === null) throw new Error("the reconciler does not run");
      return reconciler.pid;
    },
    commit(changed) {
      for (const [path, text] of Object.entries(changed)) {
        mkdirSync(dirname(join(repository, path)), { recursive: true });
        if (text === null) rmSync(join(repository, path));
        else writeFileSync(join(repository, path), text);
      }
      git("add", "--all");
      git("commit", "--quiet", "-m", "change");
      return git("rev-parse", "HEAD");
    },
    async startReconciler() {
      reconciler = startDaemon(dir, 1, "state", rig.path);
      await reconciler.started;
    },
    async killReconciler() {
      await reconciler?.kill();
      logs.push(reconciler?.log() ?? "");
      reconciler = null;
    },
    tell: (...verb) => run([process.execPath, MAIN, ...verb, "--state", state.dir], { anyExit: true }),
    async printed(...verb) {
      const { stdout, stderr } = await fleet.tell(...verb);
      return `${stdout}${stderr}`.replaceAll(/\s+/g, " ");
    },
    async says(verb, ...sentences) {
      let last = "";
      const holds = async (): Promise<boolean> => {
        last = await fleet.printed(...verb);
        return sentences.every((sentence) => last.includes(sentence));
      };
      const evidence = async (): Promise<string> => `it says: ${last}\n${await fleet.evidence()}`;
      await waitUntil(`${verb.join(" ")} to say ${sentences.join(" … ")}`, holds, { everyMs: 200, evidence });
    },
    status: () => ask<StatusReport>("/v1/status"),
    slots: () => ask<readonly SlotRow[]>("/v1/get/slots"),
    hosts: () => ask<readonly HostRow[]>("/v1/get/hosts"),
    world: async () => (await Promise.all(rig.hosts.filter(({ isOn }) => isOn).map(containersOf))).flat(),
    settled: (deadlineMs) =>
      waitFor("the fleet to settle", () => look(fleet, git("rev-parse", "HEAD")), {
        deadlineMs,
        everyMs: 300,
        evidence: () => fleet.evidence(),
      }),
    async evidence() {
      const told = [await said(fleet.status()), await said(fleet.slots()), await said(fleet.world())].join("\n");
      const log = [...logs, reconciler?.log() ?? ""].join("\n--- killed\n").slice(-LOG_CHARACTERS);
      return [told, `--- reconciler\n${log}`, ...rig.hosts.map((host) => host.logTails(25))].join("\n");
    },
    async close() {
      await reconciler?.stop();
      reconciler = null;
    },
  };
  fleet.commit(files);
  return fleet;
}

/** What an answer says, or why there is none. */
async function said(answer: Promise<unknown>): Promise<string> {
  return answer.then(
    (value) => JSON.stringify(value),
    (error: Error) => error.message,
  );
}

/** One look at everything; null: not settled. Throws with what is not yet as it should be. */
async function look(fleet: TestFleet, commit: string): Promise<ReadonlyMap<string, WorldContainer> | null> {
  const status = await fleet.status();
  if (status.commit !== commit || status.state !== "converged") throw new Error(`the reconciler is ${status.state} at ${status.commit}`);
  if (status.instances.ready !== status.instances.wanted)
    throw new Error(`${status.instances.ready} of ${status.instances.wanted} are ready`);
  const slots = (await fleet.slots()).filter(({ phase }) => phase !== "absent");
  const world = await fleet.world();
  const apps = world.filter(({ role }) => role === "app");
  const wrong = slots.flatMap(({ slot, host, generation, ip }) => {
    const present = apps.filter((container) => container.slot === slot);
    const isRight = (it: WorldContainer): boolean => it.running && it.host === host && it.generation === generation && it.ip === ip;
    const right = present.length > 0 && present.every(isRight);
    return right ? [] : [`${slot} should run on ${host}: ${JSON.stringify(present)}`];
  });
  const infras = world.filter(({ role, running }) => role === "infra" && running);
  const strays = apps.filter(({ slot }) => !slots.some((row) => row.slot === slot));
  wrong.push(...strays.map((stray) => `nobody knows of ${JSON.stringify(stray)}`));
  if (infras.length !== slots.length) wrong.push(`${infras.length} infras for ${slots.length} slots`);
  if (wrong.length > 0) throw new Error(wrong.join("\n"));
  return new Map(apps.map((container) => [container.slot, container]));
}

async function containersOf(host: FleetHost): Promise<readonly WorldContainer[]> {
  interface Listed {
    readonly Id: string;
    readonly Names: readonly string[];
    readonly State: string;
    readonly Labels: Readonly<Record<string, string>>;
  }
  const filters = encodeURIComponent(JSON.stringify({ label: [`setpoint.fleet=${FLEET}`] }));
  const listed = (await host.engine.call("GET", `/containers/json?all=1&filters=${filters}`)) as readonly Listed[];
  return listed.map(({ Id, Names, State, Labels }) => ({
    host: host.name,
    id: Id,
    name: Names[0]!.slice(1),
    slot: `${Labels["setpoint.set"]}/${Labels["setpoint.index"]}`,
    generation: Number(Labels["setpoint.generation"]),
    role: Labels["setpoint.role"]!,
    ip: Labels["setpoint.ip"]!,
    running: State === "running",
  }));
}

/** Runs a program of the host in the network of a container. */
export async function inNetworkOf(host: FleetHost, containerId: string, argv: readonly string[]): Promise<CommandResult> {
  const pid = await host.docker("inspect", "--format", "{{.State.Pid}}", containerId);
  return host.exec(["nsenter", `--net=/proc/${pid}/ns/net`, ...argv], { anyExit: true });
}
