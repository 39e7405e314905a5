import { cpSync, existsSync, mkdirSync } from "node:fs";
import { join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { tellLive } from "../../api/live.ts";
import { startControlServer, type ControlServer } from "../../api/server.ts";
import { UserError } from "../../core/errors/user-error.ts";
import { formatDuration } from "../../core/units.ts";
import { plural, shortCommit } from "../../plan/render.ts";
import { createSystemClock } from "../../sys/clock.ts";
import { createLog } from "../../sys/log.ts";
import { compose, type Composition } from "../compose.ts";
import { controlTarget } from "../control-target.ts";
import { commitAll, initRepository } from "../git-repository.ts";
import { createLivePrinter, type LivePrinter } from "../live.ts";
import { openSource, writeSourceNote, type SourceChoice } from "../source.ts";
import { openStateFolder, stateFolder, type StateFolder } from "../state-folder.ts";
import { commandWord, paint, type Terminal } from "../terminal.ts";
import { untilConverged, untilEnd } from "../until-end.ts";

export interface DemoOptions {
  readonly once?: boolean;
  readonly speed: number;
  /** Milliseconds. */
  readonly timeout: number;
  readonly state?: string;
}

const EXAMPLE = fileURLToPath(new URL("../../../manifests-example/", import.meta.url));
const DEMO_STATE = join(".setpoint", "demo");
const FLEET = "setpoint";

/** `setpoint demo`: the whole of Setpoint on simulated hosts, in one process and one folder. */
export async function demo(terminal: Terminal, options: DemoOptions): Promise<number> {
  const state = stateFolder(terminal, options.state, DEMO_STATE);
  openStateFolder(state);
  const repository = join(state.dir, "repo");
  const isNew = await readyRepository(terminal, repository);
  const clock = createSystemClock();
  const choice: SourceChoice = { kind: "git", repository, branch: "main", folder: "", pollMs: 5_000 };
  const log = createLog("info", join(state.dir, "demo.log"));
  const composition = compose({
    state,
    fleet: FLEET,
    clock,
    log,
    source: openSource(state, choice),
    speed: options.speed,
    environment: terminal.env,
  });
  let control: ControlServer | null = null;
  try {
    control = await startControlServer(state.socket, controlTarget(composition, FLEET), (error) =>
      log.error({ error }, "control request failed"),
    );
    writeSourceNote(state, { fleet: FLEET, source: choice });
    welcome(terminal, state, isNew);
    return await show(terminal, composition, options, () => printSuggestions(terminal, state, composition));
  } finally {
    await control?.close();
    await composition.close();
  }
}

/** Copies the example into a new git repository; one that is there already is left as it is. True when it was made now. */
async function readyRepository(terminal: Terminal, repository: string): Promise<boolean> {
  if (existsSync(join(repository, ".git", "HEAD"))) return false;
  mkdirSync(repository, { recursive: true });
  cpSync(EXAMPLE, repository, { recursive: true });
  await initRepository(terminal, repository);
  await commitAll(terminal, repository, "The example company");
  return true;
}

function welcome(terminal: Terminal, state: StateFolder, isNew: boolean): void {
  const { out } = terminal;
  const where = shownPath(terminal, state.dir);
  out.write(`${paint(out, "bold", "Setpoint demo")}: a made-up company on simulated hosts; nothing real is touched.\n`);
  out.write(isNew ? `Its manifests are in the new git repository ${where}/repo.\n\n` : `Goes on where it was: ${where}\n\n`);
}

/** Prints what happens, until converged (`--once`) or until Ctrl-C. */
async function show(terminal: Terminal, { reconciler, clock }: Composition, options: DemoOptions, suggest: () => void): Promise<number> {
  const interrupted = terminal.interrupted();
  const printer = createLivePrinter(terminal.out);
  const stop = tellLive(reconciler, clock, (event) => printer.print(event));
  try {
    reconciler.start();
    const end = await untilConverged(interrupted, reconciler, options.timeout);
    printer.end();
    if (end === "converged") terminal.out.write(`${standing(reconciler)}\n`);
    if (options.once === true || end === "interrupted") return endOnce(terminal, end, options.timeout);
    suggest();
    const crash = await untilEnd(interrupted, reconciler);
    if (crash !== null) throw crash;
    return endQuietly(terminal, printer);
  } finally {
    stop();
  }
}

/** `All 35 Instances of 11 Sets run on 20 hosts as commit 9c1d04f says.` */
function standing(reconciler: Composition["reconciler"]): string {
  const { desired, memory } = reconciler.view();
  const instances = [...memory.sets.values()].reduce((sum, set) => sum + set.slots.size, 0);
  const { sets, hosts, revision } = desired!;
  return `All ${plural(instances, "Instance")} of ${plural(sets.size, "Set")} run on ${plural(hosts.length, "host")} as commit ${shortCommit(revision.commit)} says.`;
}

function endOnce(terminal: Terminal, end: Awaited<ReturnType<typeof untilConverged>>, timeoutMs: number): number {
  switch (end) {
    case "converged":
      return 0;
    case "interrupted":
      terminal.out.write("Stopped. Start the demo again and it goes on from here.\n");
      return 0;
    case "stuck":
      throw new UserError(
        "not-converged",
        "what is left waits for a person or for room",
        "See what with: setpoint status, or start the demo without --once.",
      );
    case "late":
      throw new UserError(
        "not-converged",
        `the fleet was not as desired within ${formatDuration(timeoutMs)}`,
        "Start the demo again to go on, or give more time with --timeout.",
      );
  }
}

function endQuietly(terminal: Terminal, printer: LivePrinter): number {
  printer.end();
  terminal.out.write("\nStopped. Start the demo again and it goes on from here.\n");
  return 0;
}

/** Commands to copy, with the names of Sets and hosts that are there. */
function printSuggestions(terminal: Terminal, state: StateFolder, { reconciler }: Composition): void {
  const { out } = terminal;
  const command = commandWord(terminal);
  const where = shownPath(terminal, state.dir);
  const { desired, memory } = reconciler.view();
  const set = [...(desired?.sets.values() ?? [])].find((one) => one.name === "web") ?? desired?.sets.values().next().value;
  const name = set?.name ?? "web";
  const host = memory.sets.get(name)?.slots.get(0)?.current?.host ?? desired?.hosts[0]?.name ?? "HOST";
  const file = set === undefined ? "sets" : set.source.file;
  const tries: readonly (readonly [string, string])[] = [
    [`export SETPOINT_STATE=${where}`, "so that the commands below find this demo"],
    [`${command} status`, "how the fleet stands"],
    [`${command} explain ${name}/0`, "why it is where it is"],
    [`${command} get slots ${name}`, "where its Instances are"],
    [`$EDITOR ${where}/repo/${file}`, `change an image or ${set?.count.kind === "elastic" ? "scaling" : "replicas"}, then:`],
    [`${command} plan ${where}/repo`, "what the edit would do"],
    [`git -C ${where}/repo commit -am "More of it"`, "and watch it happen here"],
    [`${command} hold ${name} --for 2h --why "busy evening"`, `nothing about ${name} changes; ${command} release ${name}`],
    [`${command} sim ${host} off`, `a host loses its power; ${command} sim ${host} on`],
    [`${command} trace`, "what was done, step by step"],
  ];
  const width = Math.max(...tries.map(([text]) => text.length));
  out.write(`\n${paint(out, "bold", "Try, in another terminal:")}\n`);
  for (const [text, why] of tries) out.write(`  ${paint(out, "cyan", text.padEnd(width))}  ${paint(out, "dim", why)}\n`);
  out.write("\nStays until Ctrl-C.\n\n");
}

/** As short as it works from the folder the demo was started in. */
function shownPath(terminal: Terminal, path: string): string {
  const short = relative(terminal.cwd, path);
  return short === "" || short.startsWith("..") ? path : short;
}
