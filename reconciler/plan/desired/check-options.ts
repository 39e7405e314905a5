import type { Container, Ulimit } from "../../core/desired.ts";
import { LOG_BOUNDS } from "../../core/log-bounds.ts";
import type * as written from "../../core/manifest-types.ts";
import { secretNeeds, SECRETS_FOLDER } from "../../core/secrets.ts";
import { formatBytes } from "../../core/units.ts";
import type { SetDraft } from "./hashes.ts";
import type { Path, Report } from "./report.ts";
import { canonicalPath } from "./template.ts";

const TEMPLATE: Path = ["spec", "template"];
/** Of the IPC namespace, which each container has for itself. */
const OF_CONTAINER = /^(kernel\.(msgmax|msgmnb|msgmni|sem|shmall|shmmax|shmmni|shm_rmid_forced)|fs\.mqueue\..+)$/;
const LEAST_LOG_BYTES = 64 * 1024;
const MOST_LOG_BYTES = 1024 ** 3;

/** What is wrong with the options of a Set's containers, beyond the schema. */
export function checkOptions({ spec }: written.Set, draft: SetDraft, report: Report): void {
  for (const name of Object.keys(spec.template.sysctls ?? {})) checkSharedSysctl(name, [...TEMPLATE, "sysctls", name], report);
  for (const [index, container] of draft.template.containers.entries()) {
    const path = [...TEMPLATE, "containers", index];
    const inManifest = spec.template.containers[index]!;
    for (const name of Object.keys(inManifest.sysctls ?? {})) checkOwnSysctl(container.name, name, [...path, "sysctls", name], report);
    for (const [name, limit] of Object.entries(container.ulimits ?? {})) {
      checkUlimit(container.name, name, limit, [...path, "ulimits", name], report);
    }
    checkCapabilities(container, [...path, "capabilities"], report);
    checkOomKill(container, draft, [...path, "oomKillDisable"], report);
    checkLog(container, [...path, "log", "maxSize"], report);
    checkSecretPaths(container, inManifest, draft, path, report);
  }
}

function checkSharedSysctl(name: string, path: Path, report: Report): void {
  if (name.startsWith("net.")) return;
  if (OF_CONTAINER.test(name)) {
    const message = `template.sysctls has \`${name}\`, which each container has for itself; allowed here: net.*.`;
    report.error("sysctl-misplaced", path, message, "Move it to `sysctls` of the container.");
  } else {
    reportHostWide(name, path, report);
  }
}

function checkOwnSysctl(container: string, name: string, path: Path, report: Report): void {
  if (OF_CONTAINER.test(name)) return;
  if (name.startsWith("net.")) {
    const message = `Container \`${container}\` sets \`${name}\`, but the containers of an Instance share one network; allowed here: kernel.shm*, kernel.msg*, kernel.sem, fs.mqueue.*.`;
    report.error("sysctl-misplaced", path, message, "Move it to `template.sysctls`.");
  } else {
    reportHostWide(name, path, report);
  }
}

function reportHostWide(name: string, path: Path, report: Report): void {
  report.error(
    "sysctl-not-namespaced",
    path,
    `\`${name}\` has one value for the whole host: a Set can't set it. Allowed: net.* in template.sysctls; kernel.shm*, kernel.msg*, kernel.sem, fs.mqueue.* in sysctls of a container.`,
    "Set it on the hosts themselves, in /etc/sysctl.d, and let the Set ask for such hosts by placement.hostLabels.",
  );
}

function checkUlimit(container: string, name: string, { soft, hard }: Ulimit, path: Path, report: Report): void {
  if (name === "nofile" && (soft === null || hard === null)) {
    const message = `Container \`${container}\` has ulimit nofile unlimited, which the kernel refuses; it must be a number, up to fs.nr_open of the host (mostly 1048576).`;
    report.error("ulimit-bounds", path, message, "Write a number, such as 1048576.");
  } else if (hard !== null && (soft === null || soft > hard)) {
    const shown = soft === null ? "unlimited" : String(soft);
    const message = `Container \`${container}\` has ulimit ${name} with soft ${shown} above hard ${hard}; soft must not be larger.`;
    report.error("ulimit-bounds", path, message, "Lower soft or raise hard.");
  }
}

function checkCapabilities({ name, user, capabilities }: Container, path: Path, report: Report): void {
  if (capabilities === undefined) return;
  const { add, drop } = capabilities;
  for (const capability of add.filter((it) => drop.includes(it))) {
    const message = `Container \`${name}\` both adds and drops the capability ${capability}; it can do one.`;
    report.error("capability-conflict", [...path, "add"], message, "Remove it from one of the two.");
  }
  const id = user?.split(":")[0] ?? "root";
  if (add.length === 0 || id === "root" || id === "0") return;
  const message = `Container \`${name}\` adds capabilities but runs as user \`${id}\`: only processes of root get them.`;
  report.warning("capability-without-root", [...path, "add"], message, "Run it as root, or leave `add` out.");
}

function checkOomKill({ name, oomKillDisable }: Container, { live }: SetDraft, path: Path, report: Report): void {
  if (oomKillDisable !== true || live.containers[name]!.memoryLimitBytes !== null) return;
  report.error(
    "oom-kill-without-limit",
    path,
    `Container \`${name}\` has oomKillDisable without a memory limit: out of memory, it could take its whole host down.`,
    "Set resources.memory.limit, or remove oomKillDisable.",
  );
}

function checkLog({ name, log = LOG_BOUNDS }: Container, path: Path, report: Report): void {
  if (log.maxSizeBytes >= LEAST_LOG_BYTES && log.maxSizeBytes <= MOST_LOG_BYTES) return;
  const message = `Container \`${name}\` has log.maxSize ${formatBytes(log.maxSizeBytes)}; allowed: ${formatBytes(LEAST_LOG_BYTES)} to ${formatBytes(MOST_LOG_BYTES)}.`;
  report.error("log-bounds", path, message, "Change it; log.maxFiles says how many such files are kept.");
}

/** The files of variables need their place; nothing else may be mounted there. */
function checkSecretPaths(container: Container, { mounts = [] }: written.Container, draft: SetDraft, path: Path, report: Report): void {
  const taken = secretNeeds({ ...container, mounts: [] }, draft.template).folders.map((folder) => folder.path);
  if (taken.length === 0) return;
  for (const [index, mount] of mounts.entries()) {
    const target = canonicalPath(mount.path);
    if (target !== SECRETS_FOLDER && !taken.some((it) => target === it || target.startsWith(`${it}/`))) continue;
    const message = `Container \`${container.name}\` mounts volume \`${mount.volume}\` at \`${target}\`, where the files of its variables with \`as: file\` are (${taken.join(", ")}).`;
    report.error("duplicate-mount", [...path, "mounts", index, "path"], message, "Mount it elsewhere.");
  }
}
