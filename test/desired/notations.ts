import fc from "fast-check";
import type { Container, Set as SetManifest } from "../../reconciler/core/manifest-types.ts";

/** What a Set means, in base units; `writeSet` writes it down in one of many notations. */
export interface Meaning {
  readonly cpuMillis: number;
  readonly memoryMebibytes: number;
  readonly image: number;
  readonly env: Readonly<Record<string, string>>;
  readonly labels: Readonly<Record<string, string>>;
  readonly ports: readonly number[];
  readonly volumes: readonly { readonly gibibytes: number; readonly lvm: boolean }[];
  readonly mbit: number | null;
  readonly stopSeconds: number;
  readonly health: { readonly port: number; readonly intervalSeconds: number; readonly failures: number } | null;
  readonly zones: readonly string[];
  readonly near: readonly string[];
  readonly pools: readonly string[];
  readonly replicas: number;
}

const words = fc.stringMatching(/^[a-z]{1,4}$/);
const record = fc.dictionary(words, words, { maxKeys: 5 });

export const meanings: fc.Arbitrary<Meaning> = fc.record({
  cpuMillis: fc.constantFrom(100, 250, 500, 1000, 1500, 2000),
  memoryMebibytes: fc.constantFrom(64, 512, 1024, 1536, 2048),
  image: fc.nat({ max: 2 }),
  env: record,
  labels: record,
  ports: fc.uniqueArray(fc.integer({ min: 1, max: 9999 }), { maxLength: 4 }),
  volumes: fc.array(fc.record({ gibibytes: fc.integer({ min: 1, max: 4 }), lvm: fc.boolean() }), { maxLength: 3 }),
  mbit: fc.option(fc.integer({ min: 1, max: 3000 })),
  stopSeconds: fc.constantFrom(10, 60, 90, 3600),
  health: fc.option(
    fc.record({ port: fc.constantFrom(80, 81), intervalSeconds: fc.constantFrom(10, 120), failures: fc.constantFrom(3, 5) }),
  ),
  zones: fc.subarray(["a", "b", "c"]),
  near: fc.subarray(["n1", "n2", "n3"]),
  pools: fc.subarray(["main", "edge"], { minLength: 1 }),
  replicas: fc.integer({ min: 0, max: 5 }),
});

const IMAGES = [
  ["nginx", "nginx:latest", "library/nginx", "docker.io/nginx", "docker.io/library/nginx:latest", "index.docker.io/library/nginx"],
  ["shop/web:1.4", "docker.io/shop/web:1.4"],
  [`reg.example:5000/web@sha256:${"a".repeat(64)}`, `reg.example:5000/web:1.4@sha256:${"a".repeat(64)}`],
] as const;

/** Chooses by a seed: keys and order-free lists in any order, equal quantities in any unit, defaults written or left out. */
export function writeSet(name: string, meaning: Meaning, seed: number): SetManifest {
  const pick = chooser(seed);
  const { volumes, near, zones } = meaning;
  const declared = volumes.map(({ gibibytes, lvm }, index) => {
    const size = pick<string | number>(`${gibibytes}Gi`, `${gibibytes * 1024}Mi`, gibibytes * 1024 ** 3, `${gibibytes}.0Gi`);
    return { name: `v${index}`, ...(lvm ? { lvm: { size, ...optional(pick, "filesystem", "ext4") } } : { tmpfs: { size } }) };
  });
  const spec: SetManifest["spec"] = {
    ...(meaning.pools.length === 1 && pick(true, false) ? { pool: meaning.pools[0]! } : { pools: shuffle(pick, meaning.pools) }),
    replicas: meaning.replicas,
    ...optional(pick, "priority", "normal"),
    ...optional(pick, "rollout", pick({}, { maxUnavailable: "25%" })),
    placement: {
      ...optional(pick, "strategy", "spread"),
      ...(zones.length > 0 ? { zones: { only: shuffle(pick, zones), ...optional(pick, "min", 1), ...optional(pick, "survive", 0) } } : {}),
      ...(near.length > 0
        ? { near: shuffle(pick, near), apart: shuffle(pick, near).map((set) => ({ set, ...optional(pick, "within", "host") })) }
        : {}),
    },
    template: {
      ...(volumes.length > 0 || pick(true, false) ? { volumes: shuffle(pick, declared) } : {}),
      network: {
        ...optional(pick, "ip", "any"),
        ...(meaning.mbit === null
          ? {}
          : { ingress: pick(`${meaning.mbit}mbit`, `${meaning.mbit * 1000}kbit`, `${meaning.mbit / 1000}gbit`) }),
      },
      containers: [
        writeContainer(meaning, pick),
        { name: "second", image: "log:1", resources: { memory: { request: "1Mi" }, cpu: { request: "1m" } } },
      ],
    },
  };
  const labels = shuffleKeys(pick, meaning.labels);
  return shuffleKeys(pick, { apiVersion: "setpoint/v1", kind: "Set", metadata: { name, labels }, spec: shuffleKeys(pick, spec) });
}

