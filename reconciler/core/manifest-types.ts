// Generated from schemas/*.schema.json by `npm run generate`. Do not edit.

/**
 * Any manifest.
 */
export type Manifest = HostPool | Set | Policy;
/**
 * Names, each once.
 *
 * @minItems 1
 *
 * Items: A name: lower-case letters, digits and `-`, starting with a letter.
 */
export type Names = string[];
/**
 * A command and its arguments, one list item each; no shell is involved.
 *
 * @minItems 1
 */
export type Command = string[];
/**
 * A text, or a key of a secret.
 */
export type EnvValue =
  | string
  | {
      /**
       * Name of the secret: its folder on the host, below /etc/setpoint/secrets unless the agent was told otherwise.
       */
      secret: string;
      /**
       * Its key: a file in that folder.
       */
      key: string;
      /**
       * value: the variable holds the secret, as it was when the container was created; `docker inspect` shows it. file: the variable holds the path of a file with it, which follows the host's within seconds, and `docker inspect` does not show it; for images that take DB_PASSWORD_FILE and such. Default: value.
       */
      as?: "file" | "value";
    };
/**
 * A limit in bytes.
 */
export type SizeUlimit =
  | string
  | number
  | {
      /**
       * What applies; a process may raise it up to `hard`.
       */
      soft: string | number;
      /**
       * The ceiling.
       */
      hard: string | number;
    };
/**
 * A limit that counts.
 */
export type CountUlimit =
  | string
  | number
  | {
      /**
       * What applies; a process may raise it up to `hard`.
       */
      soft: string | number;
      /**
       * The ceiling.
       */
      hard: string | number;
    };
/**
 * Capabilities of the kernel, without CAP_; ALL for every one.
 *
 * @maxItems 50
 *
 * Items: A capability, without CAP_.
 */
export type Capabilities = (
  | "ALL"
  | "AUDIT_CONTROL"
  | "AUDIT_READ"
  | "AUDIT_WRITE"
  | "BLOCK_SUSPEND"
  | "BPF"
  | "CHECKPOINT_RESTORE"
  | "CHOWN"
  | "DAC_OVERRIDE"
  | "DAC_READ_SEARCH"
  | "FOWNER"
  | "FSETID"
  | "IPC_LOCK"
  | "IPC_OWNER"
  | "KILL"
  | "LEASE"
  | "LINUX_IMMUTABLE"
  | "MAC_ADMIN"
  | "MAC_OVERRIDE"
  | "MKNOD"
  | "NET_ADMIN"
  | "NET_BIND_SERVICE"
  | "NET_BROADCAST"
  | "NET_RAW"
  | "PERFMON"
  | "SETFCAP"
  | "SETGID"
  | "SETPCAP"
  | "SETUID"
  | "SYS_ADMIN"
  | "SYS_BOOT"
  | "SYS_CHROOT"
  | "SYS_MODULE"
  | "SYS_NICE"
  | "SYS_PACCT"
  | "SYS_PTRACE"
  | "SYS_RAWIO"
  | "SYS_RESOURCE"
  | "SYS_TIME"
  | "SYS_TTY_CONFIG"
  | "SYSLOG"
  | "WAKE_ALARM"
)[];

/**
 * Hosts that share a network, limits and rules; an isolation border between businesses.
 */
