import { existsSync, mkdirSync, rmSync, writeFileSync } from "node:fs";
import { homedir } from "node:os";
import { join, resolve } from "node:path";
import { UserError } from "../../core/errors/user-error.ts";
import { slotKey } from "../../core/ids.ts";
import type { Manifests } from "../../core/manifests.ts";
import { createFolderSource } from "../../io/git/folder-source.ts";
import { createManifestLoader } from "../../io/manifests/loader.ts";
import type { ReconcilerView } from "../../run/reconciler.ts";
import { createSystemClock } from "../../sys/clock.ts";
import { createLog } from "../../sys/log.ts";
import { compose } from "../compose.ts";
import { desiredFromFolder } from "../folder.ts";
import { dockerSocket, openLocalAgent } from "../local/local-agent.ts";
import { createLocalLoader, poolToDelete, thisMachine } from "../local/manifests.ts";
import { readState } from "../offline.ts";
import { readSourceNote, writeSourceNote } from "../source.ts";
import { openStateFolder, stateFolder, type StateFolder } from "../state-folder.ts";
import type { Terminal } from "../terminal.ts";
import { refuseWhileDaemonRuns, runUntilConverged } from "./apply.ts";
import { printManifestProblems } from "./validate.ts";

export interface ApplyLocalOptions {
  /** Milliseconds. */
  readonly timeout: number;
  readonly state?: string;
  /** null: one that is this user's own. */
  readonly fleet: string | null;
  /** Take away what was applied before. */
  readonly delete: boolean;
}

/** Manifests that name this machine's pool and nothing else; kept for `--delete`, whatever became of the folder. */
const POOL_FOLDER = "pool";

/**
 * `setpoint apply --local DIR`: makes this machine's own Docker match a folder, then ends. There is one local fleet for each user, wherever
 * it is called from, and it comes from one folder.
 */
export async function applyLocal(terminal: Terminal, given: string | undefined, options: ApplyLocalOptions): Promise<number> {
  const state = localState(terminal, options.state);
  await refuseWhileDaemonRuns(state);
  const known = knownFolder(state);
  if (options.delete && known === null) {
    terminal.out.write("nothing to take away: nothing was applied with --local\n");
    return 0;
  }
  const dir = folderOf(terminal, given, known, { state, isDelete: options.delete });
  const socket = join(state.dir, "agent.sock");
  openStateFolder(state);
  const ready = options.delete
    ? { folder: join(state.dir, POOL_FOLDER), loader: createManifestLoader() }
    : await prepare(terminal, state, dir, socket);
  if (ready === null) return 1;
  return await run(terminal, state, options, { ...ready, dir, socket });
}

interface Job {
  /** Where the manifests are read from. */
  readonly folder: string;
  readonly loader: ReturnType<typeof createManifestLoader>;
  /** What the person named. */
  readonly dir: string;
  readonly socket: string;
}

async function run(
  terminal: Terminal,
  state: StateFolder,
  options: ApplyLocalOptions,
  { folder, loader, dir, socket }: Job,
): Promise<number> {
  const fleet = options.fleet ?? `local-${process.getuid?.() ?? 0}`;
  const clock = createSystemClock();
  const log = createLog("info", join(state.dir, "local.log"));
  const agent = await openLocalAgent({ socket, folder: join(state.dir, "agent"), docker: dockerSocket(terminal), clock, log });
  try {
    const source = createFolderSource({ folder, clock, loader });
    const composition = compose({ state, fleet, clock, log, source, speed: 1, environment: terminal.env });
    writeSourceNote(state, { fleet, source: { kind: "folder", dir } });
    let view: ReconcilerView | null = null;
    const code = await runUntilConverged(terminal, composition, options.timeout, () => {
      view = composition.reconciler.view();
    });
    if (code === 0 && options.delete) forget(terminal, state);
    else if (code === 0 && view !== null) printSlots(terminal, view);
    return code;
  } finally {
    await agent.close();
  }
}

