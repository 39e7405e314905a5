import { describe, expect, it } from "vitest";
import type { DesiredSet } from "../../reconciler/core/desired.ts";
import type { Policy, Set as SetManifest } from "../../reconciler/core/manifest-types.ts";
import { secretNeeds } from "../../reconciler/core/secrets.ts";
import { buildDesired } from "../../reconciler/plan/desired/builder.ts";
import { container, manifestsOf, policy, pool, set } from "./documents.ts";

type Template = SetManifest["spec"]["template"];
type App = Template["containers"][number];

function desiredOf(template: Template, ...policies: readonly Policy[]): DesiredSet {
  const { desired, problems } = buildDesired(manifestsOf(pool("main"), set("web", { template }), ...policies));
  if (desired === null) throw new Error(problems.map(({ message }) => message).join("\n"));
  return desired.sets.get("web")!;
}

function withApp(changes: Partial<App>, rest: Partial<Template> = {}): DesiredSet {
  return desiredOf({ containers: [container("app", changes), container("side")], ...rest });
}

const plain = withApp({});

describe("a Set that uses none of the options", () => {
  it("has the hashes it had before there were any, so that an upgrade recreates nothing", () => {
    const web = container("web", {
      env: { MODE: "fast" },
      user: "1000",
      ports: [{ name: "http", port: 80, hostPort: 8080 }],
      health: { http: { port: 80 } },
      mounts: [{ volume: "tmp", path: "/tmp" }],
    });
    const template: Template = {
      containers: [web, container("side")],
      volumes: [{ name: "tmp", tmpfs: { size: "1Mi" } }],
      network: { ip: "reuse" },
    };
    expect(desiredOf(template)).toMatchObject({
      infraHash: "8e7cb36fafc73843d728cbb62d6e8b6fecc72db8282e924aeb6ff14da7c24dca",
      containerHashes: {
        web: "36f8335fc28f636b0928f318f8b5caf6a988b82ada60f7bafd38a77cb78792bf",
        side: "a09a55d5b14ade4a590ece726db19f8afbdabe6e8b290fa80175bc234f03c9d5",
      },
      specHash: "0cfe616d0bd3877ce744b49de02ca000cd08006a66a9adc485c6ba0d78506319",
      liveHash: "63decc9cb40253c4b52059c9fc404f8986c69057e483ef98ba8419e9342bbfe6",
    });
  });

  it("is the same when it writes the defaults", () => {
    const written = withApp(
      {
        capabilities: { add: [], drop: [] },
        init: true,
        log: { maxSize: "10M", maxFiles: 3 },
        oomKillDisable: false,
        readOnlyRoot: false,
        sysctls: {},
        ulimits: {},
      },
      { sysctls: {}, volumes: [] },
    );
    expect(written).toEqual({ ...plain, source: written.source });
  });
});