export interface HostPool {
  /**
   * The version of the manifest format; always setpoint/v1.
   */
  apiVersion: "setpoint/v1";
  /**
   * What this document describes.
   */
  kind: "HostPool";
  metadata: Metadata;
  /**
   * What the pool is made of.
   */
  spec: {
    /**
     * Addresses of the pool's Instances.
     */
    network: {
      /**
       * IPv4 range Instances take their addresses from, such as 10.20.0.0/16.
       */
      cidr: string;
      /**
       * Default gateway of the Instances; lies in `cidr` and is never given to an Instance.
       */
      gateway: string;
      /**
       * VLAN id of the pool's Instances, 1 to 4094. Default: untagged.
       */
      vlan?: number;
      /**
       * Addresses, or ranges `first-last`, that Instances never get.
       */
      reserved?: string[];
      /**
       * How Instances are connected on real hosts. `bridge`: a network of Docker's own on each host, nothing else needed, Instances are reached through published ports. `ovs`: ports on an Open vSwitch bridge, one network over all hosts, with VLAN and rates. Default: bridge for a pool of one real host without vlan, overlay or datapath, else ovs.
       */
      driver?: "bridge" | "ovs";
      /**
       * Name of the bridge on every host. An Open vSwitch bridge is made when it is missing; its other ports are never touched. Default: setpoint0.
       */
      bridge?: string;
      /**
       * Of an ovs bridge: `system` is the kernel's datapath, `netdev` the one in user space. Default: system.
       */
      datapath?: "system" | "netdev";
      /**
       * Largest packet of the Instances' ports, bytes. Default: 1500, with an overlay 1446.
       */
      mtu?: number;
      /**
       * One flat network over VXLAN between the pool's hosts, for hosts that share no layer 2 network. Needs `address` on every host.
       */
      overlay?: {
        /**
         * The kind of overlay; always true.
         */
        vxlan?: true;
        /**
         * VXLAN network id, the same on all hosts of the pool, 1 to 16777215.
         */
        vni: number;
      };
    };
    /**
     * Disks of the pool.
     */
    storage?: {
      /**
       * LVM volume group on each host from which volumes of kind lvm are taken. What else lies in it is never touched. Default: none; a pool of real hosts then takes no Set with such a volume.
       */
      volumeGroup?: string;
      /**
       * Thin pool in the volume group. Volumes then take room as they are written, and the pool rings an alarm before it is full. Default: none; each volume has its room from the start.
       */
      thinPool?: string;
      /**
       * Folder on each host below which volumes of kind dir lie. Default: /var/lib/setpoint/volumes.
       */
      folder?: string;
      /**
       * What happens to volumes nobody wants any more.
       */
      trash?: {
        /**
         * How long a volume stays restorable in the trash before it is purged. Default: 7d.
         */
        keepFor?: string;
        /**
         * never: what is in the trash stays for `keepFor`, and a new volume that does not fit has to wait. when-full: the oldest entries on a host are purged before their time where a new volume has no room otherwise. Default: never.
         */
        reclaim?: "never" | "when-full";
      };
    };
    /**
     * How the hosts' CPU is shared out.
     */
    cpu?: {
      /**
       * Cores reserved by Instances may be this many times the cores a host has. Default: 1.
       */
      overcommit?: number;
      /**
       * CPUs of every host that Sets never use; Sets get the rest, and `capacity.cpu` less these is what can be reserved.
       */
      isolation?: {
        /**
         * CPUs that belong to Open vSwitch, as the kernel writes lists, such as 0-1 or 2-9,12.
         */
        ovs?: string;
        /**
         * CPUs that belong to virtual machines beside Docker, as the kernel writes lists, such as 0-1 or 2-9,12.
         */
        vms?: string;
      };
    };
    /**
     * How the hosts' memory is shared out.
     */
    memory?: {
      /**
       * Memory of every host kept for the host itself, such as 2Gi. Default: 0.
       */
      reserve?: string | number;
    };
    /**
     * Share of the capacity in use at which the alarm rings. Default: 80%.
     */
    watermark?: string;
    /**
     * When an unreachable host counts as lost, and what is done then.
     */
    failure?: {
      /**
       * A host unheard for this long gets no new Instances. Default: 10s.
       */
      suspectAfter?: string;
      /**
       * A host unheard for this long counts as lost and its Instances are replaced. Default: 60s.
       */
      lostAfter?: string;
      /**
       * If more than this share of the hosts is unreachable at once, nothing is moved. Default: 30%.
       */
      brake?: string;
      /**
       * An agent cut off for this long stops the Instances that must not run twice. Default: never.
       */
      leaseFor?: string;
    };
    /**
     * How much one pass may destroy per zone before a person has to confirm; the smaller of the two counts, but one is always allowed.
     */
    budget?: {
      /**
       * Share of the zone's Instances, 1 to 100. Default: 10.
       */
      percent?: number;
      /**
       * Number of Instances. Default: 20.
       */
      count?: number;
    };
    /**
     * What to do on a host that lacks the driver for a rate, io limit or VLAN that a Set asks for. `required`: the Set is not placed there. `best-effort`: it is, without that limit, and the plan says so. Default: required.
     */
    limits?: "required" | "best-effort";
    /**
     * The hosts, one entry for each or for a range of equal ones.
     *
     * @minItems 1
     */
    hosts: Host[];
  };
}
/**
 * Name, labels and notes of this object.
 */