/** Loads once to tell what is wrong before anything is touched, and keeps the pool; null when it is not valid. */
async function prepare(
  terminal: Terminal,
  state: StateFolder,
  dir: string,
  socket: string,
): Promise<Pick<Job, "folder" | "loader"> | null> {
  let loaded: { readonly manifests: Manifests; readonly madeUp: boolean } | null = null;
  const loader = createLocalLoader(createManifestLoader(), thisMachine(socket), (manifests, madeUp) => {
    loaded = { manifests, madeUp };
  });
  const { desired, problems } = await desiredFromFolder(dir, undefined, loader);
  printManifestProblems(terminal.err, problems);
  if (desired === null || loaded === null) {
    terminal.err.write("not valid: nothing was changed\n");
    return null;
  }
  const { manifests, madeUp } = loaded as { readonly manifests: Manifests; readonly madeUp: boolean };
  const [host] = desired.hosts;
  if (madeUp) {
    const { cpuMillis, memoryBytes } = host!.capacity;
    const size = `${cpuMillis / 1000} CPUs, ${Math.round(memoryBytes / 2 ** 30)} GiB`;
    terminal.err.write(
      `no HostPool is written: this machine (${size}) is pool ${host!.pool}, limits best-effort, on Docker's own bridge\n`,
    );
  }
  const folder = join(state.dir, POOL_FOLDER);
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, "pool.yaml"), poolToDelete(manifests));
  return { folder: dir, loader };
}

/** `--state`, SETPOINT_STATE, or a folder of the user's: the same from everywhere, as there is one Docker. */
function localState(terminal: Terminal, given: string | undefined): StateFolder {
  const xdg = terminal.env["XDG_STATE_HOME"] ?? "";
  const base = xdg === "" ? join(terminal.env["HOME"] ?? homedir(), ".local", "state") : xdg;
  return stateFolder(terminal, given, join(base, "setpoint"));
}

/** The folder that was applied last; null when nothing was. */
function knownFolder(state: StateFolder): string | null {
  if (!existsSync(state.journal) || !existsSync(join(state.dir, POOL_FOLDER, "pool.yaml"))) return null;
  const { source } = readSourceNote(state);
  return source.kind === "folder" ? source.dir : null;
}

/** Sets that are not in the folder are removed, so that a folder named by mistake must not be taken. */
function folderOf(
  terminal: Terminal,
  given: string | undefined,
  known: string | null,
  { state, isDelete }: { readonly state: StateFolder; readonly isDelete: boolean },
): string {
  const dir = given === undefined ? known : resolve(terminal.cwd, given);
  if (dir === null) throw new UserError("usage", "apply needs the folder with the manifests", "Write it: setpoint apply --local DIR");
  if (known === null || known === dir || !holdsSlots(state)) return dir;
  const hint = `Take them away first with: setpoint apply --local --delete; or put all manifests into one folder. For a second fleet give --state and --fleet.`;
  throw new UserError(
    "local-folder",
    `what runs here came from ${known}; ${isDelete ? "that is what --delete takes away" : `${dir} would remove it`}`,
    hint,
  );
}

/** What the pool was is of no use any more; the journal stays. */
function forget(terminal: Terminal, state: StateFolder): void {
  rmSync(join(state.dir, POOL_FOLDER), { recursive: true, force: true });
  terminal.out.write("taken away: nothing of it runs here any more\n");
}

function holdsSlots(state: StateFolder): boolean {
  return [...readState(state).memory.sets.values()].some(({ slots }) => slots.size > 0);
}

function printSlots(terminal: Terminal, { memory, fleet }: ReconcilerView): void {
  for (const [set, { slots }] of memory.sets) {
    for (const [index, { current }] of slots) {
      if (current === null) continue;
      const observation = fleet.get(current.host)?.observation ?? null;
      const instance = observation?.instances.find(
        (one) => one.set === set && one.index === index && one.generation === current.generation,
      );
      const ports = current.hostPorts.length === 0 ? "" : `  ${current.hostPorts.map((port) => `localhost:${port}`).join(" ")}`;
      terminal.out.write(`  ${slotKey(set, index)}  ${instance?.phase ?? "unknown"}  ${current.ip ?? "-"}${ports}\n`);
    }
  }
}
