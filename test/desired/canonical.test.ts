import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { DesiredSet } from "../../reconciler/core/desired.ts";
import type { Set as SetManifest } from "../../reconciler/core/manifest-types.ts";
import { buildDesired } from "../../reconciler/plan/desired/builder.ts";
import { canonicalImage } from "../../reconciler/plan/desired/image.ts";
import { container, manifestsOf, pool, set } from "./documents.ts";
import { meanings, writeSet } from "./notations.ts";

const neighbours = [
  pool("main"),
  pool("edge", { network: { cidr: "10.30.0.0/16", gateway: "10.30.0.1" } }),
  set("n1"),
  set("n2"),
  set("n3"),
];

function desiredOf(manifest: SetManifest): DesiredSet {
  const { desired, problems } = buildDesired(manifestsOf(...neighbours, manifest));
  if (desired === null) throw new Error(problems.map(({ message }) => message).join("\n"));
  return desired.sets.get(manifest.metadata.name)!;
}

describe("canonical form", () => {
  it("is the same for any order and any notation of the same manifest", () => {
    fc.assert(
      fc.property(meanings, fc.nat(), fc.nat(), (meaning, one, other) => {
        const a = desiredOf(writeSet("web", meaning, one));
        const b = desiredOf(writeSet("web", meaning, other));
        expect(JSON.stringify(b)).toBe(JSON.stringify(a));
        expect([b.specHash, b.infraHash, b.liveHash]).toEqual([a.specHash, a.infraHash, a.liveHash]);
      }),
      { numRuns: 150 },
    );
  });

  it("fills the documented defaults", () => {
    const web = desiredOf(set("web"));
    expect(web).toMatchObject({
      pools: ["main"],
      count: { kind: "fixed", replicas: 2 },
      priority: "normal",
      failover: "always",
      exclusive: false,
      needs: ["docker"],
      images: ["docker.io/shop/app:1.0"],
      maxUnavailable: { percent: 25 },
      resources: { cpuMillis: 500, memoryBytes: 512 * 1024 ** 2, diskBytes: 0, ingressBps: 0, egressBps: 0 },
      placement: {
        zones: [],
        zonesMin: 1,
        zonesSurvive: 0,
        strategy: "spread",
        maxPerHost: null,
        maxCorePerHost: null,
        apart: [],
        near: [],
      },
      live: { ingressBps: null, egressBps: null, volumes: {} },
    });
    expect(web.template.network).toEqual({ ip: "any", vlan: null });
    expect(web.template.containers[0]).toEqual({
      name: "app",
      image: "docker.io/shop/app:1.0",
      command: null,
      args: null,
      env: {},
      user: null,
      ports: [],
      health: null,
      preStop: null,
      stopTimeoutMs: 10_000,
      mounts: [],
    });
  });

  it("counts what an Instance reserves and what its host must be able to do", () => {
    const template: SetManifest["spec"]["template"] = {
      containers: [
        container("app", { mounts: [{ volume: "data", path: "/d" }], ports: [{ name: "http", port: 80, hostPort: 8080 }] }),
        container("log", { resources: { cpu: { request: 1, limit: 2 }, memory: { request: "1Gi" }, io: { readBps: "10Mi" } } }),
      ],
      volumes: [{ name: "data", lvm: { size: "20Gi" } }],
      network: { ingress: "100mbit", egress: "50mbit", ip: "reuse" },
    };
    expect(desiredOf(set("web", { template }))).toMatchObject({
      resources: { cpuMillis: 1500, memoryBytes: 1536 * 1024 ** 2, diskBytes: 20 * 1024 ** 3, ingressBps: 1e8, egressBps: 5e7 },
      needs: ["cgroup", "docker", "lvm", "tc"],
      hostPorts: [8080],
      exclusive: true,
      failover: "after-fence",
      template: { volumes: [{ name: "data", kind: "lvm", filesystem: "ext4" }] },
      live: { volumes: { data: 20 * 1024 ** 3 } },
    });
  });

  it("takes reserve and overcommit off a host's capacity", () => {
    const capacity = { cpu: 16, memory: "64Gi", bandwidth: "10gbit" };
    const spec = {
      cpu: { overcommit: 1.15 },
      memory: { reserve: "4Gi" },
      hosts: [{ name: "h-[1-2]", zone: "a", labels: { z: "1", a: "2" }, capacity }],
    };
    const { desired } = buildDesired(manifestsOf(pool("main", spec)));
    expect(desired?.hosts).toEqual(
      ["h-1", "h-2"].map((name) => ({
        name,
        pool: "main",
        zone: "a",
        rack: `a/${name}`,
        labels: { a: "2", z: "1" },
        agent: "sim",
        address: null,
        cpus: null,
        capacity: { cpuMillis: 18_400, memoryBytes: 60 * 1024 ** 3, diskBytes: 0, ingressBps: 1e10, egressBps: 1e10 },
        state: "active",
      })),
    );
    expect(desired?.pools.get("main")).toMatchObject({
      storage: { volumeGroup: null, thinPool: null, folder: "/var/lib/setpoint/folders", trashKeepForMs: 604_800_000 },
      watermark: 0.8,
      failure: { suspectAfterMs: 10_000, lostAfterMs: 60_000, brake: 0.3, leaseForMs: null },
      budget: { percent: 10, count: 20 },
      isolation: { ovs: null, vms: null },
      limits: "required",
    });
  });
});

type Template = SetManifest["spec"]["template"];

