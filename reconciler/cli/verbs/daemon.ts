import { startControlServer } from "../../api/server.ts";
import { createSystemClock } from "../../sys/clock.ts";
import { readConfig } from "../../sys/config.ts";
import { compose } from "../compose.ts";
import { controlTarget } from "../control-target.ts";
import { daemonLog } from "../daemon-log.ts";
import { gitChoice, openSource, writeSourceNote } from "../source.ts";
import { openStateFolder, stateFolder } from "../state-folder.ts";
import type { Terminal } from "../terminal.ts";
import { untilEnd } from "../until-end.ts";

export interface DaemonOptions {
  readonly repo: string;
  readonly branch: string;
  readonly path: string;
  /** Milliseconds. */
  readonly poll: number;
  readonly speed: number;
  readonly state?: string;
  readonly fleet: string;
}

/** `setpoint daemon --repo ...`: runs until SIGTERM or Ctrl-C; SIGHUP looks at the repository at once. */
export async function daemon(terminal: Terminal, options: DaemonOptions): Promise<number> {
  const { fleet } = options;
  const interrupted = terminal.interrupted();
  const log = daemonLog(readConfig(terminal.env).logLevel, terminal.err);
  const state = stateFolder(terminal, options.state);
  openStateFolder(state);
  const choice = gitChoice(terminal, options);
  const clock = createSystemClock();
  const composition = compose({
    state,
    fleet,
    clock,
    log,
    source: openSource(state, choice),
    speed: options.speed,
    environment: terminal.env,
    options: { pollMs: options.poll },
  });
  try {
    const control = await startControlServer(state.socket, controlTarget(composition, fleet), (error) =>
      log.error({ error }, "control request failed"),
    );
    writeSourceNote(state, { fleet, source: choice });
    terminal.onHangup(() => composition.reconciler.nudge());
    composition.reconciler.start();
    log.info({ fleet, repository: choice.repository, branch: choice.branch, socket: state.socket }, "daemon started");
    const crash = await untilEnd(interrupted, composition.reconciler);
    await control.close();
    if (crash !== null) throw crash;
    log.info({}, "daemon stops");
    return 0;
  } finally {
    await composition.close();
  }
}
