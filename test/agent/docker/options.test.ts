import { describe, expect, test } from "vitest";
import type { Container } from "../../../reconciler/core/desired.ts";
import { infraCreate } from "../../../reconciler/agent/docker/bodies.ts";
import { APP, failure, INFRA, never, REF, useEngine } from "./engine-fixture.ts";
import { container, instanceSpec, type SpecParts, startRequest } from "./instance.ts";

const fixture = useEngine();

/** HostConfig of infra and of the app container after a start. */
async function started(
  change: Partial<Container>,
  rest: Partial<SpecParts> = {},
): Promise<Record<"infra" | "app", Record<string, unknown>>> {
  await fixture.engine.startInstance(REF, startRequest(instanceSpec({ containers: [container("web", change)], ...rest })), never());
  return { infra: fixture.fake.byName(INFRA)!.body.HostConfig, app: fixture.fake.byName(APP)!.body.HostConfig };
}

describe("options of a container in Docker's words", () => {
  test.each<[string, Partial<Container>, Record<string, unknown>]>([
    [
      "ulimits",
      { ulimits: { memlock: { soft: null, hard: null }, nofile: { soft: 1024, hard: 2048 } } },
      {
        Ulimits: [
          { Name: "memlock", Soft: -1, Hard: -1 },
          { Name: "nofile", Soft: 1024, Hard: 2048 },
        ],
      },
    ],
    ["sysctls", { sysctls: { "kernel.shmmax": "1024" } }, { Sysctls: { "kernel.shmmax": "1024" } }],
    ["capabilities", { capabilities: { add: ["CHOWN"], drop: ["ALL"] } }, { CapAdd: ["CHOWN"], CapDrop: ["ALL"] }],
    ["root", { readOnlyRoot: true }, { ReadonlyRootfs: true }],
    ["oom", { oomKillDisable: true }, { OomKillDisable: true }],
    ["init", { init: false }, { Init: false }],
    [
      "log",
      { log: { maxSizeBytes: 65_536, maxFiles: 7 } },
      { LogConfig: { Type: "json-file", Config: { "max-size": "65536", "max-file": "7" } } },
    ],
  ])("%s", async (_, change, wanted) => {
    const { infra, app } = await started(change);
    expect(app).toMatchObject(wanted);
    expect(infra).toMatchObject({ Init: true, LogConfig: { Type: "none" }, CapDrop: ["ALL"], ReadonlyRootfs: true });
    for (const field of ["Ulimits", "Sysctls", "CapAdd", "OomKillDisable"]) expect(infra).not.toHaveProperty(field);
  });

  test("nothing asked for is nothing said", async () => {
    const { app } = await started({});
    for (const field of ["Ulimits", "Sysctls", "CapAdd", "CapDrop", "ReadonlyRootfs", "OomKillDisable", "Runtime"]) {
      expect(app).not.toHaveProperty(field);
    }
  });

  test("sysctls of the network are infra's, the runtime is the app containers'", async () => {
    const { infra, app } = await started({}, { sysctls: { "net.core.somaxconn": "4096" }, runtime: "runsc" });
    expect(infra).toMatchObject({ Sysctls: { "net.core.somaxconn": "4096" } });
    expect(infra).not.toHaveProperty("Runtime");
    expect(app).toMatchObject({ Runtime: "runsc" });
    expect(app).not.toHaveProperty("Sysctls");
  });
});

test.each([true, false])("infra of our own image has a short seccomp profile only in place of Docker's own: %s", (ownSeccomp) => {
  const spec = instanceSpec({ containers: [container("web")] });
  const parts = {
    owner: { fleet: "test", host: "a-1" },
    ref: REF,
    request: startRequest(spec),
    infra: { image: "infra:1", entrypoint: ["/busybox", "sleep", "inf"], ownSeccomp },
    resolvConf: null,
    hosts: null,
  };
  const { SecurityOpt } = infraCreate(parts).body.HostConfig;
  expect(SecurityOpt[0]).toBe("no-new-privileges");
  expect(SecurityOpt.slice(1).map((option) => option.slice(0, 9))).toEqual(ownSeccomp ? ["seccomp={"] : []);
});

test("secrets: values in the environment, folders mounted read-only, nothing of either in a label or in infra", async () => {
  const web = container("web", {
    env: { A: "plain", B: { as: "value", secret: "db", key: "b" }, C: { as: "file", secret: "db", key: "c" } },
    mounts: [{ volume: "tls", path: "/etc/tls", readOnly: false }],
  });
  const spec = instanceSpec({ containers: [web], volumes: [{ name: "tls", kind: "secret", secret: "web-tls" }] });
  const folders = [
    { source: "/mem/1", target: "/etc/tls" },
    { source: "/mem/2", target: "/run/secrets/db" },
  ];
  const secrets = new Map([["web", { values: new Map([["B", { reveal: () => "hunter2" }]]), folders }]]);
  await fixture.engine.startInstance(REF, startRequest(spec, { secrets }), never());
  const { body } = fixture.fake.byName(APP)!;
  expect(body).toMatchObject({ Env: ["A=plain", "B=hunter2", "C=/run/secrets/db/c"] });
  const mounts = body.HostConfig["Mounts"] as readonly { readonly Target: string }[];
  expect(mounts.filter(({ Target }) => Target !== "/etc/hosts")).toEqual(
    folders.map(({ source, target }) => ({ Type: "bind", Source: source, Target: target, ReadOnly: true })),
  );
  expect(fixture.fake.byName(INFRA)!.body.HostConfig["Mounts"]).toEqual([]);
  expect(JSON.stringify([body.Labels, fixture.fake.byName(INFRA)!.body])).not.toMatch(/hunter2|\/mem\//);
});

test("a runtime that Docker does not know, and what to do", async () => {
  fixture.fake.answer = ({ path, body }) =>
    path === "/containers/create" && JSON.stringify(body).includes('"Runtime"')
      ? { status: 400, body: { message: "unknown or invalid runtime name: runsc" } }
      : null;
  expect(await failure(started({}, { runtime: "runsc" }))).toMatchObject({
    code: "runtime-missing",
    message:
      "start of web/3: unknown or invalid runtime name: runsc; register the runtime in /etc/docker/daemon.json of that host (`docker info` lists those it knows)",
  });
});

test("oomKillDisable that Docker only warns of: no container runs without it", async () => {
  const Warnings = ["Your kernel does not support OomKillDisable. OomKillDisable discarded."];
  fixture.fake.warnings = Warnings;
  expect(await failure(started({ oomKillDisable: true }))).toMatchObject({
    code: "option-refused",
    retry: "permanent",
    message: `oomKillDisable needs version 1 of cgroups, which this host does not have: ${Warnings[0]}`,
  });
  expect(fixture.fake.byName(APP)).toBeUndefined();
  await started({});
  expect(fixture.fake.byName(APP)).toMatchObject({ status: "running" });
});
