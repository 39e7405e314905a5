import type { Files } from "./fleet.ts";
import { BRIDGE } from "./rig/host.ts";
import { IMAGES } from "./rig/images.ts";
import type { Rig } from "./rig/rig.ts";

/** VLAN of the pool, and the one that only the Set `stranger` is in. */
export const POOL_VLAN = 20;
export const FOREIGN_VLAN = 21;

/** Instances of `fleetFiles`. */
export const INSTANCES = 21;

/** A fleet on the hosts of a rig, one zone each: 21 Instances in four Sets. */
export function fleetFiles(rig: Rig): Files {
  return {
    "pool.yaml": poolManifest(rig),
    "web.yaml": webManifest(IMAGES.web, 9),
    "stranger.yaml": setManifest(
      "stranger",
      3,
      IMAGES.web,
      "health: { tcp: { port: 8080 }, interval: 1s }",
      `network: { vlan: ${FOREIGN_VLAN} }`,
    ),
    // Two of one slot would do harm: on a silent host's behalf nothing starts before that host stopped its own.
    "single.yaml": setManifest(
      "single",
      6,
      IMAGES.sleeper,
      "lifecycle: { stopTimeout: 1s }",
      "network: { ip: reuse }",
      "failover: after-fence",
    ),
    "limited.yaml": setManifest(
      "limited",
      3,
      IMAGES.web,
      "health: { tcp: { port: 8080 }, interval: 1s }",
      "network: { ingress: 50mbit, egress: 20mbit }",
    ),
  };
}

/** A Set that serves http on 8080. */
export function webManifest(image: string, replicas: number): string {
  return setManifest("web", replicas, image, "health: { http: { port: 8080, path: / }, interval: 1s }");
}

/** The pool of a rig's hosts. Times are short, so that a lost host is lost soon; a boot of a host takes less. */
export function poolManifest(rig: Rig): string {
  const network = `vlan: ${POOL_VLAN}, driver: ovs, bridge: ${BRIDGE}, datapath: netdev, mtu: 1450`;
  return poolOf(rig, network, "suspectAfter: 4s, lostAfter: 20s, brake: 50%, leaseFor: 12s", "memory: { reserve: 256Mi }");
}

/** The same on Docker's own bridge, for a rig of one host. Its agent may be away for two minutes before it counts as lost. */
export function bridgePool(rig: Rig): string {
  return poolOf(rig, "driver: bridge", "suspectAfter: 5s, lostAfter: 120s, leaseFor: 40s");
}

function poolOf(rig: Rig, network: string, failure: string, ofSpec = ""): string {
  const hosts = rig.hosts.map(({ name, agentSocket }) => ({ name, agent: `unix://${agentSocket}`, memory: "6Gi" }));
  return poolOfHosts(hosts, network, failure, ofSpec);
}

/** A pool of such hosts, one zone each. */
export function poolOfHosts(
  at: readonly { readonly name: string; readonly agent: string; readonly memory: string }[],
  network: string,
  failure: string,
  ofSpec = "",
): string {
  const hosts = at.map(
    ({ name, agent, memory }) =>
      `    - { name: ${name}, agent: "${agent}", zone: zone-${name}, capacity: { cpu: 2, memory: ${memory}, disk: 10Gi, bandwidth: 1gbit } }`,
  );
  return `apiVersion: setpoint/v1
kind: HostPool
metadata: { name: lab }
spec:
  network: { cidr: 10.70.0.0/24, gateway: 10.70.0.1, ${network} }
  failure: { ${failure} }
  budget: { percent: 100, count: 50 }
  ${ofSpec}
  hosts:
${hosts.join("\n")}
`;
}

/** `ofContainer`: lines of the container; `ofTemplate`: of the template; `ofSpec`: of the Set. Three Instances are in three zones. */
export function setManifest(name: string, replicas: number, image: string, ofContainer = "", ofTemplate = "", ofSpec = ""): string {
  return `apiVersion: setpoint/v1
kind: Set
metadata: { name: ${name} }
spec:
  pool: lab
  replicas: ${replicas}
  ${ofSpec}
  template:
    containers:
      - name: app
        image: ${image}
        resources: { cpu: { request: 10m }, memory: { request: 16Mi, limit: 64Mi } }
        ${ofContainer.replaceAll("\n", "\n        ")}
    ${ofTemplate.replaceAll("\n", "\n    ")}
  ${replicas < 3 ? "" : "placement: { zones: { min: 3 } }"}
`;
}
