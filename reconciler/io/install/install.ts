import { readFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { UserError } from "../../core/errors/user-error.ts";
import type { HostFinding } from "../../core/host-finding.ts";
import { answer, answersOf, judgeLogin, readInspection, type Answers, type Inspection, type Login, type Offer } from "./facts.ts";
import { judgeActivation, judgeObstacles, stepFailed } from "./judge.ts";
import type { Packer, Part } from "./pack.ts";
import type { Release } from "./release.ts";
import type { Remote, RemoteResult } from "./remote.ts";

/** Where Setpoint lies on hosts. Words of commands that a remote shell reads: nothing in them may mean something there. */
const FOLDER = "/opt/setpoint";
const PROGRAM = "/usr/local/bin/setpoint";
const UNITS = "/etc/systemd/system";

/** What is done to one host. */
export interface InstallOptions {
  /** Only look. */
  readonly dryRun: boolean;
  /** Ends the work; its reason is what the installation rejects with. */
  readonly signal: AbortSignal;
  /** Hears what is under way, in a few words. */
  readonly report: (text: string) => void;
}

/** What was changed on a host, in the order it was. */
export type Change = "release" | "program" | "units" | "enabled" | "started" | "restarted";

/** A host with the agent, or, in a dry run, what it would take. */
export interface Installed {
  readonly hostname: string;
  readonly architecture: Login["architecture"];
  readonly offer: Offer;
  readonly release: Release;
  /** The release that was in use; null: none. */
  readonly before: string | null;
  /** What was sent, as it went over the network; in a dry run 0. */
  readonly sentBytes: number;
  /** In a dry run: what would be done, as far as can be seen. */
  readonly changes: readonly Change[];
  /** What the agent's own check says of the host; null in a dry run. */
  readonly findings: readonly HostFinding[] | null;
}

/**
 * Makes a host run the agent of this installation, through ssh. Done twice it changes nothing. Rejects with a UserError `host-add-…` when it can't be,
 * and then the host runs what it ran before.
 */
export async function install(remote: Remote, packer: Packer, options: InstallOptions): Promise<Installed> {
  options.report("connects");
  const login = judgeLogin(remote.name, await script(remote, [], "probe.sh", [], options));
  const looked = await script(remote, login.asRoot, "inspect.sh", [FOLDER, PROGRAM], options);
  if (looked.exitCode !== 0) throw stepFailed(remote.name, "it could not be looked at", looked);
  const inspection = readInspection(answersOf(looked));
  const release = await packer.release(login.architecture);
  judgeObstacles(remote.name, FOLDER, inspection, release);
  const { hostname, architecture } = login;
  const known = { hostname, architecture, offer: inspection.offer, release, before: inspection.present.current };
  if (options.dryRun) return { ...known, sentBytes: 0, changes: expectedChanges(inspection, release), findings: null };
  const { incoming, sentBytes } = await send(remote, login, packer, release, inspection, options);
  const changes = await activate(remote, login, release, incoming, options);
  return { ...known, sentBytes, changes, findings: await checkHost(remote, login, options) };
}

function expectedChanges({ present }: Inspection, release: Release): readonly Change[] {
  const isCurrent = present.current === release.id;
  const start: Change = present.agentRuns ? "restarted" : "started";
  return [...(isCurrent ? [] : ["release" as const]), ...(isCurrent && present.agentRuns ? [] : [start])];
}

/** Brings the release to the host, if it is not there; `incoming` is the folder it lies in then. */
async function send(
  remote: Remote,
  login: Login,
  packer: Packer,
  release: Release,
  { present }: Inspection,
  options: InstallOptions,
): Promise<{ readonly incoming: string | null; readonly sentBytes: number }> {
  if (present.releases.includes(release.id)) return { incoming: null, sentBytes: 0 };
  const { path, digest } = release.node;
  const prepared = await script(remote, login.asRoot, "prepare.sh", [FOLDER, path, digest], options);
  const answers = answersOf(prepared);
  const incoming = answer(answers, "incoming");
  if (prepared.exitCode !== 0 || incoming === null) throw stepFailed(remote.name, `${FOLDER} could not be made ready`, prepared);
  const parts: readonly Part[] = answers.has("node") ? ["files"] : ["node", "files"];
  let sentBytes = 0;
  try {
    for (const part of parts) {
      options.report(part === "node" ? `copies Node ${release.node.version}` : `copies setpoint ${release.version} (${release.id})`);
      const archive = await packer.pack(release, part);
      const command = [...login.asRoot, "tar", "-xzf", "-", "-C", incoming];
      const result = await remote.run(command, { file: archive.path }, options.signal);
      if (result.exitCode !== 0) throw stepFailed(remote.name, "the release could not be copied", result);
      sentBytes += archive.sizeBytes;
    }
    return { incoming, sentBytes };
  } catch (error) {
    await abandon(remote, login, incoming);
    throw error;
  }
}

const ABANDON_WITHIN_MS = 10_000;

/** Removes what came in by halves; where that can't be done now, it is by a later installation. */
async function abandon(remote: Remote, login: Login, incoming: string): Promise<void> {
  const command = [...login.asRoot, "rm", "-rf", "--", incoming];
  await remote.run(command, NOTHING, AbortSignal.timeout(ABANDON_WITHIN_MS)).catch(() => undefined);
}

async function activate(
  remote: Remote,
  login: Login,
  release: Release,
  incoming: string | null,
  options: InstallOptions,
): Promise<readonly Change[]> {
  options.report("sees that the agent runs");
  const result = await script(remote, login.asRoot, "activate.sh", [FOLDER, PROGRAM, UNITS, release.id, incoming ?? "-"], options);
  const answers = answersOf(result);
  judgeActivation(remote.name, release, result, answers);
  return changesOf(answers);
}

function changesOf(answers: Answers): readonly Change[] {
  return [...new Set(answers.get("did") ?? [])] as readonly Change[];
}

/** Asks the new agent's program, by the name under which a reconciler calls it. */
async function checkHost(remote: Remote, { asRoot }: Login, options: InstallOptions): Promise<readonly HostFinding[]> {
  options.report("looks at what the host has");
  const named = await remote.run(["setpoint", "--version"], NOTHING, options.signal);
  if (named.exitCode === COMMAND_NOT_FOUND) {
    const message = `the agent runs on ${remote.name}, but \`setpoint\` is not on the PATH of its ssh logins, so no reconciler can reach it`;
    throw new UserError(
      "host-add-path",
      message,
      `There: put ${dirname(PROGRAM)} on the PATH of all logins, or link ${PROGRAM} into /usr/bin`,
    );
  }
  const result = await remote.run([...asRoot, PROGRAM, "agent", "check", "-o", "json"], NOTHING, options.signal);
  try {
    // Before it may be whatever a login prints.
    return JSON.parse(/^\[\n {2}\{[^]*/m.exec(result.stdout)![0]) as readonly HostFinding[];
  } catch {
    throw stepFailed(remote.name, "`setpoint agent check` gave no answer there", result);
  }
}

const COMMAND_NOT_FOUND = 127;
const NOTHING = { text: "" };

/** Runs one of the scripts beside this file; it is read from stdin, so that no word of it is a shell's argument. */
async function script(
  remote: Remote,
  asRoot: readonly string[],
  name: "probe.sh" | "inspect.sh" | "prepare.sh" | "activate.sh",
  args: readonly string[],
  { signal }: InstallOptions,
): Promise<RemoteResult> {
  const text = await readFile(join(import.meta.dirname, name), "utf8");
  return await remote.run([...asRoot, "sh", "-s", "--", ...args], { text }, signal);
}