describe("canonical options", () => {
  it("have one form for any order and notation", () => {
    const one = withApp({
      capabilities: { add: ["SYS_NICE", "CHOWN"], drop: ["ALL"] },
      env: { A: { secret: "db", key: "a" }, B: { key: "b", secret: "db", as: "file" } },
      log: { maxSize: "1Mi" },
      sysctls: { "kernel.shmmax": 1024, "kernel.sem": " 1 2 3 4 " },
      ulimits: { nofile: 1024, memlock: { soft: "64Ki", hard: "unlimited" } },
    });
    const other = withApp({
      capabilities: { drop: ["ALL"], add: ["CHOWN", "SYS_NICE"] },
      env: { B: { secret: "db", key: "b", as: "file" }, A: { secret: "db", key: "a", as: "value" } },
      log: { maxFiles: 3, maxSize: 1_048_576 },
      sysctls: { "kernel.sem": "1 2 3 4", "kernel.shmmax": "1024" },
      ulimits: { memlock: { hard: "unlimited", soft: 65_536 }, nofile: { soft: 1024, hard: "1024" as never } },
    });
    expect(JSON.stringify(other.template)).toBe(JSON.stringify(one.template));
    expect(one.template.containers[0]).toMatchObject({
      capabilities: { add: ["CHOWN", "SYS_NICE"], drop: ["ALL"] },
      env: { A: { as: "value", key: "a", secret: "db" }, B: { as: "file", key: "b", secret: "db" } },
      log: { maxSizeBytes: 1_048_576, maxFiles: 3 },
      sysctls: { "kernel.shmmax": "1024", "kernel.sem": "1 2 3 4" },
      ulimits: { memlock: { soft: 65_536, hard: null }, nofile: { soft: 1024, hard: 1024 } },
    });
  });

  it("take secrets of a Policy as those of the Set, which wins", () => {
    const env = { LANE: "blue", TOKEN: { secret: "shared", key: "token" } };
    const both = desiredOf(
      { containers: [container("app", { env: { LANE: { secret: "lane", key: "name" } } })] },
      policy("shared", { sets: ["web"], config: { env } }),
    );
    expect(both.template.containers[0]!.env).toEqual({
      LANE: { as: "value", key: "name", secret: "lane" },
      TOKEN: { as: "value", key: "token", secret: "shared" },
    });
  });

  it("say what each container needs of the host's secrets", () => {
    const env = {
      A: { secret: "db", key: "a" },
      B: { secret: "db", key: "b", as: "file" as const },
      C: { secret: "db", key: "c", as: "file" as const },
      D: "text",
    };
    const volumes = [{ name: "tls", secret: { name: "web-tls" } }];
    const { template, live } = withApp({ env, mounts: [{ volume: "tls", path: "/etc/tls/" }] }, { volumes });
    expect(secretNeeds(template.containers[0]!, template)).toEqual({
      values: [{ variable: "A", secret: "db", key: "a" }],
      folders: [
        { path: "/etc/tls", secret: "web-tls", keys: null },
        { path: "/run/secrets/db", secret: "db", keys: ["b", "c"] },
      ],
    });
    expect(secretNeeds(template.containers[1]!, template)).toEqual({ values: [], folders: [] });
    expect(live.volumes).toEqual({});
  });
});

describe("a change", () => {
  it.each<[string, Partial<App>]>([
    ["ulimit", { ulimits: { nofile: 1024 } }],
    ["sysctl of its own", { sysctls: { "kernel.shmmax": 1024 } }],
    ["capability", { capabilities: { drop: ["NET_RAW"] } }],
    ["root that can only be read", { readOnlyRoot: true }],
    ["init", { init: false }],
    ["log", { log: { maxFiles: 2 } }],
    ["secret in a variable", { env: { A: { secret: "db", key: "a" } } }],
  ])("of a container's %s recreates that container only", (_, changes) => {
    const after = withApp(changes);
    expect(after.containerHashes["app"]).not.toBe(plain.containerHashes["app"]);
    expect(after.containerHashes["side"]).toBe(plain.containerHashes["side"]);
    expect(after.infraHash).toBe(plain.infraHash);
    expect(after.liveHash).toBe(plain.liveHash);
  });

  it("of oomKillDisable recreates that container only", () => {
    const resources = { cpu: { request: 1 }, memory: { request: "512Mi", limit: "512Mi" } };
    const [before, after] = [withApp({ resources }), withApp({ resources, oomKillDisable: true })];
    expect(after.containerHashes["app"]).not.toBe(before.containerHashes["app"]);
    expect(after.infraHash).toBe(before.infraHash);
  });

  it("of the runtime recreates the app containers, and leaves infra with its address", () => {
    const after = withApp({}, { runtime: "runsc" });
    expect(after.infraHash).toBe(plain.infraHash);
    for (const name of ["app", "side"]) expect(after.containerHashes[name]).not.toBe(plain.containerHashes[name]);
  });

  it("of the network's sysctls replaces the Instance, and no container is made anew without infra", () => {
    const after = withApp({}, { sysctls: { "net.core.somaxconn": 4096 } });
    expect(after.infraHash).not.toBe(plain.infraHash);
    expect(after.containerHashes).toEqual(plain.containerHashes);
  });

  it("of which secret a volume is recreates the containers that mount it", () => {
    const mounts = [{ volume: "tls", path: "/etc/tls" }];
    const [before, after] = ["one", "two"].map((name) => withApp({ mounts }, { volumes: [{ name: "tls", secret: { name } }] }));
    expect(before!.infraHash).toBe(plain.infraHash);
    expect(after!.infraHash).toBe(plain.infraHash);
    expect(after!.containerHashes["app"]).not.toBe(before!.containerHashes["app"]);
    expect(after!.containerHashes["side"]).toBe(plain.containerHashes["side"]);
  });
});
