import { accessSync, constants, existsSync, readFileSync, statfsSync } from "node:fs";
import { createCgroups } from "../../agent/cgroup/cgroups.ts";
import { diskOfPath } from "../../agent/cgroup/disks.ts";
import { parseMounts } from "../../agent/cgroup/mounts.ts";
import { createDockerEngine } from "../../agent/docker/engine.ts";
import { StepError, type EngineFacts } from "../../agent/ports.ts";
import { refuseExposed } from "../../agent/secrets/source.ts";
import { formatBytesRounded } from "../../core/units.ts";
import { createSystemClock } from "../../sys/clock.ts";
import { exec } from "../../sys/exec.ts";
import type { Finding } from "./agent-check-finding.ts";
import { checkStorage } from "./agent-check-storage.ts";
import { printRows, printValue, type Column } from "../table.ts";
import type { Terminal } from "../terminal.ts";

export interface CheckOptions {
  readonly docker: string;
  readonly dockerRoot: string;
  /** The host's folder of secrets. */
  readonly secrets: string;
  readonly output: "text" | "json";
}

const COLUMNS: readonly Column<Finding>[] = [
  { title: "part", cell: (row) => row.part, whole: true },
  { title: "state", cell: (row) => row.state, whole: true },
  { title: "found", cell: (row) => row.found },
  { title: "to get it", cell: (row) => row.fix || "-", whole: true },
];

const DOCKER_WITHIN_MS = 5_000;
/** With less than this hardly any image can be pulled. */
const LEAST_FREE_BYTES = 256 * 1024 * 1024;

/** `setpoint agent check`: what this host can and lacks. 0 when Docker works, 1 else; all other parts are optional. */
export async function check(terminal: Terminal, options: CheckOptions): Promise<number> {
  const docker = await checkDocker(options);
  const rest = await Promise.all([
    checkSwitch(terminal),
    checkTc(terminal),
    checkStorage((program, ...args) => run(terminal, program, ...args)),
  ]);
  const findings = [
    ...docker.findings,
    rest[0],
    rest[1],
    checkIo(options),
    ...rest[2],
    await checkSecrets(options),
    ...checkDisk(options),
    checkSsh(),
  ];
  if (options.output === "json") await printValue(terminal.out, findings, "json");
  else await printRows(terminal.out, findings, COLUMNS, "wide");
  return docker.works ? 0 : 1;
}

async function checkDocker({ docker }: CheckOptions): Promise<{ readonly works: boolean; readonly findings: readonly Finding[] }> {
  const part = "docker";
  if (!existsSync(docker))
    return lackingDocker(
      `nothing at ${docker}`,
      existsSync("/usr/sbin/dockerd") || existsSync("/usr/bin/dockerd") ? "systemctl start docker" : "apt-get install docker.io",
    );
  try {
    accessSync(docker, constants.R_OK | constants.W_OK);
  } catch {
    return lackingDocker(`you may not use ${docker}`, "run the agent as root");
  }
  const engine = createDockerEngine({ socketPath: docker, fleet: "", host: "", clock: createSystemClock(), folder: "/nonexistent" });
  try {
    const facts = await engine.facts(AbortSignal.timeout(DOCKER_WITHIN_MS));
    const found = `${facts.version}, API ${facts.apiVersion}, cgroup v${facts.cgroupVersion} by ${facts.cgroupDriver}`;
    return { works: true, findings: [{ part, state: "present", found, fix: "" }, liveRestore(facts)] };
  } catch (error) {
    return lackingDocker(error instanceof Error ? error.message : String(error), dockerFix(error));
  } finally {
    engine.close();
  }
}

function dockerFix(error: unknown): string {
  const code = error instanceof StepError ? error.code : "";
  if (code === "engine-too-old") return "install Docker 19.03 or newer: apt-get install docker.io";
  return code === "engine-unreachable" ? "systemctl start docker" : "systemctl restart docker";
}

function lackingDocker(found: string, fix: string): { readonly works: false; readonly findings: readonly Finding[] } {
  return { works: false, findings: [{ part: "docker", state: "lacking", found, fix }] };
}

function liveRestore({ liveRestore }: EngineFacts): Finding {
  const part = "live-restore";
  if (liveRestore) return { part, state: "present", found: "containers outlive a restart of Docker", fix: "" };
  const fix = `"live-restore": true in /etc/docker/daemon.json, then systemctl reload docker`;
  return { part, state: "advice", found: "containers end whenever Docker restarts", fix };
}