function writeContainer(meaning: Meaning, pick: Pick): Container {
  const { cpuMillis, memoryMebibytes, stopSeconds, health } = meaning;
  const timeout = pick(`${stopSeconds}s`, `${stopSeconds * 1000}ms`, `${stopSeconds - 1}s1000ms`);
  return shuffleKeys(pick, {
    name: "app",
    image: pick(...IMAGES[meaning.image]!),
    env: shuffleKeys(pick, meaning.env),
    resources: {
      cpu: { request: pick<string | number>(`${cpuMillis}m`, String(cpuMillis / 1000), cpuMillis / 1000) },
      memory: {
        request: pick<string | number>(
          `${memoryMebibytes}Mi`,
          `${memoryMebibytes / 1024}Gi`,
          memoryMebibytes * 1024 ** 2,
          `${memoryMebibytes * 1024}Ki`,
        ),
        ...optional(pick, "swap", 0),
      },
    },
    ports: shuffle(
      pick,
      meaning.ports.map((port) => ({ name: `p${port}`, port, ...optional(pick, "protocol", "tcp") })),
    ),
    mounts: shuffle(
      pick,
      meaning.volumes.map((_, index) => ({
        volume: `v${index}`,
        path: pick(`/m/${index}`, `/m//${index}/`),
        ...optional(pick, "readOnly", false),
      })),
    ),
    ...(stopSeconds === 10 && pick(true, false) ? {} : { lifecycle: { stopTimeout: timeout } }),
    ...optional(pick, "args", []),
    ...(health === null ? {} : { health: writeHealth(health, pick) }),
  }) as Container;
}

function writeHealth({ port, intervalSeconds, failures }: NonNullable<Meaning["health"]>, pick: Pick): NonNullable<Container["health"]> {
  return {
    http: { ...optional(pick, "path", "/"), port },
    ...(intervalSeconds === 10 && pick(true, false) ? {} : { interval: pick(`${intervalSeconds}s`, `${intervalSeconds * 1000}ms`) }),
    ...(failures === 3 && pick(true, false) ? {} : { failures }),
    ...optional(pick, "timeout", "3s"),
    ...optional(pick, "startPeriod", "0s"),
  };
}

type Pick = <Value>(...values: readonly Value[]) => Value;

function chooser(seed: number): Pick {
  let state = seed >>> 0;
  return (...values) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return values[Math.floor((state / 2 ** 32) * values.length)]!;
  };
}

/** A field that says its default, written or left out. */
function optional<Key extends string, const Value>(pick: Pick, key: Key, value: Value): { [K in Key]?: Value } {
  return (pick(true, false) ? { [key]: value } : {}) as { [K in Key]?: Value };
}

function shuffle<Item>(pick: Pick, items: readonly Item[]): Item[] {
  const rest = [...items];
  const shuffled: Item[] = [];
  while (rest.length > 0) shuffled.push(...rest.splice(pick(...rest.keys()), 1));
  return shuffled;
}

function shuffleKeys<Value extends object>(pick: Pick, object: Value): Value {
  return Object.fromEntries(shuffle(pick, Object.entries(object))) as Value;
}
