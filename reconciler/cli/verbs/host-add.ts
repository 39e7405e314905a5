import { parseAgentAddress } from "../../core/agent-address.ts";
import { UserError } from "../../core/errors/user-error.ts";
import { formatBytesRounded, formatDuration } from "../../core/units.ts";
import type { SshAddress } from "../../io/hosts/ssh.ts";
import { install, type Change, type Installed } from "../../io/install/install.ts";
import { createPacker, type Packer } from "../../io/install/pack.ts";
import { INSTALLATION } from "../../io/install/release.ts";
import { openRemotes, sshName, type Remotes } from "../../io/install/remote.ts";
import { failureLines } from "../fail.ts";
import { entryLine, hostEntry, type EntryOptions, type HostEntry } from "../host-entry.ts";
import { printRows, printValue } from "../table.ts";
import { definedOnly, paint, type Terminal } from "../terminal.ts";
import { FINDING_COLUMNS } from "./agent-check.ts";

export interface HostAddOptions extends EntryOptions {
  readonly dryRun?: boolean;
  readonly output: "text" | "json";
  /** For each host. Milliseconds. */
  readonly timeout: number;
}

/** One host of the command line, and how it went. */
interface Outcome {
  /** As it was written. */
  readonly agent: string;
  readonly address: SshAddress;
  readonly result: { readonly entry: HostEntry; readonly installed: Installed } | UserError;
}

/** So many hosts get a release at once: one line to the network, and ssh's own cost for the processor. */
const AT_ONCE = 4;

/** `setpoint host add ssh://HOST...`: 0 when all hosts run the agent, 1 when one does not. `installation`: what they get. */
export async function hostAdd(
  terminal: Terminal,
  addresses: readonly string[],
  options: HostAddOptions,
  installation = INSTALLATION,
): Promise<number> {
  const hosts = addresses.map((agent) => ({ agent, address: readAddress(agent) }));
  refuseTwins(hosts.map(({ address }) => sshName(address)));
  if (options.name !== undefined && hosts.length > 1) {
    throw new UserError("usage", "--name is for one host, and several were given", "Leave it out: hosts are named as they are addressed.");
  }
  const packer = createPacker(installation);
  const remotes = await openRemotes(definedOnly(terminal.env));
  try {
    const outcomes = await inParallel(hosts, AT_ONCE, async ({ agent, address }) => {
      return { agent, address, result: await addOne(terminal, { remotes, packer, agent, address }, options) };
    });
    await print(terminal, outcomes, options);
    return outcomes.every(({ result }) => !(result instanceof Error)) ? 0 : 1;
  } finally {
    await Promise.all([remotes.close(), packer.close()]);
  }
}

function readAddress(written: string): SshAddress {
  const parsed = parseAgentAddress(written);
  if (parsed.kind === "problem") throw new UserError("usage", parsed.message, parsed.hint);
  if (parsed.address.kind !== "ssh") {
    throw new UserError(
      "usage",
      `\`${written}\` is no host behind ssh`,
      "Write ssh://[user@]host[:port]; to add this machine itself: ssh://root@localhost",
    );
  }
  return parsed.address;
}

function refuseTwins(names: readonly string[]): void {
  const twin = names.find((name, position) => names.indexOf(name) !== position);
  if (twin !== undefined) throw new UserError("usage", `${twin} was given twice`, "");
}

interface One {
  readonly remotes: Remotes;
  readonly packer: Packer;
  readonly agent: string;
  readonly address: SshAddress;
}

/** Adds one host. What went wrong there is a result, so that the others go on; a defect is thrown. */
async function addOne(terminal: Terminal, { remotes, packer, agent, address }: One, options: HostAddOptions): Promise<Outcome["result"]> {
  const remote = remotes.remote(address);
  const late = new AbortController();
  const hint = "Give more time with --timeout, or see why the host is so slow; run again, it goes on where it was.";
  const timer = setTimeout(
    () => late.abort(new UserError("host-add-timeout", `${remote.name} was not added within ${formatDuration(options.timeout)}`, hint)),
    options.timeout,
  );
  const signal = AbortSignal.any([terminal.interrupted(), late.signal]);
  const report = (text: string): void => terminal.err.write(`${paint(terminal.err, "dim", `${remote.name}:`)} ${text}\n`);
  try {
    const installed = await install(remote, packer, { dryRun: options.dryRun === true, signal, report });
    return { entry: hostEntry(address, agent, installed, options), installed };
  } catch (error) {
    report("failed");
    if (terminal.interrupted().aborted) return interrupted(remote.name);
    if (!(error instanceof UserError)) throw error;
    return error;
  } finally {
    clearTimeout(timer);
  }
}