async function checkSwitch(terminal: Terminal): Promise<Finding> {
  const part = "ovs";
  const version = await run(terminal, "ovs-vsctl", "--version");
  if (version === null)
    return { part, state: "lacking", found: "no VLAN, no network between hosts", fix: "apt-get install openvswitch-switch" };
  if ((await run(terminal, "ovs-vsctl", "--timeout=3", "show")) === null) {
    return { part, state: "lacking", found: "installed, but the switch does not answer", fix: "systemctl start openvswitch-switch" };
  }
  return { part, state: "present", found: firstLine(version), fix: "" };
}

async function checkTc(terminal: Terminal): Promise<Finding> {
  const version = await run(terminal, "tc", "-V");
  if (version === null) return { part: "tc", state: "lacking", found: "no rate limits", fix: "apt-get install iproute2" };
  return { part: "tc", state: "present", found: firstLine(version), fix: "" };
}

function checkIo({ dockerRoot }: CheckOptions): Finding {
  const part = "cgroup io";
  if (!existsSync(dockerRoot)) {
    const fix = "start Docker once, or name its data folder: --docker-root DIR";
    return { part, state: "lacking", found: `not known yet: Docker's data folder ${dockerRoot} is not there`, fix };
  }
  if (diskOfPath(parseMounts(readFileSync("/proc/self/mountinfo", "latin1")), dockerRoot, "/sys") === null) {
    const found = `no io limits: Docker's data folder ${dockerRoot} lies on no disk of this host`;
    return { part, state: "lacking", found, fix: "a folder on a disk, not on tmpfs or a network: data-root in /etc/docker/daemon.json" };
  }
  if (canLimitIo(dockerRoot)) return { part, state: "present", found: "io limits are enforced", fix: "" };
  return {
    part,
    state: "lacking",
    found: "this kernel does not enforce io limits",
    fix: "a kernel with CONFIG_BLK_DEV_THROTTLING, as Debian's own",
  };
}

function canLimitIo(dataRoot: string): boolean {
  try {
    return createCgroups({ dataRoot }).capabilities().includes("cgroup");
  } catch {
    return false;
  }
}

/** Room for images and containers; nothing to say where Docker has no folder yet. */
function checkDisk({ dockerRoot }: CheckOptions): Finding[] {
  const part = "disk";
  let freeBytes: number;
  try {
    const { bavail, bsize } = statfsSync(dockerRoot);
    freeBytes = bavail * bsize;
  } catch {
    return [];
  }
  const found = `${formatBytesRounded(freeBytes)} free in ${dockerRoot}`;
  if (freeBytes >= LEAST_FREE_BYTES) return [{ part, state: "present", found, fix: "" }];
  return [{ part, state: "lacking", found, fix: "free space there, or give Docker another data-root" }];
}

async function checkSecrets({ secrets }: CheckOptions): Promise<Finding> {
  const part = "secrets";
  try {
    await refuseExposed(secrets, "this host");
    return { part, state: "present", found: `files NAME/KEY in ${secrets}`, fix: "" };
  } catch (error) {
    if (!(error instanceof StepError)) throw error;
    if (error.code === "secret-missing") {
      return { part, state: "advice", found: "no Set that names a secret can run here", fix: `install -d -m 700 ${secrets}` };
    }
    return { part, state: "lacking", found: error.message, fix: `chown root: ${secrets} && chmod 700 ${secrets}` };
  }
}

function checkSsh(): Finding {
  if (existsSync("/usr/sbin/sshd")) return { part: "ssh", state: "present", found: "the reconciler can come in", fix: "" };
  return {
    part: "ssh",
    state: "lacking",
    found: "only a reconciler on this host can reach the agent",
    fix: "apt-get install openssh-server",
  };
}

/** What the program printed; null when it is not there or failed. */
async function run({ env }: Terminal, program: string, ...args: readonly string[]): Promise<string | null> {
  const result = await exec({
    program,
    args,
    folder: "/",
    environment: { PATH: `${env["PATH"] ?? "/usr/bin:/bin"}:/usr/sbin:/sbin`, LC_ALL: "C" },
    deadlineMs: 10_000,
    maxOutputBytes: 1024 * 1024,
    signal: new AbortController().signal,
  });
  return result.kind === "exited" && result.exitCode === 0 ? Buffer.from(result.stdout).toString() : null;
}

function firstLine(text: string): string {
  return text.split("\n", 1)[0]!;
}