export interface Metadata {
  /**
   * The object's name, unique among objects of its kind in the repository.
   */
  name: string;
  labels?: Labels;
  annotations?: Annotations;
}
/**
 * Labels: free words that group and describe objects, such as team: shop.
 */
export interface Labels {
  [k: string]: string;
}
/**
 * Notes for people and other tools; Setpoint ignores them.
 */
export interface Annotations {
  [k: string]: string;
}
/**
 * One host, or a range of equal hosts.
 */
export interface Host {
  /**
   * Host name, or a range such as bj-a-[001-500] that stands for 500 hosts.
   */
  name: string;
  /**
   * How to reach the host's agent: `sim` (a simulated host), `unix:///path` (a socket on this machine) or `ssh://[user@]host[:port]`. In a range of hosts `{host}` stands for each one's name. Default: sim.
   */
  agent?: string;
  /**
   * The host's own IPv4 address in the network that connects the hosts; needed where the pool has an overlay. For a range of hosts a range `first-last` of equally many addresses.
   */
  address?: string;
  /**
   * The data centre room the host stands in.
   */
  zone: string;
  /**
   * The rack the host stands in. Default: the host's own.
   */
  rack?: string;
  labels?: Labels;
  /**
   * What the host offers.
   */
  capacity: {
    /**
     * Cores of the host, such as 16.
     */
    cpu: string | number;
    /**
     * Memory of the host, such as 64Gi.
     */
    memory: string | number;
    /**
     * Space for LVM volumes, such as 1Ti. Default: none.
     */
    disk?: string | number;
    /**
     * Network bandwidth, counted in each direction, such as 10gbit. Default: none to reserve.
     */
    bandwidth?: string;
  };
  /**
   * active: used; cordoned: no new Instances; draining: Instances move away. Default: active.
   */
  state?: "active" | "cordoned" | "draining";
}
/**
 * A named group of equal Instances. All containers run in Sets.
 */
export interface Set {
  /**
   * The version of the manifest format; always setpoint/v1.
   */
  apiVersion: "setpoint/v1";
  /**
   * What this document describes.
   */
  kind: "Set";
  metadata: Metadata;
  /**
   * What runs, how often and where.
   */
  spec: {
    /**
     * The HostPool the Set lives in (or list several in `pools`).
     */
    pool?: string;
    pools?: Names;
    /**
     * Number of Instances.
     */
    replicas?: number;
    /**
     * Bounds for a Set whose number of Instances is decided by scaling Policies, instead of `replicas`.
     */
    scaling?: {
      /**
       * Fewest Instances.
       */
      min: number;
      /**
       * Most Instances.
       */
      max: number;
      /**
       * Instances to start with. Default: `min`.
       */
      initial?: number;
    };
    /**
     * core is placed first, batch last. Default: normal.
     */
    priority?: "core" | "normal" | "batch";
    template: Template;
    placement?: Placement;
    /**
     * How a change of the template reaches the Instances.
     */
    rollout?: {
      /**
       * Instances that may be not ready at once: a number such as 1 or a share such as 25%. Default: 25%.
       */
      maxUnavailable?: number | string;
    };
    /**
     * What happens to Instances of a lost host. always: replaced elsewhere; after-fence: replaced once the old ones certainly stopped; never: left. Default: after-fence with an lvm volume, a docker volume that is not shared, or `ip: reuse`; else always.
     */
    failover?: "always" | "after-fence" | "never";
  };
}
/**
 * What one Instance consists of.
 */
export interface Template {
  /**
   * The containers of an Instance, in launch order; they share network and volumes.
   *
   * @minItems 1
   * @maxItems 50
   */
  containers: Container[];
  /**
   * Volumes of an Instance, mounted by its containers.
   *
   * @maxItems 50
   */
  volumes?: Volume[];
  /**
   * The network port of an Instance.
   */
  network?: {
    /**
     * Most it may receive, also reserved on the host. Default: no limit.
     */
    ingress?: string;
    /**
     * Most it may send, also reserved on the host. Default: no limit.
     */
    egress?: string;
    /**
     * VLAN id, 1 to 4094. Default: the pool's.
     */
    vlan?: number;
    /**
     * reuse: a slot keeps its address through replacement and moves; any: a new Instance may get another one. Default: any.
     */
    ip?: "reuse" | "any";
  };
  /**
   * Kernel settings of the network that the containers of an Instance share, such as net.core.somaxconn: 4096. Only net.* that the kernel keeps apart for each network; what is for one container (kernel.shm*, kernel.msg*, kernel.sem, fs.mqueue.*) stands in its own `sysctls`. A change replaces the Instance.
   */
  sysctls?: {
    /**
     * Its value: a number, or a text such as "1024 65000".
     */
    [k: string]: string | number;
  };
  /**
   * Docker runtime of the app containers, such as runsc (gVisor) or kata; it must be registered with Docker on every host the Set may use (`docker info` lists them). Runtimes that bring a network stack of their own, such as these two, share no localhost between containers: use them with one container. A change recreates the containers, the address stays. Default: Docker's own default.
   */
  runtime?: string;
}
/**
 * One container of an Instance.
 */
