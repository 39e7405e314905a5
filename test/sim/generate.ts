import type { Container, Host, HostPool, Set as SetManifest, Volume } from "../../reconciler/core/manifest-types.ts";
import type { Random } from "../../reconciler/sim/random.ts";
import type { Tree } from "./repository.ts";

const ZONES = ["a", "b", "c", "d"];

/** A random fleet: 3 to 40 hosts, 1 to 4 zones, 1 or 2 pools, some Sets. */
export function firstTree(random: Random): Tree {
  const hosts = random.chance(0.7) ? random.integer(3, 12) : random.integer(13, 40);
  const zones = ZONES.slice(0, random.integer(1, 4));
  const names = hosts >= 8 && random.chance(0.4) ? ["main", "side"] : ["main"];
  const pools = new Map(names.map((name, at) => [name, newPool(name, at, Math.ceil(hosts / names.length), zones, random)]));
  let tree: Tree = { pools, sets: new Map() };
  for (let count = random.integer(1, 5); count > 0; count--) tree = addSet(tree, random);
  return tree;
}

/** One random edit, as a commit would make it, and what it is. `removable` says which hosts may leave the pool. */
export function edit(tree: Tree, random: Random, removable: (host: string) => boolean): { readonly tree: Tree; readonly what: string } {
  const choices: [number, string, (tree: Tree, random: Random) => Tree][] = [
    [tree.sets.size < 7 ? 3 : 0, "add a Set", addSet],
    [4, "scale", (tree) => changeSet(tree, random, (set) => ({ ...set.spec, replicas: random.integer(0, 10) }))],
    [4, "image", (tree) => changeContainer(tree, random, (container) => ({ ...container, image: someImage(random) }))],
    [3, "limits", (tree) => changeContainer(tree, random, (container) => ({ ...container, resources: someResources(random) }))],
    [
      1,
      "environment",
      (tree) => changeContainer(tree, random, (container) => ({ ...container, env: { V: String(random.integer(1, 99)) } })),
    ],
    [2, "placement", (tree) => changeSet(tree, random, (set) => ({ ...set.spec, placement: somePlacement(tree, random) }))],
    [2, "volumes", changeVolumes],
    [0.5, "no volumes", dropVolumes],
    [1, "network", changeNetwork],
    [2, "remove a Set", removeSet],
    [1, "add hosts", addHosts],
    [2, "host state", changeHostState],
    [1, "remove a host", (tree) => removeHost(tree, random, removable)],
  ];
  const total = choices.reduce((sum, [weight]) => sum + weight, 0);
  let draw = random.next() * total;
  for (const [weight, what, change] of choices) {
    draw -= weight;
    if (draw < 0) return { tree: change(tree, random), what };
  }
  return { tree, what: "nothing" };
}

/** Every Set with an image that works and a new environment, so that no failure counts any more; every host active. */
export function repaired(tree: Tree): Tree {
  const sets = new Map<string, SetManifest>();
  for (const [name, set] of tree.sets) {
    const containers = set.spec.template.containers.map((container) => {
      const image = /:(missing|crash|unhealthy)$/.test(container.image) ? "shop/app:good" : container.image;
      return { ...container, image, env: { ...container.env, REPAIRED: "yes" } };
    });
    sets.set(name, { ...set, spec: { ...set.spec, template: { ...set.spec.template, containers } } });
  }
  return { ...tree, sets };
}

function newPool(name: string, at: number, hosts: number, zones: readonly string[], random: Random): HostPool {
  const leased = random.chance(0.75);
  const disk = random.pick(["12Gi", "25Gi", "100Gi"]);
  return {
    apiVersion: "setpoint/v1",
    kind: "HostPool",
    metadata: { name },
    spec: {
      network: { cidr: `10.${at}.0.0/${random.pick([22, 24])}`, gateway: `10.${at}.0.1` },
      storage: { trash: { keepFor: random.pick(["10m", "30m", "7d", "7d"]), reclaim: random.pick(["never", "when-full", "when-full"]) } },
      failure: {
        suspectAfter: "10s",
        lostAfter: random.pick(["30s", "60s"]),
        brake: random.pick(["30%", "50%"]),
        ...(leased ? { leaseFor: random.pick(["30s", "45s"]) } : {}),
      },
      budget: { percent: random.pick([10, 50, 100]), count: random.integer(1, 20) },
      hosts: Array.from({ length: hosts }, (_, index) => newHost(`${name}-${index + 1}`, zones[index % zones.length]!, disk)),
    },
  };
}