function interrupted(host: string): UserError {
  return new UserError("host-add-timeout", `${host} was not added: interrupted`, "Run it again: it goes on where it was.");
}

/** The results of all items in their order, `limit` of them under way at a time. Rejects as soon as one does. */
async function inParallel<Item, Result>(
  items: readonly Item[],
  limit: number,
  work: (item: Item) => Promise<Result>,
): Promise<readonly Result[]> {
  const results: Result[] = [];
  let next = 0;
  async function worker(): Promise<void> {
    while (next < items.length) {
      const position = next++;
      results[position] = await work(items[position]!);
    }
  }
  await Promise.all(Array.from({ length: Math.min(limit, items.length) }, worker));
  return results;
}

async function print(terminal: Terminal, outcomes: readonly Outcome[], options: HostAddOptions): Promise<void> {
  if (options.output === "json") return await printValue(terminal.out, outcomes.map(asJson), "json");
  for (const { address, result } of outcomes) {
    if (!(result instanceof Error)) await printAdded(terminal, sshName(address), result.installed, options);
  }
  for (const { result } of outcomes) if (result instanceof Error) terminal.err.write(failureLines(terminal.err, result));
  const entries = outcomes.flatMap(({ result }) => (result instanceof Error ? [] : [result.entry]));
  if (entries.length === 0) return;
  const zone = entries.some((entry) => entry.zone === null) ? " (write the data centre room in place of ZONE)" : "";
  terminal.out.write(`\nFor the \`hosts:\` of a HostPool${zone}:\n`);
  for (const entry of entries) terminal.out.write(`    ${await entryLine(entry)}\n`);
}

const CHANGE_WORDS: Readonly<Record<Change, string>> = {
  release: "release switched",
  program: "/usr/local/bin/setpoint linked",
  units: "unit files written",
  enabled: "agent enabled at boot",
  started: "agent started",
  restarted: "agent restarted",
};

async function printAdded(terminal: Terminal, host: string, installed: Installed, { dryRun }: HostAddOptions): Promise<void> {
  const { release, before, sentBytes, changes, findings, offer } = installed;
  const words = changes.map((change) => CHANGE_WORDS[change]);
  const sent = sentBytes > 0 ? [`${formatBytesRounded(sentBytes)} copied`] : [];
  const done = [...sent, ...words].join(", ");
  const was = before === null || before === release.id ? "" : ` in place of ${before}`;
  const head = `setpoint ${release.version} (${release.id})${was}`;
  const said =
    dryRun === true ? (done === "" ? "nothing to do" : `would be done: ${done}`) : done === "" ? "was there already, nothing copied" : done;
  terminal.out.write(`${paint(terminal.out, "bold", host)}: ${head}: ${said}\n`);
  const wanting = (findings ?? []).filter(({ state }) => state !== "present");
  if (wanting.length > 0) await printRows(terminal.out, wanting, FINDING_COLUMNS, "wide");
  if (offer.volumeGroup !== null) {
    const { name, freeBytes } = offer.volumeGroup;
    terminal.out.write(
      `${formatBytesRounded(freeBytes)} free for volumes in the volume group ${name}; in the HostPool: storage: {volumeGroup: ${name}}\n`,
    );
  }
}

/** One host for machines; docs/CLI.md names the fields. */
function asJson({ agent, result }: Outcome): unknown {
  if (result instanceof Error) {
    const { code, message, hint } = result;
    return { agent, added: false, error: { code, message, hint } };
  }
  const { release, before, sentBytes, changes, findings, offer } = result.installed;
  return {
    agent,
    added: true,
    release: release.id,
    version: release.version,
    before,
    sentBytes,
    changes,
    volumeGroup: offer.volumeGroup,
    findings,
    entry: result.entry,
  };
}