export interface Container {
  /**
   * A name: lower-case letters, digits and `-`, starting with a letter.
   */
  name: string;
  /**
   * Image reference, such as registry.example/shop/web:1.4.
   */
  image: string;
  command?: Command;
  /**
   * Replaces the image's arguments; one list item per word.
   */
  args?: string[];
  env?: Env;
  /**
   * User, or user:group, the processes run as, by name or number. Default: the image's.
   */
  user?: string;
  resources: ContainerResources;
  /**
   * Limits of the processes (`ulimit`): one value for both, or {soft, hard}, or unlimited. Sizes are in bytes, times in seconds. Default: Docker's.
   */
  ulimits?: {
    core?: SizeUlimit;
    cpu?: CountUlimit;
    data?: SizeUlimit;
    fsize?: SizeUlimit;
    locks?: CountUlimit;
    memlock?: SizeUlimit;
    msgqueue?: SizeUlimit;
    nice?: CountUlimit;
    nofile?: CountUlimit;
    nproc?: CountUlimit;
    rss?: SizeUlimit;
    rtprio?: CountUlimit;
    rttime?: CountUlimit;
    sigpending?: CountUlimit;
    stack?: SizeUlimit;
  };
  /**
   * Kernel settings for this container alone: kernel.shm*, kernel.msg*, kernel.sem and fs.mqueue.*, such as kernel.shmmax: 1073741824. Those of the network (net.*) stand in `template.sysctls`. Default: the kernel's.
   */
  sysctls?: {
    /**
     * Its value: a number, or a text such as "1024 65000".
     */
    [k: string]: string | number;
  };
  /**
   * Capabilities of the kernel that the container gets or loses, against Docker's default list. Only processes of root have those that are added.
   */
  capabilities?: {
    add?: Capabilities;
    drop?: Capabilities;
  };
  /**
   * Whether the container's own file system can only be read; volumes are as their mounts say. Default: false.
   */
  readOnlyRoot?: boolean;
  /**
   * Whether processes wait, in place of being killed, when the container is out of memory. Needs a memory limit, and hosts with version 1 of cgroups. Default: false.
   */
  oomKillDisable?: boolean;
  /**
   * Whether a small init of Docker's runs first, which passes on signals and ends orphaned processes. false for an image that brings an init of its own, which must be process 1. Default: true.
   */
  init?: boolean;
  /**
   * How much of what the container prints its host keeps, in Docker's json-file log.
   */
  log?: {
    /**
     * Size at which a new file begins, from 64Ki to 1Gi. Default: 10M.
     */
    maxSize?: string | number;
    /**
     * Files kept, the present one included. Default: 3.
     */
    maxFiles?: number;
  };
  /**
   * Ports the container listens on.
   *
   * @maxItems 100
   */
  ports?: ContainerPort[];
  health?: Health;
  /**
   * What happens around a stop.
   */
  lifecycle?: {
    /**
     * Run before the container is told to stop.
     */
    preStop?: {
      exec: Exec;
    };
    /**
     * Time to end on its own before it is killed. Default: 10s.
     */
    stopTimeout?: string;
  };
  /**
   * Volumes of the Instance and where they appear in the container.
   *
   * @maxItems 50
   */
  mounts?: Mount[];
}
/**
 * Environment variables: texts (quote numbers and true/false), or secrets of the host such as {secret: db, key: password}.
 */
export interface Env {
  [k: string]: EnvValue;
}
/**
 * What the container reserves and may use; all of it changes without a restart.
 */