function newHost(name: string, zone: string, disk: string | number): Host {
  return { name, zone, rack: `${zone}-${name.length}`, capacity: { cpu: "8", memory: "16Gi", disk, bandwidth: "10gbit" } };
}

function addSet(tree: Tree, random: Random): Tree {
  const name = `${random.pick(["web", "api", "db", "cache", "job", "feed", "auth"])}${random.chance(0.3) ? "-2" : ""}`;
  const volumes = someVolumes(random);
  const ip = random.chance(0.2) ? "reuse" : "any";
  const containers = Array.from({ length: random.integer(1, 3) }, (_, at) => newContainer(`c${at + 1}`, at === 0 ? volumes : [], random));
  const pools = [...tree.pools.keys()];
  const set: SetManifest = {
    apiVersion: "setpoint/v1",
    kind: "Set",
    metadata: { name },
    spec: {
      ...(pools.length > 1 && random.chance(0.3) ? { pools } : { pool: random.pick(pools) }),
      replicas: random.integer(0, 8),
      priority: random.pick(["core", "normal", "batch"]),
      template: {
        containers,
        ...(volumes.length === 0 ? {} : { volumes }),
        network: { ip, ...(random.chance(0.4) ? { egress: `${random.integer(10, 200)}mbit` } : {}) },
      },
      ...(random.chance(0.4) ? { placement: somePlacement(tree, random) } : {}),
      rollout: { maxUnavailable: random.pick([1, 2, "25%", "50%", "100%"]) },
      ...(random.chance(0.15) ? { failover: "never" as const } : {}),
    },
  };
  return { ...tree, sets: new Map(tree.sets).set(name, set) };
}

/** Half of the Sets have none. */
function someVolumes(random: Random): Volume[] {
  if (random.chance(0.5)) return [];
  const volumes = [someVolume(random, random.pick(["lvm", "lvm", "dir", "docker", "config"] as const), "data")];
  if (random.chance(0.3)) volumes.push(someVolume(random, random.pick(["lvm", "dir", "docker", "config"] as const), "more"));
  return volumes;
}

/** Sizes are no whole extents now and then. */
function someVolume(random: Random, kind: "lvm" | "dir" | "docker" | "config", name: string): Volume {
  switch (kind) {
    case "lvm":
      return { name, lvm: { size: `${random.integer(1, 10)}${random.pick(["Gi", "Gi", "G"])}` } };
    case "dir":
      return { name, dir: { softLimit: `${random.integer(1, 10)}Gi` } };
    case "docker":
      return { name, docker: { driver: "local", shared: random.chance(0.5) } };
    case "config":
      return { name, config: { files: { "app.conf": `level = ${random.integer(1, 9)}` } } };
    default:
      return kind satisfies never;
  }
}

function newContainer(name: string, mounts: readonly Volume[], random: Random): Container {
  return {
    name,
    image: someImage(random),
    resources: someResources(random),
    ...(random.chance(0.6) ? { health: { tcp: { port: 80 }, interval: "2s", timeout: "1s", startPeriod: "5s" } } : {}),
    ...(random.chance(0.1) ? { ports: [{ name: "main", port: 80, hostPort: random.integer(8000, 8003) }] } : {}),
    lifecycle: { stopTimeout: random.pick(["1s", "5s", "10s"]) },
    ...(mounts.length === 0 ? {} : { mounts: mounts.map((volume) => ({ volume: volume.name, path: `/${volume.name}` })) }),
  };
}

/** One in eight does not work: not there, crashing, never healthy, or slow to pull. */
function someImage(random: Random): string {
  if (random.chance(0.12)) return `shop/app:${random.pick(["missing", "crash", "unhealthy", "slow"])}`;
  return `shop/${random.pick(["app", "side"])}:${random.integer(1, 9)}`;
}

function someResources(random: Random): Container["resources"] {
  const memoryMi = random.integer(1, 16) * 128;
  return {
    cpu: { request: `${random.integer(1, 10) * 100}m`, ...(random.chance(0.3) ? { limit: "2" } : {}) },
    memory: { request: `${memoryMi}Mi`, ...(random.chance(0.5) ? { limit: `${memoryMi * 2}Mi` } : {}) },
  };
}

