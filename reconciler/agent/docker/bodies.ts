import type { Container, ContainerLimits, Ulimit } from "../../core/desired.ts";
import { LOG_BOUNDS } from "../../core/log-bounds.ts";
import type { InstanceSpec } from "../../core/plan.ts";
import { secretFilePath } from "../../core/secrets.ts";
import type { ContainerSecrets, Endpoint, InstanceRef, StartRequest } from "../ports.ts";
import { appName, containerLabels, infraName, instanceLabels, type Labels, type Owner, volumeName } from "./labels.ts";
import { createLimits, type DockerLimits } from "./limits.ts";

/** A create call: the container's name and the body. */
export interface CreateCall {
  readonly name: string;
  readonly body: CreateBody;
}

/** What of Docker's create body is used here; names are Docker's. */
export interface CreateBody {
  readonly Image: string;
  readonly Hostname?: string;
  readonly NetworkDisabled?: boolean;
  readonly Entrypoint?: readonly string[];
  readonly Cmd?: readonly string[];
  readonly Env?: readonly string[];
  readonly User?: string;
  readonly Labels: Labels;
  readonly StopTimeout: number;
  readonly ExposedPorts?: Readonly<Record<string, Record<string, never>>>;
  readonly HostConfig: HostConfig;
  readonly NetworkingConfig?: { readonly EndpointsConfig: Readonly<Record<string, Endpoint["settings"]>> };
}

interface HostConfig extends Partial<DockerLimits> {
  readonly NetworkMode: string;
  readonly Init: boolean;
  readonly RestartPolicy: { readonly Name: "no" };
  readonly LogConfig: { readonly Type: string; readonly Config: Readonly<Record<string, string>> };
  readonly SecurityOpt: readonly string[];
  readonly CapAdd?: readonly string[];
  readonly CapDrop?: readonly string[];
  readonly OomKillDisable?: boolean;
  readonly ReadonlyRootfs?: boolean;
  readonly Runtime?: string;
  readonly Sysctls?: Readonly<Record<string, string>>;
  readonly Ulimits?: readonly { readonly Name: string; readonly Soft: number; readonly Hard: number }[];
  readonly CpusetCpus?: string;
  readonly PortBindings?: Readonly<Record<string, readonly { readonly HostPort: string }[]>>;
  readonly Mounts: readonly Mount[];
}

interface Mount {
  readonly Type: "volume" | "bind";
  readonly Source: string;
  readonly Target: string;
  readonly ReadOnly: boolean;
}

export interface VolumeBody {
  readonly Name: string;
  readonly Driver: "local";
  readonly DriverOpts: Readonly<Record<string, string>>;
  readonly Labels: Labels;
}

/** All that the bodies of one Instance are made of. */
export interface InstanceParts {
  readonly owner: Owner;
  readonly ref: InstanceRef;
  readonly request: StartRequest;
  /** Our own infra image sleeps by `entrypoint`; null: the image has a command of its own. `ownSeccomp`: see INFRA_SECCOMP. */
  readonly infra: { readonly image: string; readonly entrypoint: readonly string[] | null; readonly ownSeccomp: boolean };
  /** The Instance's own resolv.conf on the host; null: Docker's. */
  readonly resolvConf: string | null;
  /** The Instance's own /etc/hosts on the host, for app containers; null: Docker's. */
  readonly hosts: string | null;
}

const NO_LOG = { Type: "none", Config: {} };
const SECURITY = ["no-new-privileges"];
/** Calls by which a process gets at others, at namespaces, mounts, keys or the kernel itself. */
const INFRA_MAY_NOT = [
  "add_key keyctl request_key bpf perf_event_open ptrace process_vm_readv process_vm_writev userfaultfd",
  "mount umount2 pivot_root setns unshare name_to_handle_at open_by_handle_at",
  "init_module finit_module delete_module kexec_load kexec_file_load reboot swapon swapoff",
].flatMap((line) => line.split(" "));
/**
 * What our own infra may not ask of the kernel. Docker's own profile lists what is allowed, hundreds of calls that are compiled at each start and
 * take a fifth of it; infra sleeps, without any capability, on a root that can't be written.
 */
const INFRA_SECCOMP = JSON.stringify({
  defaultAction: "SCMP_ACT_ALLOW",
  syscalls: [{ names: INFRA_MAY_NOT, action: "SCMP_ACT_ERRNO" }],
});
/** Infra dies at once when asked; this only bounds an image of someone else's. */
const INFRA_STOP_MS = 2_000;

