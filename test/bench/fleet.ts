import type { Manifest, Set as SetManifest } from "../../reconciler/core/manifest-types.ts";
import type { Loaded, Manifests } from "../../reconciler/core/manifests.ts";
import { gather, loaded } from "../desired/documents.ts";
import { randomFrom } from "./placement.ts";

/** A fleet of the design's shape: ten zones, 6.6 Instances a host, three containers each. */
export interface BenchFleet {
  readonly hosts: number;
  readonly instances: number;
  readonly manifests: Manifests;
}

const ZONES = ["a", "b", "c", "d", "e", "f", "g", "h", "i", "j"];
const RACK = 25;

/** Sets of 1 to 100 replicas, ten on average; a tenth core, a tenth with a volume, a fifth with placement rules. */
export function makeFleet(hosts: number): BenchFleet {
  const random = randomFrom(7);
  const instances = Math.round(hosts * 6.6);
  const documents: Manifest[] = [poolOf(hosts)];
  for (let left = instances; left > 0;) {
    const replicas = Math.min(left, 100, 1 + Math.floor(-9 * Math.log(1 - random())));
    documents.push(setOf(documents.length, replicas, random));
    left -= replicas;
  }
  return { hosts, instances, manifests: gather(documents.map(loaded)) };
}

/** The same fleet with one more commit, in which one Set has another image and the rest are the same objects. */
export function withOneChange(fleet: BenchFleet, round: number): Manifests {
  const { manifests } = fleet;
  const position = Math.floor(manifests.sets.length / 2);
  const before = manifests.sets[position]!.manifest;
  const containers = before.spec.template.containers.map((container, at) =>
    at === 0 ? { ...container, image: `shop/changed:${round}` } : container,
  );
  const changed: Loaded<SetManifest> = loaded({ ...before, spec: { ...before.spec, template: { ...before.spec.template, containers } } });
  const sets = manifests.sets.map((set, at) => (at === position ? changed : set));
  return { ...manifests, revision: { commit: `c0ffee${round}` }, sets };
}

function poolOf(hosts: number): Manifest {
  const perRack = Math.ceil(hosts / ZONES.length / RACK);
  const entries = ZONES.flatMap((zone) =>
    Array.from({ length: perRack }, (_, rack) => {
      const inRack = Math.min(RACK, Math.ceil(hosts / ZONES.length) - rack * RACK);
      const big = rack % 2 === 1;
      return {
        name: `${zone}-r${String(rack).padStart(2, "0")}-[01-${String(inRack).padStart(2, "0")}]`,
        zone,
        rack: `r${rack}`,
        labels: { disk: rack % 3 === 0 ? "hdd" : "ssd" },
        capacity: { cpu: big ? 32 : 16, memory: big ? "128Gi" : "64Gi", disk: "2Ti", bandwidth: "10gbit" },
      };
    }),
  );
  return {
    apiVersion: "setpoint/v1",
    kind: "HostPool",
    metadata: { name: "main" },
    spec: { network: { cidr: "10.0.0.0/8", gateway: "10.0.0.1" }, hosts: [entries[0]!, ...entries.slice(1)] },
  };
}

function setOf(number: number, replicas: number, random: () => number): Manifest {
  const name = `set-${String(number).padStart(5, "0")}`;
  const cpu = ["250m", "500m", "1"][Math.floor(random() * 3)]!;
  const memory = ["512Mi", "1Gi", "2Gi"][Math.floor(random() * 3)]!;
  const volume = random() < 0.1;
  const app = {
    name: "app",
    image: `shop/app-${number % 400}:1.0`,
    env: { SET: name, LOG_LEVEL: "info" },
    resources: { cpu: { request: cpu, limit: "2" }, memory: { request: memory, limit: "4Gi" } },
    health: { http: { port: 8080, path: "/healthz" } },
    ...(volume ? { mounts: [{ volume: "data", path: "/data" }] } : {}),
  };
  const side = (sidecar: string): typeof app => ({
    ...app,
    name: sidecar,
    image: `shop/${sidecar}:3`,
    resources: { cpu: { request: "50m", limit: "1" }, memory: { request: "64Mi", limit: "256Mi" } },
  });
  return {
    apiVersion: "setpoint/v1",
    kind: "Set",
    metadata: { name },
    spec: {
      pool: "main",
      replicas,
      priority: random() < 0.1 ? "core" : "normal",
      template: {
        containers: [app, { ...side("proxy"), mounts: [] }, { ...side("logs"), mounts: [] }],
        ...(volume ? { volumes: [{ name: "data", lvm: { size: "10Gi" } }] } : {}),
        network: { ingress: "100mbit", egress: "100mbit" },
      },
      placement: {
        ...(random() < 0.1 ? { hostLabels: { disk: "ssd" } } : {}),
        ...(random() < 0.1 && replicas > 2 ? { zones: { min: 2 } } : {}),
      },
    },
  };
}