export interface ContainerResources {
  /**
   * CPU of the container.
   */
  cpu: {
    /**
     * CPU reserved on the host, such as 500m.
     */
    request: string | number;
    /**
     * Most CPU it may use. Default: no limit.
     */
    limit?: string | number;
  };
  /**
   * Memory of the container.
   */
  memory: {
    /**
     * Memory reserved on the host, such as 512Mi.
     */
    request: string | number;
    /**
     * Most memory it may use before it is killed. Default: no limit.
     */
    limit?: string | number;
    /**
     * Swap on top of memory. Default: 0.
     */
    swap?: string | number;
  };
  /**
   * Disk input and output of the container.
   */
  io?: {
    /**
     * Share of the disk's time relative to others, 10 to 1000. Default: the host's.
     */
    weight?: number;
    /**
     * Most bytes read per second, such as 50Mi. Default: no limit.
     */
    readBps?: string | number;
    /**
     * Most bytes written per second, such as 50Mi. Default: no limit.
     */
    writeBps?: string | number;
    /**
     * Most reads per second. Default: no limit.
     */
    readIops?: number;
    /**
     * Most writes per second. Default: no limit.
     */
    writeIops?: number;
  };
}
/**
 * A port the container listens on.
 */
export interface ContainerPort {
  /**
   * A name: lower-case letters, digits and `-`, starting with a letter.
   */
  name: string;
  /**
   * Port inside the Instance, 1 to 65535.
   */
  port: number;
  /**
   * tcp or udp. Default: tcp.
   */
  protocol?: "tcp" | "udp";
  /**
   * Port taken on the host itself, 1 to 65535; at most one Instance with it fits on a host. Default: none.
   */
  hostPort?: number;
}
/**
 * How to tell that the container works: exactly one of http, tcp, exec.
 */
export interface Health {
  /**
   * Healthy when a GET answers 200 to 399.
   */
  http?: {
    /**
     * Port to ask, 1 to 65535.
     */
    port: number;
    /**
     * Path to ask, such as /healthz. Default: /.
     */
    path?: string;
  };
  /**
   * Healthy when a connection opens.
   */
  tcp?: {
    /**
     * Port to connect to, 1 to 65535.
     */
    port: number;
  };
  exec?: Exec;
  /**
   * Time between two checks. Default: 10s.
   */
  interval?: string;
  /**
   * A check that takes longer has failed. Default: 3s.
   */
  timeout?: string;
  /**
   * Failures in a row that make it unhealthy. Default: 3.
   */
  failures?: number;
  /**
   * Failures in this time after the start don't count. Default: 0s.
   */
  startPeriod?: string;
}
/**
 * A command run inside the container.
 */
export interface Exec {
  command: Command;
}
/**
 * A volume in the container's file system.
 */
export interface Mount {
  /**
   * A name: lower-case letters, digits and `-`, starting with a letter.
   */
  volume: string;
  /**
   * Absolute path in the container, such as /var/lib/db.
   */
  path: string;
  /**
   * Whether the container may only read. Secrets and config files are never written. Default: false.
   */
  readOnly?: boolean;
}
/**
 * A volume of an Instance: exactly one of lvm, dir, tmpfs, docker, secret, config.
 */
export interface Volume {
  /**
   * A name: lower-case letters, digits and `-`, starting with a letter.
   */
  name: string;
  /**
   * A logical volume on the host: a hard limit; it survives replacement of the Instance.
   */
  lvm?: {
    /**
     * Size, such as 20Gi; may grow later.
     */
    size: string | number;
    /**
     * File system. Default: ext4.
     */
    filesystem?: "ext4" | "xfs";
  };
  /**
   * A folder on the host's own file system, for data that can be lost or made again, such as caches; it survives replacement of the Instance on its host.
   */
  dir?: {
    /**
     * Above this size the containers can only read it, until they are given more or somebody frees some; such as 10Gi. Changes without a restart. The room is not reserved on the host.
     */
    softLimit: string | number;
  };
  /**
   * Memory-backed scratch space, gone with the Instance.
   */
  tmpfs?: {
    /**
     * Size, such as 64Mi.
     */
    size: string | number;
  };
  /**
   * A volume by one of Docker's volume plugins, such as network storage; one for each slot, which Setpoint never removes.
   */
  docker?: {
    /**
     * Name of the plugin as `docker plugin ls` or `docker info` lists it, such as local or rexray/ebs.
     */
    driver: string;
    /**
     * What the plugin is told when the volume is made (`docker volume create --opt`). No passwords: plans and `docker volume inspect` show it. Default: none.
     */
    options?: {
      /**
       * Its value: a text or a whole number.
       */
      [k: string]: string | number;
    };
    /**
     * Whether two Instances of a slot may use it at once, as with NFS. If not, the slot is started elsewhere only once the old Instance certainly stopped. Default: false.
     */
    shared?: boolean;
  };
  /**
   * Small read-only files whose texts stand here. A change recreates the containers that mount it, and no others.
   */
  config?: {
    /**
     * Texts by the name of their file, up to 64Ki each and 256Ki in a Set.
     */
    files: {
      /**
       * What is in the file. Never a password: that is a secret's.
       */
      [k: string]: string;
    };
  };
  /**
   * Files of a secret that lies on the host, one for each key, in memory and read-only. They follow the host's within seconds, without a restart.
   */
  secret?: {
    /**
     * Name of the secret: its folder on the host, below /etc/setpoint/secrets unless the agent was told otherwise.
     */
    name: string;
  };
}
/**
 * Where Instances may and should go.
 */