/** The container that owns network and volumes. It does nothing, so it may do nothing. */
export function infraCreate(parts: InstanceParts): CreateCall {
  const { owner, ref, request, infra } = parts;
  const { endpoint, spec } = request;
  const part = { role: "infra", container: "infra", position: 0, hash: spec.infraHash, image: infra.image } as const;
  const published = endpoint.publish ? publishedPorts(spec) : [];
  const hasSettings = Object.keys(endpoint.settings).length > 0;
  const body: CreateBody = {
    Image: infra.image,
    Hostname: hostname(ref),
    // Without it Docker would still set the namespace up, which takes as long as a network.
    ...(isUnwired(endpoint.networkMode) ? { NetworkDisabled: true } : {}),
    ...(infra.entrypoint === null ? {} : { Entrypoint: infra.entrypoint }),
    Labels: containerLabels(owner, ref, request, { ...part, stopTimeoutMs: INFRA_STOP_MS, preStop: null }),
    StopTimeout: seconds(INFRA_STOP_MS),
    ...(published.length === 0 ? {} : { ExposedPorts: Object.fromEntries(published.map(([port]) => [port, {}])) }),
    HostConfig: {
      NetworkMode: endpoint.networkMode,
      Init: true,
      RestartPolicy: { Name: "no" },
      LogConfig: NO_LOG,
      SecurityOpt: infra.ownSeccomp ? [...SECURITY, `seccomp=${INFRA_SECCOMP}`] : SECURITY,
      CapDrop: ["ALL"],
      ReadonlyRootfs: true,
      ...(spec.template.sysctls === undefined ? {} : { Sysctls: spec.template.sysctls }),
      ...(request.cpus === null ? {} : { CpusetCpus: request.cpus }),
      ...(published.length === 0 ? {} : { PortBindings: Object.fromEntries(published) }),
      Mounts: [...resolvMounts(parts), ...infraVolumes(parts)],
    },
    ...(hasSettings ? { NetworkingConfig: { EndpointsConfig: { [endpoint.networkMode]: endpoint.settings } } } : {}),
  };
  return { name: infraName(ref), body };
}

/** An app container in the network of infra. `container` is one of the request's. */
export function appCreate(parts: InstanceParts, container: Container, infraId: string): CreateCall {
  const { owner, ref, request } = parts;
  const { spec } = request;
  const position = spec.template.containers.indexOf(container) + 1;
  const { name, image, stopTimeoutMs, preStop } = container;
  const part = { role: "app", container: name, position, hash: spec.containerHashes[name]!, image, stopTimeoutMs, preStop } as const;
  const body: CreateBody = {
    Image: image,
    ...(container.command === null ? {} : { Entrypoint: container.command }),
    ...(container.args === null ? {} : { Cmd: container.args }),
    Env: environment(container, request.secrets.get(name)),
    ...(container.user === null ? {} : { User: container.user }),
    Labels: containerLabels(owner, ref, request, part),
    StopTimeout: seconds(stopTimeoutMs),
    HostConfig: {
      NetworkMode: `container:${infraId}`,
      RestartPolicy: { Name: "no" },
      SecurityOpt: SECURITY,
      ...optionsOf(container, spec.template.runtime),
      ...createLimits(limitsOf(spec, name)),
      ...(request.cpus === null ? {} : { CpusetCpus: request.cpus }),
      Mounts: [...resolvMounts(parts), ...hostsMounts(parts, container), ...appMounts(parts, container)],
    },
  };
  return { name: appName(ref, name), body };
}

/** What a container may ask of Docker beside its limits. */
function optionsOf(
  { capabilities, init, log = LOG_BOUNDS, oomKillDisable, readOnlyRoot, sysctls, ulimits }: Container,
  runtime: string | undefined,
): Pick<HostConfig, "Init" | "LogConfig" | "Runtime"> & Partial<HostConfig> {
  return {
    Init: init ?? true,
    LogConfig: { Type: "json-file", Config: { "max-size": String(log.maxSizeBytes), "max-file": String(log.maxFiles) } },
    ...(capabilities === undefined ? {} : { CapAdd: capabilities.add, CapDrop: capabilities.drop }),
    ...(oomKillDisable === true ? { OomKillDisable: true } : {}),
    ...(readOnlyRoot === true ? { ReadonlyRootfs: true } : {}),
    ...(runtime === undefined ? {} : { Runtime: runtime }),
    ...(sysctls === undefined ? {} : { Sysctls: sysctls }),
    ...(ulimits === undefined ? {} : { Ulimits: ulimitsOf(ulimits) }),
  };
}

