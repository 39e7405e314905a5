import type { Container, ContainerLimits, EnvValue, HealthCheck, LiveSettings, Template } from "../../core/desired.ts";
import type * as written from "../../core/manifest-types.ts";
import { sortedBy, sortedRecord } from "../../core/order.ts";
import { canonicalImage } from "./image.ts";
import { hasFields, readOptions, readSysctls } from "./options.ts";
import { readOptional, readQuantity } from "./report.ts";
import type { Path, Report } from "./report.ts";
import { readSizes, readVolume } from "./volumes.ts";

const STOP_TIMEOUT = "10s";
const HEALTH = { interval: "10s", timeout: "3s", failures: 3, startPeriod: "0s", path: "/" } as const;

/**
 * The canonical template, without what policies add. Here and below the keys of literals are in order: such objects are
 * hashed without a copy (core/hash.ts), and a cold start reads thousands.
 */
export function readTemplate(template: written.Template, report: Report): Template {
  const path = ["spec", "template"];
  return {
    containers: template.containers.map((container, index) => readContainer(container, [...path, "containers", index], report)),
    volumes: sortedBy((template.volumes ?? []).map(readVolume), (volume) => volume.name),
    network: { ip: template.network?.ip ?? "any", vlan: template.network?.vlan ?? null },
    ...(template.runtime === undefined ? {} : { runtime: template.runtime }),
    ...(hasFields(template.sysctls) ? { sysctls: readSysctls(template.sysctls) } : {}),
  };
}

/** Everything of the template that changes without a new container. */
export function readLiveSettings(template: written.Template, report: Report): LiveSettings {
  const path = ["spec", "template"];
  const limits: Record<string, ContainerLimits> = {};
  for (const [index, container] of template.containers.entries()) {
    limits[container.name] = readLimits(container.resources, [...path, "containers", index, "resources"], report);
  }
  return {
    containers: sortedRecord(limits),
    egressBps: readOptional(report, [...path, "network", "egress"], "rate", template.network?.egress),
    ingressBps: readOptional(report, [...path, "network", "ingress"], "rate", template.network?.ingress),
    volumes: readSizes(template.volumes ?? [], [...path, "volumes"], report),
  };
}

function readContainer(container: written.Container, path: Path, report: Report): Container {
  const { lifecycle, ports = [], mounts = [] } = container;
  return {
    args: wordsOrNull(container.args),
    command: container.command ?? null,
    env: readEnv(container.env ?? {}),
    health: container.health === undefined ? null : readHealth(container.health, [...path, "health"], report),
    image: readImage(container.image, [...path, "image"], report),
    mounts: sortedBy(mounts.map(readMount), (mount) => mount.path),
    name: container.name,
    ports: sortedBy(ports.map(readPort), (port) => port.name),
    preStop: lifecycle?.preStop?.exec.command ?? null,
    stopTimeoutMs: readQuantity(report, [...path, "lifecycle", "stopTimeout"], "duration", lifecycle?.stopTimeout ?? STOP_TIMEOUT),
    user: container.user ?? null,
    ...readOptions(container, path, report),
  };
}

/** Keys sorted; a secret without `as` is wanted as its value. */
export function readEnv(env: written.Env): Container["env"] {
  const values: Record<string, EnvValue> = {};
  for (const [name, value] of Object.entries(env)) {
    values[name] = typeof value === "string" ? value : { as: value.as ?? "value", key: value.key, secret: value.secret };
  }
  return sortedRecord(values);
}

function readPort({ name, port, protocol, hostPort }: written.ContainerPort): Container["ports"][number] {
  return { hostPort: hostPort ?? null, name, port, protocol: protocol ?? "tcp" };
}

function readMount({ volume, path, readOnly }: written.Mount): Container["mounts"][number] {
  return { path: canonicalPath(path), readOnly: readOnly ?? false, volume };
}

/** No arguments and an empty list mean the same to Docker: the image's own. */
function wordsOrNull(words: readonly string[] | undefined): readonly string[] | null {
  return words === undefined || words.length === 0 ? null : words;
}

/** Without doubled and trailing slashes. */
export function canonicalPath(path: string): string {
  const single = path.replace(/\/+/g, "/");
  return single.length > 1 && single.endsWith("/") ? single.slice(0, -1) : single;
}

function readImage(image: string, path: Path, report: Report): string {
  const canonical = canonicalImage(image);
  if (canonical !== null) return canonical;
  report.error(
    "bad-image",
    path,
    `\`${image}\` is not an image reference: it must be [registry[:port]/]repository[:tag][@sha256:digest] with a lower-case repository.`,
  );
  return image;
}

function readHealth(health: written.Health, path: Path, report: Report): HealthCheck {
  return {
    failures: health.failures ?? HEALTH.failures,
    intervalMs: readQuantity(report, [...path, "interval"], "duration", health.interval ?? HEALTH.interval),
    probe: readProbe(health),
    startPeriodMs: readQuantity(report, [...path, "startPeriod"], "duration", health.startPeriod ?? HEALTH.startPeriod),
    timeoutMs: readQuantity(report, [...path, "timeout"], "duration", health.timeout ?? HEALTH.timeout),
  };
}

/** The schema lets exactly one of the three through. */
function readProbe(health: written.Health): HealthCheck["probe"] {
  if (health.http !== undefined) return { kind: "http", path: health.http.path ?? HEALTH.path, port: health.http.port };
  if (health.tcp !== undefined) return { kind: "tcp", port: health.tcp.port };
  return { command: health.exec?.command ?? [], kind: "exec" };
}

function readLimits({ cpu, memory, io }: written.ContainerResources, path: Path, report: Report): ContainerLimits {
  return {
    cpuLimitMillis: readOptional(report, [...path, "cpu", "limit"], "cpu", cpu.limit),
    cpuRequestMillis: readQuantity(report, [...path, "cpu", "request"], "cpu", cpu.request),
    ioWeight: io?.weight ?? null,
    memoryLimitBytes: readOptional(report, [...path, "memory", "limit"], "bytes", memory.limit),
    memoryRequestBytes: readQuantity(report, [...path, "memory", "request"], "bytes", memory.request),
    readBps: readOptional(report, [...path, "io", "readBps"], "byteRate", io?.readBps),
    readIops: io?.readIops ?? null,
    swapBytes: readQuantity(report, [...path, "memory", "swap"], "bytes", memory.swap ?? 0),
    writeBps: readOptional(report, [...path, "io", "writeBps"], "byteRate", io?.writeBps),
    writeIops: io?.writeIops ?? null,
  };
}