export interface Placement {
  /**
   * Which zones, and how many.
   */
  zones?: {
    only?: Names;
    /**
     * Spread over at least this many zones. Default: 1.
     */
    min?: number;
    /**
     * Zones whose loss still leaves the wished number of Instances standing: 0 or 1. Default: 0.
     */
    survive?: number;
  };
  hostLabels?: Labels;
  /**
   * spread: few Instances per host, rack and zone; pack: fill hosts. Default: spread.
   */
  strategy?: "spread" | "pack";
  /**
   * Most Instances of this Set on one host. Default: no limit.
   */
  maxPerHost?: number;
  /**
   * Sets whose Instances must not be close to this Set's.
   *
   * @minItems 1
   *
   * Items: A Set to keep away from.
   */
  apart?: {
    /**
     * A name: lower-case letters, digits and `-`, starting with a letter.
     */
    set: string;
    /**
     * They never share this. Default: host.
     */
    within?: "host" | "rack" | "zone";
  }[];
  near?: Names;
}
/**
 * A rule for several Sets at once.
 */
export interface Policy {
  /**
   * The version of the manifest format; always setpoint/v1.
   */
  apiVersion: "setpoint/v1";
  /**
   * What this document describes.
   */
  kind: "Policy";
  metadata: Metadata;
  /**
   * Which Sets, and one rule for them.
   */
  spec: {
    sets?: Names;
    /**
     * Applies to every Set that carries these labels.
     */
    selector?: {
      labels: Labels;
    };
    /**
     * Decides the number of Instances of Sets that have `scaling`.
     */
    scaling?: {
      /**
       * Windows of time with a floor or a ceiling.
       *
       * @minItems 1
       */
      schedules: Schedule[];
    };
    /**
     * Where Instances of the Sets may go; added to their own rules, the stricter counts.
     */
    placement?: {
      /**
       * Most Instances of core Sets on a host that holds one of these Sets.
       */
      maxCorePerHost?: number;
      /**
       * The selected Sets keep away from each other.
       */
      apart?: {
        /**
         * They never share this. Default: host.
         */
        within?: "host" | "rack" | "zone";
      };
      near?: Names;
      hostLabels?: Labels;
      /**
       * How many zones.
       */
      zones?: {
        /**
         * Spread over at least this many zones. Default: 1.
         */
        min?: number;
        /**
         * Zones whose loss still leaves the wished number of Instances standing: 0 or 1. Default: 0.
         */
        survive?: number;
      };
    };
    /**
     * Settings that a group of Sets shares; a Set's own win.
     */
    config?: {
      env?: Env;
      labels?: Labels;
    };
  };
}
/**
 * A window of time in which the number of Instances has a floor or a ceiling.
 */
export interface Schedule {
  /**
   * A name: lower-case letters, digits and `-`, starting with a letter.
   */
  name: string;
  /**
   * IANA time zone, such as Asia/Shanghai or UTC.
   */
  timezone: string;
  /**
   * Local time at which the window opens, HH:MM.
   */
  start: string;
  /**
   * How long the window is open, such as 3h.
   */
  duration: string;
  /**
   * Days on which the window opens. Default: every day.
   *
   * @minItems 1
   */
  days?: ("mon" | "tue" | "wed" | "thu" | "fri" | "sat" | "sun")[];
  /**
   * At least this many Instances while it is open.
   */
  floor?: number;
  /**
   * At most this many Instances while it is open.
   */
  ceiling?: number;
}