function ulimitsOf(ulimits: Readonly<Record<string, Ulimit>>): NonNullable<HostConfig["Ulimits"]> {
  return Object.entries(ulimits).map(([Name, { soft, hard }]) => ({ Name, Soft: soft ?? -1, Hard: hard ?? -1 }));
}

/** `NAME=value` for each variable; the only place where a secret becomes text. */
function environment({ name, env }: Container, secrets: ContainerSecrets | undefined): string[] {
  return Object.entries(env).map(([variable, value]) => {
    if (typeof value === "string") return `${variable}=${value}`;
    if (value.as === "file") return `${variable}=${secretFilePath(value.secret, value.key)}`;
    const secret = secrets?.values.get(variable);
    if (secret === undefined) throw new Error(`nobody read the secret for ${variable} of container ${name}`);
    return `${variable}=${secret.reveal()}`;
  });
}

/** Volumes in memory, shared by the containers of the Instance. */
export function tmpfsVolumes({ owner, ref, request: { spec } }: InstanceParts): VolumeBody[] {
  return spec.template.volumes
    .filter(({ kind }) => kind === "tmpfs")
    .map(({ name }) => ({
      Name: volumeName(ref, name),
      Driver: "local",
      DriverOpts: { type: "tmpfs", device: "tmpfs", o: `size=${spec.live.volumes[name]},nosuid,nodev` },
      Labels: instanceLabels(owner, ref),
    }));
}

export function limitsOf(spec: InstanceSpec, container: string): ContainerLimits {
  return spec.live.containers[container]!;
}

/** What the Instance calls itself. */
export function hostname({ set, index }: InstanceRef): string {
  return `${set}-${index}`.slice(-63);
}

/** Docker makes nothing but an empty network namespace. */
export function isUnwired(networkMode: string): boolean {
  return networkMode === "none";
}

/** Docker counts whole seconds. */
export function seconds(ms: number): number {
  return Math.ceil(ms / 1_000);
}

function publishedPorts(spec: InstanceSpec): [string, { HostPort: string }[]][] {
  const ports = spec.template.containers.flatMap((container) => container.ports);
  return ports.flatMap(({ port, protocol, hostPort }) =>
    hostPort === null ? [] : [[`${port}/${protocol}`, [{ HostPort: `${hostPort}` }]]],
  );
}

/** In each container: those that join a network get what Docker wrote for infra, not what is mounted over it. */
function resolvMounts({ resolvConf }: InstanceParts): Mount[] {
  return resolvConf === null ? [] : [{ Type: "bind", Source: resolvConf, Target: "/etc/resolv.conf", ReadOnly: true }];
}

/** Docker writes none where it makes no network. As there, a container may change it. */
function hostsMounts({ hosts }: InstanceParts, { readOnlyRoot }: Container): Mount[] {
  return hosts === null ? [] : [{ Type: "bind", Source: hosts, Target: "/etc/hosts", ReadOnly: readOnlyRoot === true }];
}

/** Infra holds volumes in memory, so that they outlive a replaced app container. */
function infraVolumes({ ref, request: { spec } }: InstanceParts): Mount[] {
  const held = spec.template.volumes.filter(({ kind }) => kind === "tmpfs");
  return held.map(({ name }) => ({
    Type: "volume",
    Source: volumeName(ref, name),
    Target: `/volumes/${name}`,
    ReadOnly: true,
  }));
}

function appMounts({ ref, request }: InstanceParts, { name, mounts }: Container): Mount[] {
  const secrets = request.secrets.get(name)?.folders ?? [];
  const volumes = mounts.filter(({ path }) => !secrets.some(({ target }) => target === path));
  return [
    ...volumes.map(({ volume, path, readOnly }): Mount => {
      const folder = request.volumes.get(volume);
      const source =
        folder === undefined ? { Type: "volume" as const, Source: volumeName(ref, volume) } : { Type: "bind" as const, Source: folder };
      return { ...source, Target: path, ReadOnly: readOnly };
    }),
    ...secrets.map(({ source, target }): Mount => ({ Type: "bind", Source: source, Target: target, ReadOnly: true })),
  ];
}
