import { UserError } from "../../core/errors/user-error.ts";
import { formatBytesRounded } from "../../core/units.ts";
import { answer, type Answers, type Inspection } from "./facts.ts";
import type { Release } from "./release.ts";
import type { RemoteResult } from "./remote.ts";

/** What Node makes of a release beside its files: compiled code. */
const CACHE_BYTES = 16 * 1024 * 1024;

/** Throws a UserError for the first thing that keeps a host from getting the release. */
export function judgeObstacles(host: string, folder: string, { obstacles, present }: Inspection, release: Release): void {
  const { lacks, hasSystemd, mount, options, freeBytes, foreign } = obstacles;
  if (!hasSystemd) {
    throw new UserError(
      "host-add-systemd",
      `${host} is not run by systemd`,
      "The agent is a systemd unit. Without it install by hand (reconciler/agent/systemd/README.md) and let your own init run `setpoint agent`, before Docker.",
    );
  }
  if (lacks.length > 0) {
    const hint = `There: apt-get install ${[...new Set(lacks.map((tool) => PACKAGES[tool] ?? tool))].join(" ")}`;
    throw new UserError("host-add-programs", `${host} lacks ${lacks.join(", ")}`, hint);
  }
  if (foreign !== null) throw foreignProgram(host, foreign);
  for (const option of ["ro", "noexec"] as const) {
    if (!options.includes(option)) continue;
    const message = `${folder} of ${host} lies on ${mount}, which is mounted ${option === "ro" ? "read-only" : "noexec, so that nothing runs from it"}`;
    const change = option === "ro" ? "rw" : "exec";
    throw new UserError(
      "host-add-folder",
      message,
      `There: mount -o remount,${change} ${mount} (and in /etc/fstab), or mount another disk at ${folder}`,
    );
  }
  if (present.releases.includes(release.id)) return;
  const filesBytes = release.files.reduce((sum, { content }) => sum + content.length, 0);
  const nodeBytes = present.nodes.includes(release.node.digest) ? 0 : release.node.sizeBytes;
  const needBytes = filesBytes + nodeBytes + CACHE_BYTES;
  if (freeBytes < needBytes) {
    const message = `${host} has ${formatBytesRounded(freeBytes)} free on ${mount}, and the release needs ${formatBytesRounded(needBytes)}`;
    throw new UserError("host-add-room", message, `Free space there, or mount a disk at ${folder}`);
  }
}

/** Debian's packages of what the scripts use. */
const PACKAGES: Readonly<Record<string, string>> = {
  awk: "mawk",
  cmp: "diffutils",
  find: "findutils",
  flock: "util-linux",
  install: "coreutils",
  mktemp: "coreutils",
};

/** Throws a UserError when the release does not run on the host. */
export function judgeActivation(host: string, release: Release, result: RemoteResult, answers: Answers): void {
  const said = (answers.get("said") ?? []).join("; ");
  switch (answer(answers, "failed")) {
    case null:
      if (answer(answers, "active") === release.id) return;
      throw stepFailed(host, "the agent could not be set up", result);
    case "run":
      throw new UserError("host-add-node", `Node ${release.node.version} does not run on ${host}: ${said}`, nodeHint(said));
    case "load":
      throw new UserError(
        "host-add-package",
        `release ${release.id} does not load on ${host}: ${said}`,
        "This installation of setpoint is not whole; where it lies: npm ci",
      );
    case "agent": {
      const back = answer(answers, "back");
      const message = `the agent of release ${release.id} did not start on ${host}${back === null ? "" : `, and ${back} runs again`}: ${said}`;
      throw new UserError("host-add-agent", message, "There: journalctl -u setpoint-agent; then run `setpoint host add` again");
    }
    case "foreign":
      throw foreignProgram(host, said);
    case "busy":
      throw new UserError("host-add-busy", `another setpoint host add is at work on ${host}`, "Wait for it, then try again.");
    default:
      throw stepFailed(host, "a step of the installation failed", { ...result, stderr: said });
  }
}

function nodeHint(said: string): string {
  const library = /(lib\S+?): cannot open shared object file/.exec(said)?.[1];
  if (library !== undefined) return `There: apt-get install ${LIBRARIES[library] ?? library}, then try again.`;
  return "It needs a Linux with glibc 2.28 or newer (Debian 10, RHEL 8, Ubuntu 20.04), and a processor of its kind.";
}

/** Debian's packages of the libraries that Node uses. */
const LIBRARIES: Readonly<Record<string, string>> = {
  "libstdc++.so.6": "libstdc++6",
  "libgcc_s.so.1": "libgcc-s1",
  "libatomic.so.1": "libatomic1",
};

function foreignProgram(host: string, path: string): UserError {
  return new UserError(
    "host-add-foreign",
    `${path} on ${host} is a file that setpoint did not put there`,
    `See what it is, then move it away: mv ${path} ${path}.old`,
  );
}

/** A step that ended as nobody foresaw, with its own words. */
export function stepFailed(host: string, what: string, { exitCode, stderr }: RemoteResult): UserError {
  const said = stderr.trim().split("\n").slice(-3).join("; ");
  if (/No space left on device/.test(said))
    return new UserError("host-add-room", `${host} ran out of space: ${said}`, "Free space there, then try again.");
  const message = `${what} on ${host}: ${said === "" ? `exit code ${exitCode}` : said}`;
  return new UserError("host-add-step", message, "Mend it there, then run `setpoint host add` again: it goes on where it was.");
}
