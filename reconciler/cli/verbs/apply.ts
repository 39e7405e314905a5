import { resolve } from "node:path";
import { tellLive } from "../../api/live.ts";
import { UserError } from "../../core/errors/user-error.ts";
import { renderPlan } from "../../plan/render.ts";
import { createSystemClock } from "../../sys/clock.ts";
import { formatDuration } from "../../core/units.ts";
import { createLog } from "../../sys/log.ts";
import { askDaemon } from "../client.ts";
import { compose, type Composition } from "../compose.ts";
import { desiredFromFolder } from "../folder.ts";
import { createLivePrinter } from "../live.ts";
import { openSource, writeSourceNote, type SourceChoice } from "../source.ts";
import { openStateFolder, stateFolder, type StateFolder } from "../state-folder.ts";
import { paint, type Terminal } from "../terminal.ts";
import { untilConverged } from "../until-end.ts";
import { printManifestProblems } from "./validate.ts";

export interface ApplyOptions {
  /** Milliseconds. */
  readonly timeout: number;
  readonly speed: number;
  readonly state?: string;
  readonly fleet: string;
  readonly delete?: boolean;
}

/** `setpoint apply DIR`: makes the hosts match a folder, then ends. */
export async function apply(terminal: Terminal, given: string | undefined, options: ApplyOptions): Promise<number> {
  if (given === undefined) throw new UserError("usage", "apply needs the folder with the manifests", "Write it: setpoint apply DIR");
  if (options.delete === true)
    throw new UserError("usage", "--delete goes with --local", "To take Sets away from a fleet, remove their manifests and apply.");
  const dir = resolve(terminal.cwd, given);
  const state = stateFolder(terminal, options.state);
  await refuseWhileDaemonRuns(state);
  const { desired, problems } = await desiredFromFolder(dir);
  printManifestProblems(terminal.err, problems);
  if (desired === null) {
    terminal.err.write("not valid: nothing was changed\n");
    return 1;
  }
  openStateFolder(state);
  const choice: SourceChoice = { kind: "folder", dir };
  const source = openSource(state, choice);
  const composition = compose({
    state,
    fleet: options.fleet,
    clock: createSystemClock(),
    log: createLog("silent", 2),
    source,
    speed: options.speed,
    environment: terminal.env,
  });
  writeSourceNote(state, { fleet: options.fleet, source: choice });
  return await runUntilConverged(terminal, composition, options.timeout);
}

/** Only one process may drive the hosts of a state folder. */
export async function refuseWhileDaemonRuns(state: StateFolder): Promise<void> {
  const status = await askDaemon<object>(state, "/v1/status");
  if (status === null) return;
  throw new UserError(
    "daemon-running",
    `a daemon runs on the state folder ${state.dir}, and only one process may drive its hosts`,
    "Commit the change to the daemon's repository, stop the daemon first, or give another state folder with --state.",
  );
}

/** Runs a composition until it has nothing left to do, then closes it; the exit code. `before` is called before that. */
export async function runUntilConverged(
  terminal: Terminal,
  composition: Composition,
  timeoutMs: number,
  before: () => void = () => undefined,
): Promise<number> {
  const { reconciler, clock } = composition;
  const interrupted = terminal.interrupted();
  const printer = createLivePrinter(terminal.err);
  const stop = tellLive(reconciler, clock, (event) => printer.print(event));
  try {
    reconciler.start();
    const end = await untilConverged(interrupted, reconciler, timeoutMs);
    printer.end();
    return report(terminal, composition, end, timeoutMs);
  } finally {
    before();
    stop();
    await composition.close();
  }
}

function report(
  terminal: Terminal,
  { reconciler }: Composition,
  end: Awaited<ReturnType<typeof untilConverged>>,
  timeoutMs: number,
): number {
  const plan = reconciler.view().pass?.plan ?? null;
  switch (end) {
    case "converged":
      terminal.out.write(`${paint(terminal.out, "green", "converged:")} the hosts are as ${plan?.commit ?? "the folder"} says\n`);
      return 0;
    case "stuck":
      if (plan !== null) terminal.out.write(renderPlan(plan, "text"));
      terminal.err.write(`${paint(terminal.err, "red", "blocked:")} what is left waits for a person or for room\n`);
      return 3;
    case "late":
      if (plan !== null) terminal.out.write(renderPlan(plan, "text"));
      throw new UserError(
        "not-converged",
        `the fleet was not as desired within ${formatDuration(timeoutMs)}`,
        "Run apply again to go on: nothing is lost. Give more time with --timeout.",
      );
    case "interrupted":
      terminal.err.write("stopped; run apply again to go on\n");
      return 1;
  }
}