const full: Template = {
  containers: [
    container("app", {
      command: ["run"],
      env: { A: "1" },
      ports: [{ name: "http", port: 80 }],
      health: { http: { port: 80 } },
      mounts: [{ volume: "data", path: "/data" }],
    }),
    container("log"),
  ],
  volumes: [{ name: "data", lvm: { size: "1Gi" } }],
  network: {},
};

function withApp(changes: Partial<Template["containers"][number]>): Template {
  return { ...full, containers: [{ ...full.containers[0]!, ...changes }, full.containers[1]!] };
}

describe("hashes", () => {
  const before = desiredOf(set("web", { template: full }));

  it.each<[string, Template]>([
    ["image", withApp({ image: "shop/app:1.1" })],
    ["command", withApp({ command: ["run", "fast"] })],
    ["args", withApp({ args: ["-v"] })],
    ["env", withApp({ env: { A: "2" } })],
    ["user", withApp({ user: "1000" })],
    ["ports", withApp({ ports: [{ name: "http", port: 80, protocol: "udp" }], health: { http: { port: 80 } } })],
    ["health", withApp({ health: { tcp: { port: 80 } } })],
    ["preStop", withApp({ lifecycle: { preStop: { exec: { command: ["bye"] } } } })],
    ["stopTimeout", withApp({ lifecycle: { stopTimeout: "11s" } })],
    ["mounts", withApp({ mounts: [{ volume: "data", path: "/data", readOnly: true }] })],
  ])("a new %s recreates one container only", (_, template) => {
    const after = desiredOf(set("web", { template }));
    expect(after.specHash).not.toBe(before.specHash);
    expect(after.containerHashes["app"]).not.toBe(before.containerHashes["app"]);
    expect(after.containerHashes["log"]).toBe(before.containerHashes["log"]);
    expect(after.infraHash).toBe(before.infraHash);
  });

  it.each<[string, Template]>([
    ["address mode", { ...full, network: { ip: "reuse" } }],
    ["VLAN", { ...full, network: { vlan: 7 } }],
    ["file system", { ...full, volumes: [{ name: "data", lvm: { size: "1Gi", filesystem: "xfs" } }] }],
    ["kind of volume", { ...full, volumes: [{ name: "data", tmpfs: { size: "1Gi" } }] }],
    ["launch order", { ...full, containers: full.containers.toReversed() }],
    ["host port", withApp({ ports: [{ name: "http", port: 80, hostPort: 8080 }] })],
    ["container", { ...full, containers: [...full.containers, container("more")] }],
  ])("a new %s replaces the Instance", (_, template) => {
    const after = desiredOf(set("web", { template }));
    expect(after.infraHash).not.toBe(before.infraHash);
    expect(after.specHash).not.toBe(before.specHash);
  });

  it("what changes in place never changes the spec hash", () => {
    const change = fc.record({
      cpu: fc.integer({ min: 1, max: 4000 }),
      memory: fc.integer({ min: 6, max: 4000 }),
      size: fc.integer({ min: 1, max: 900 }),
      rate: fc.integer({ min: 1, max: 900 }),
      replicas: fc.nat({ max: 9 }),
      priority: fc.constantFrom("core" as const, "normal" as const, "batch" as const),
      strategy: fc.constantFrom("spread" as const, "pack" as const),
      failover: fc.constantFrom("after-fence" as const, "never" as const),
      labels: fc.dictionary(fc.constantFrom("team", "lane"), fc.constantFrom("x", "y")),
    });
    fc.assert(
      fc.property(change, ({ cpu, memory, size, rate, replicas, priority, strategy, failover, labels }) => {
        const resources = {
          cpu: { request: `${cpu}m`, limit: "4" },
          memory: { request: `${memory}Mi`, limit: "4Gi" },
          io: { weight: 10 + replicas },
        };
        const template: Template = {
          ...withApp({ resources }),
          volumes: [{ name: "data", lvm: { size: `${size}Gi` } }],
          network: { ingress: `${rate}mbit` },
        };
        const spec = {
          template,
          replicas,
          priority,
          failover,
          placement: { strategy, maxPerHost: 1 + replicas },
          rollout: { maxUnavailable: 1 },
        };
        const after = desiredOf(set("web", spec, labels));
        expect(after.specHash).toBe(before.specHash);
        expect(after.liveHash).not.toBe(before.liveHash);
      }),
    );
  });
});

describe("images", () => {
  it.each([
    ["nginx", "docker.io/library/nginx:latest"],
    ["nginx:1.27", "docker.io/library/nginx:1.27"],
    ["shop/web", "docker.io/shop/web:latest"],
    ["index.docker.io/nginx", "docker.io/library/nginx:latest"],
    ["localhost/web", "localhost/web:latest"],
    ["reg:5000/a/b:1", "reg:5000/a/b:1"],
    ["ghcr.io/a/b_c", "ghcr.io/a/b_c:latest"],
    [`web:1@sha256:${"0".repeat(64)}`, `docker.io/library/web@sha256:${"0".repeat(64)}`],
    ["Web", null],
    ["web:", null],
    ["web@sha256:abc", null],
    ["a//b", null],
    ["reg.example/", null],
    ["", null],
  ])("%s is %s", (written, expected) => {
    expect(canonicalImage(written)).toBe(expected);
  });

  it("canonical references stay as they are", () => {
    fc.assert(
      fc.property(fc.stringMatching(/^[a-z0-9._/:-]{1,20}$/), (written) => {
        const canonical = canonicalImage(written);
        return canonical === null || canonicalImage(canonical) === canonical;
      }),
    );
  });
});
