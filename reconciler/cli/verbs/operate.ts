import type { HostVerb } from "../../api/operator.ts";
import type { SimFault } from "../../api/target.ts";
import { formatDuration } from "../../core/units.ts";
import { tellDaemon } from "../client.ts";
import { stateFolder } from "../state-folder.ts";
import type { Terminal } from "../terminal.ts";

interface StateOptions {
  readonly state?: string;
}

/** `setpoint hold TARGET --why TEXT [--for D]`. */
export async function hold(
  terminal: Terminal,
  target: string,
  options: StateOptions & { readonly why: string; readonly for?: number },
): Promise<number> {
  const forMs = options.for ?? null;
  await tellDaemon(stateFolder(terminal, options.state), "/v1/hold", { target, who: terminal.user, why: options.why, forMs });
  const until = forMs === null ? "until released" : `for ${formatDuration(forMs)}`;
  terminal.out.write(`${target} is held ${until}; end it with: setpoint release ${target}\n`);
  return 0;
}

/** `setpoint release TARGET`. */
export async function release(terminal: Terminal, target: string, options: StateOptions): Promise<number> {
  await tellDaemon(stateFolder(terminal, options.state), "/v1/release", { target, who: terminal.user });
  terminal.out.write(`${target} is released\n`);
  return 0;
}

/** `setpoint confirm HASH`. */
export async function confirm(terminal: Terminal, hash: string, options: StateOptions): Promise<number> {
  await tellDaemon(stateFolder(terminal, options.state), "/v1/confirm", { hash, who: terminal.user });
  terminal.out.write(`confirmed: the held destroys go on\n`);
  return 0;
}

const HOST_WORDS: Readonly<Record<HostVerb, string>> = {
  cordon: "is cordoned: nothing new is placed there",
  uncordon: "follows its manifest again",
  drain: "is being drained: its slots move elsewhere",
  "confirm-dead": "counts as dead: its slots may start elsewhere at once",
};

/** `setpoint host VERB NAME --why TEXT`. */
export async function setHost(
  terminal: Terminal,
  verb: HostVerb,
  host: string,
  options: StateOptions & { readonly why: string },
): Promise<number> {
  await tellDaemon(stateFolder(terminal, options.state), "/v1/host", { host, verb, who: terminal.user, why: options.why });
  terminal.out.write(`host ${host} ${HOST_WORDS[verb]}\n`);
  return 0;
}

const FAULT_WORDS: Readonly<Record<SimFault, string>> = {
  off: "lost its power; what ran there is gone from the network, not from its disk",
  on: "runs again, without faults",
  hang: "has a hung Docker: it answers, but steps there never end",
  cut: "is cut from the network; what runs there goes on",
};

/** `setpoint sim HOST FAULT`. */
export async function simulate(terminal: Terminal, host: string, fault: SimFault, options: StateOptions): Promise<number> {
  await tellDaemon(stateFolder(terminal, options.state), "/v1/sim", { host, fault });
  terminal.out.write(`simulated host ${host} ${FAULT_WORDS[fault]}\n`);
  return 0;
}
