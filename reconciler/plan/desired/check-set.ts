import type * as written from "../../core/manifest-types.ts";
import { formatBytes, formatCpu } from "../../core/units.ts";
import { checkOptions } from "./check-options.ts";
import { checkMounts, checkVolumes } from "./check-volumes.ts";
import type { SetDraft } from "./hashes.ts";
import type { Path, Report } from "./report.ts";
import { exclusiveVolume } from "./volumes.ts";

/** Below these Docker refuses to start a container. */
const LEAST_CPU_LIMIT_MILLIS = 10;
const LEAST_MEMORY_LIMIT_BYTES = 6 * 1024 ** 2;

const TEMPLATE: Path = ["spec", "template"];

/** Everything that is wrong with a Set by itself, beyond its schema. */
export function checkSet(manifest: written.Set, draft: SetDraft, report: Report): void {
  checkBounds(manifest, report);
  checkFailover(draft, report);
  checkOwnNames(draft, report);
  checkContainerNames(manifest.spec.template, report);
  checkVolumes(manifest.spec.template, draft, report);
  checkMounts(manifest.spec.template, report);
  checkPorts(manifest.spec.template, report);
  checkHealthPorts(manifest.spec.template, report);
  checkLimits(manifest.spec.template, draft, report);
  checkRates(draft, report);
  checkOptions(manifest, draft, report);
}

function checkBounds({ metadata, spec: { scaling } }: written.Set, report: Report): void {
  if (scaling === undefined) return;
  const { min, max, initial } = scaling;
  if (min > max) {
    report.error(
      "scaling-bounds",
      ["spec", "scaling", "min"],
      `Set \`${metadata.name}\` has scaling.min ${min} above scaling.max ${max}; min must not be larger than max.`,
      "Lower min or raise max.",
    );
  } else if (initial !== undefined && (initial < min || initial > max)) {
    report.error(
      "scaling-bounds",
      ["spec", "scaling", "initial"],
      `Set \`${metadata.name}\` has scaling.initial ${initial}; it must lie between min ${min} and max ${max}.`,
      "Leave it out to start with min.",
    );
  }
}

/** By kind of volume. */
const OWNED: Readonly<Record<string, string>> = { lvm: "an LVM volume", docker: "a docker volume that is not shared" };

function checkFailover(draft: SetDraft, report: Report): void {
  if (!draft.exclusive || draft.failover !== "always") return;
  const owns = draft.template.network.ip === "reuse" ? "a reused IP" : OWNED[exclusiveVolume(draft.template.volumes)?.kind ?? ""];
  report.error(
    "unsafe-failover",
    ["spec", "failover"],
    `Set \`${draft.name}\` has failover \`always\` and owns ${owns}: two live Instances of a slot could write at once. Allowed here: \`after-fence\`, \`never\`.`,
    "Leave failover out to get after-fence.",
  );
}

/** A Set that is apart from, or near, itself. */
function checkOwnNames({ name, placement }: SetDraft, report: Report): void {
  if (placement.apart.some((rule) => rule.set === name)) {
    report.error(
      "self-reference",
      ["spec", "placement", "apart"],
      `Set \`${name}\` is apart from itself; apart names other Sets.`,
      "To limit its own Instances on a host use placement.maxPerHost.",
    );
  }
  if (placement.near.includes(name)) {
    report.error(
      "self-reference",
      ["spec", "placement", "near"],
      `Set \`${name}\` is near itself; near names other Sets.`,
      "Remove the entry.",
    );
  }
}

function checkContainerNames({ containers }: written.Template, report: Report): void {
  const seen = new Set<string>();
  for (const [index, { name }] of containers.entries()) {
    if (seen.has(name)) {
      const path = [...TEMPLATE, "containers", index, "name"];
      report.error(
        "duplicate-container",
        path,
        `Two containers are named \`${name}\`; names are unique within a Set.`,
        "Rename one of them.",
      );
    }
    seen.add(name);
  }
}