function somePlacement(tree: Tree, random: Random): NonNullable<SetManifest["spec"]["placement"]> {
  const zones = [...new Set([...tree.pools.values()].flatMap((pool) => pool.spec.hosts.map((host) => host.zone)))];
  return {
    ...(random.chance(0.3) ? { zones: { only: zones.filter(() => random.chance(0.7)) } } : {}),
    strategy: random.pick(["spread", "pack"]),
    ...(random.chance(0.3) ? { maxPerHost: random.integer(1, 3) } : {}),
    ...(random.chance(0.2) && tree.sets.size > 0 ? { apart: [{ set: random.pick([...tree.sets.keys()]) }] } : {}),
  };
}

function changeSet(tree: Tree, random: Random, change: (set: SetManifest) => SetManifest["spec"]): Tree {
  if (tree.sets.size === 0) return tree;
  const [name, set] = random.pick([...tree.sets]);
  return { ...tree, sets: new Map(tree.sets).set(name, { ...set, spec: change(set) }) };
}

function changeContainer(tree: Tree, random: Random, change: (container: Container) => Container): Tree {
  return changeSet(tree, random, (set) => {
    const { template } = set.spec;
    const chosen = random.integer(0, template.containers.length - 1);
    const containers = template.containers.map((container, at) => (at === chosen ? change(container) : container));
    return { ...set.spec, template: { ...template, containers } };
  });
}

/** Another size, smaller ones too, another text, and now and then another kind. */
function changeVolumes(tree: Tree, random: Random): Tree {
  return changeSet(tree, random, (set) => {
    const { template } = set.spec;
    if (template.volumes === undefined) return set.spec;
    const volumes = template.volumes.map((volume) => {
      const kind = (["lvm", "dir", "docker", "config"] as const).find((it) => volume[it] !== undefined)!;
      if (kind === "lvm" && random.chance(0.7)) return { name: volume.name, lvm: { size: `${random.integer(1, 20)}Gi` } };
      return someVolume(random, random.chance(0.8) ? kind : random.pick(["lvm", "dir"] as const), volume.name);
    });
    return { ...set.spec, template: { ...template, volumes } };
  });
}

/** A Set gives up its volumes. */
function dropVolumes(tree: Tree, random: Random): Tree {
  return changeSet(tree, random, (set) => {
    const { volumes: _volumes, ...template } = set.spec.template;
    return { ...set.spec, template: { ...template, containers: template.containers.map(({ mounts: _mounts, ...rest }) => rest) } };
  });
}

function changeNetwork(tree: Tree, random: Random): Tree {
  return changeSet(tree, random, (set) => {
    const network = { ip: random.pick(["any", "reuse"] as const), egress: `${random.integer(10, 500)}mbit` };
    return { ...set.spec, template: { ...set.spec.template, network } };
  });
}

function removeSet(tree: Tree, random: Random): Tree {
  if (tree.sets.size < 2) return tree;
  const sets = new Map(tree.sets);
  sets.delete(random.pick([...sets.keys()]));
  return { ...tree, sets };
}

function changeHosts(tree: Tree, random: Random, change: (hosts: readonly Host[], pool: HostPool) => Host[]): Tree {
  const [name, pool] = random.pick([...tree.pools]);
  return { ...tree, pools: new Map(tree.pools).set(name, { ...pool, spec: { ...pool.spec, hosts: change(pool.spec.hosts, pool) } }) };
}

function addHosts(tree: Tree, random: Random): Tree {
  return changeHosts(tree, random, (hosts, pool) => {
    const first = 1 + Math.max(...hosts.map((host) => Number(host.name.split("-")[1])));
    const zones = hosts.map((host) => host.zone);
    return [
      ...hosts,
      ...[0, 1].map((more) => newHost(`${pool.metadata.name}-${first + more}`, random.pick(zones), hosts[0]!.capacity.disk!)),
    ];
  });
}

function changeHostState(tree: Tree, random: Random): Tree {
  return changeHosts(tree, random, (hosts) => {
    const chosen = random.pick(hosts).name;
    const state = random.pick(["active", "active", "cordoned", "draining"] as const);
    return hosts.map((host) => (host.name === chosen ? { ...host, state } : host));
  });
}

function removeHost(tree: Tree, random: Random, removable: (host: string) => boolean): Tree {
  return changeHosts(tree, random, (hosts) => {
    const candidates = hosts.filter((host) => removable(host.name));
    if (hosts.length < 4 || candidates.length === 0) return [...hosts];
    const chosen = random.pick(candidates);
    return hosts.filter((host) => host !== chosen);
  });
}