/** All containers of an Instance share one network: ports, and names of ports, must differ across all of them. */
function checkPorts(template: written.Template, report: Report): void {
  const names = new Set<string>();
  const inside = new Set<string>();
  const outside = new Set<string>();
  for (const [containerIndex, { ports = [] }] of template.containers.entries()) {
    for (const [index, { name, port, protocol = "tcp", hostPort }] of ports.entries()) {
      const path = [...TEMPLATE, "containers", containerIndex, "ports", index];
      const listens = `${port}/${protocol}`;
      if (names.has(name)) {
        const message = `Two ports are named \`${name}\`; names of ports are unique within a Set.`;
        report.error("duplicate-port", [...path, "name"], message, "Rename one of them.");
      }
      if (inside.has(listens)) {
        const message = `Two ports listen on ${listens}; the containers of an Instance share one network, so each port can be used once.`;
        report.error("duplicate-port", [...path, "port"], message, "Let one of them listen on another port.");
      }
      const taken = `${hostPort}/${protocol}`;
      if (hostPort !== undefined && outside.has(taken)) {
        report.error(
          "duplicate-host-port",
          [...path, "hostPort"],
          `Two ports take host port ${taken}; a host has it once.`,
          "Change one of them.",
        );
      }
      names.add(name);
      inside.add(listens);
      if (hostPort !== undefined) outside.add(taken);
    }
  }
}

/** A check of a port that no container declares is most likely a slip. Sets that declare no ports are left alone. */
function checkHealthPorts(template: written.Template, report: Report): void {
  const declared = template.containers.flatMap(({ ports = [] }) =>
    ports.filter(({ protocol }) => protocol !== "udp").map(({ port }) => port),
  );
  if (declared.length === 0) return;
  for (const [index, { name, health }] of template.containers.entries()) {
    const kind = health?.http === undefined ? "tcp" : "http";
    const port = health?.[kind]?.port;
    if (port === undefined || declared.includes(port)) continue;
    report.warning(
      "undeclared-health-port",
      [...TEMPLATE, "containers", index, "health", kind, "port"],
      `The health check of container \`${name}\` asks port ${port}, which no container declares; declared: ${declared.join(", ")}.`,
      "Correct the port, or declare it in ports.",
    );
  }
}

function checkLimits(template: written.Template, draft: SetDraft, report: Report): void {
  for (const [index, { name }] of template.containers.entries()) {
    const limits = draft.live.containers[name]!;
    const path = [...TEMPLATE, "containers", index, "resources"];
    const { cpuLimitMillis: cpu, memoryLimitBytes: memory } = limits;
    if (cpu !== null) {
      const values = { limit: cpu, request: limits.cpuRequestMillis, least: LEAST_CPU_LIMIT_MILLIS };
      checkLimit(name, "cpu", values, formatCpu, [...path, "cpu", "limit"], report);
    }
    if (memory !== null) {
      const values = { limit: memory, request: limits.memoryRequestBytes, least: LEAST_MEMORY_LIMIT_BYTES };
      checkLimit(name, "memory", values, formatBytes, [...path, "memory", "limit"], report);
    }
  }
}

function checkLimit(
  container: string,
  what: "cpu" | "memory",
  { limit, request, least }: { readonly limit: number; readonly request: number; readonly least: number },
  format: (value: number) => string,
  path: Path,
  report: Report,
): void {
  if (limit < request) {
    const message = `Container \`${container}\` has a ${what} limit of ${format(limit)} below its request of ${format(request)}; a limit must be at least the request.`;
    report.error("limit-below-request", path, message, "Raise the limit, lower the request, or leave the limit out.");
  } else if (limit < least) {
    const message = `Container \`${container}\` has a ${what} limit of ${format(limit)}; Docker needs at least ${format(least)}.`;
    report.error("limit-too-small", path, message, "Raise it, or leave it out for no limit.");
  }
}

function checkRates({ live }: SetDraft, report: Report): void {
  for (const [direction, bps] of [["ingress", live.ingressBps] as const, ["egress", live.egressBps] as const]) {
    if (bps !== 0) continue;
    const path = [...TEMPLATE, "network", direction];
    report.error(
      "limit-too-small",
      path,
      `network.${direction} is 0: nothing could pass. It must be at least 1bit.`,
      "Leave it out for no limit.",
    );
  }
}
