import { chmodSync, mkdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import type { ContainerSecrets, OwnedContainer } from "../../reconciler/agent/ports.ts";
import { createSecrets } from "../../reconciler/agent/secrets/secrets.ts";
import type { Container } from "../../reconciler/core/desired.ts";
import type { InstanceSpec } from "../../reconciler/core/plan.ts";
import { exec } from "../../reconciler/sys/exec.ts";
import { failure } from "../agent/docker/engine-fixture.ts";
import { container, instanceSpec, NO_LIMITS, type SpecParts, startRequest } from "../agent/docker/instance.ts";
import { OwnDocker } from "./own-docker.ts";
import { waitUntil } from "./rig/wait.ts";

const docker = new OwnDocker();
const { engine } = docker;
const REF = { set: "web", index: 0, generation: 1 };
const APP = "setpoint.web-0.g1.web";

beforeAll(() => docker.start());
afterEach(() => docker.clear());
afterAll(() => docker.close());

/** Each call of the tests has a minute. */
function soon(): AbortSignal {
  return AbortSignal.timeout(60_000);
}

/** Starts an Instance of one container that sleeps, and gives what runs. */
async function run(change: Partial<Container>, rest: Partial<SpecParts> = {}): Promise<readonly OwnedContainer[]> {
  await engine.startInstance(REF, startRequest(instanceSpec({ containers: [container("web", change)], ...rest })), soon());
  return await members();
}

async function members(): Promise<readonly OwnedContainer[]> {
  return await engine.containersOf(REF, soon());
}

/** What a shell in the app container prints, and how it ended. */
async function ask(script: string): Promise<string> {
  const app = (await members()).find(({ role }) => role === "app")!;
  const { exitCode, output } = await engine.exec(app.id, ["/busybox", "sh", "-c", script], soon());
  return exitCode === 0 ? output.trim() : `exit ${exitCode}: ${output.trim()}`;
}

function status(pid: number, field: string): string {
  return new RegExp(`^${field}:\\s*(.*)$`, "m").exec(readFileSync(`/proc/${pid}/status`, "utf8"))![1]!;
}

async function inspect(name: string): Promise<string> {
  return JSON.stringify(await docker.api.call({ method: "GET", path: `/containers/${name}/json`, signal: soon() }));
}

describe("options in a container", () => {
  test("ulimits", async () => {
    const ulimits = {
      memlock: { soft: 4_096, hard: 8_192 },
      nofile: { soft: 1234, hard: 2345 },
      nproc: { soft: 77, hard: 77 },
      fsize: { soft: null, hard: null },
    };
    await run({ ulimits });
    const limits = await ask("/busybox cat /proc/1/limits");
    expect(limits).toMatch(/Max open files +1234 +2345/);
    expect(limits).toMatch(/Max locked memory +4096 +8192/);
    expect(limits).toMatch(/Max processes +77 +77/);
    expect(limits).toMatch(/Max file size +unlimited +unlimited/);
    expect(await ask("ulimit -n")).toBe("1234");
  });

  test("capabilities, added and dropped", async () => {
    const netAdmin = 1n << 12n;
    const [, plain] = await run({});
    const before = BigInt(`0x${status(plain!.pid, "CapEff")}`);
    await docker.clear();
    const [, added] = await run({ capabilities: { add: ["NET_ADMIN"], drop: ["NET_RAW"] } });
    expect(BigInt(`0x${status(added!.pid, "CapEff")}`)).toBe((before | netAdmin) & ~(1n << 13n));
    await docker.clear();
    const [, one] = await run({ capabilities: { add: ["CHOWN"], drop: ["ALL"] } });
    expect(BigInt(`0x${status(one!.pid, "CapEff")}`)).toBe(1n);
    await docker.clear();
    const [, none] = await run({ capabilities: { add: [], drop: ["ALL"] }, user: "1000" });
    expect(BigInt(`0x${status(none!.pid, "CapBnd")}`)).toBe(0n);
  });

  test("a root that can only be read, beside a volume that can be written", async () => {
    const mounts = [{ volume: "tmp", path: "/tmp", readOnly: false }];
    await run({ readOnlyRoot: true, mounts }, { volumes: [{ name: "tmp", kind: "tmpfs" }], volumeBytes: { tmp: 65_536 } });
    expect(await ask("echo x >/file")).toMatch(/exit 1: .*Read-only file system/);
    expect(await ask("echo x >/tmp/file && /busybox cat /tmp/file")).toBe("x");
  });

  test("sysctls: the network's by infra, for all containers; those of IPC for one", async () => {
    const web = container("web", { sysctls: { "kernel.shmmax": "1048576", "kernel.sem": "10 320 5 4" } });
    const side = container("side");
    const spec = instanceSpec({
      containers: [web, side],
      sysctls: { "net.core.somaxconn": "777", "net.ipv4.ip_local_port_range": "2000 3000" },
    });
    await engine.startInstance(REF, startRequest(spec), soon());
    const read = "/busybox cat /proc/sys/net/core/somaxconn /proc/sys/net/ipv4/ip_local_port_range /proc/sys/kernel/shmmax";
    const [, first, second] = await members();
    const shown = await Promise.all([first!, second!].map(({ id }) => engine.exec(id, ["/busybox", "sh", "-c", read], soon())));
    const texts = shown.map(({ output }) => output.trim().split(/\s+/).join(" "));
    expect(first!.container).toBe("side");
    expect(texts[1]).toBe("777 2000 3000 1048576");
    expect(texts[0]).toMatch(/^777 2000 3000 /);
    expect(texts[0]).not.toContain("1048576");
    expect(readFileSync("/proc/sys/net/core/somaxconn", "utf8").trim()).not.toBe("777");
  });

  test("init: Docker's is process 1, or the container's own is", async () => {
    await run({});
    expect(await ask("/busybox cat /proc/1/comm")).toBe("docker-init");
    await docker.clear();
    await run({ init: false });
    expect(await ask("/busybox cat /proc/1/comm")).toBe("busybox");
  });

  test("oomKillDisable, with a limit of memory", async () => {
    const limits = { web: { ...NO_LIMITS, memoryLimitBytes: 32 * 2 ** 20 } };
    const [, app] = await run({ oomKillDisable: true }, { limits });
    const path = /^\d+:memory:(.*)$/m.exec(readFileSync(`/proc/${app!.pid}/cgroup`, "utf8"))![1]!;
    expect(readFileSync(`/sys/fs/cgroup/memory${path}/memory.oom_control`, "utf8")).toMatch(/^oom_kill_disable 1$/m);
  });

  test("limits change in place beside all of them, and nothing is made anew", async () => {
    const limit = (megabytes: number) => ({ web: { ...NO_LIMITS, cpuLimitMillis: 500, memoryLimitBytes: megabytes * 2 ** 20 } });
    const options: Partial<Container> = {
      capabilities: { add: [], drop: ["ALL"] },
      init: false,
      oomKillDisable: true,
      readOnlyRoot: true,
      sysctls: { "kernel.shmmax": "1048576" },
      ulimits: { nofile: { soft: 99, hard: 99 } },
    };
    const before = await run(options, { limits: limit(32) });
    await engine.updateLimits(REF, limit(48), soon());
    const request = startRequest(instanceSpec({ containers: [container("web", options)], limits: limit(48) }));
    await engine.startInstance(REF, request, soon());
    expect(await members()).toEqual(before);
    expect(JSON.parse(await inspect(APP))).toMatchObject({
      HostConfig: { Memory: 48 * 2 ** 20, OomKillDisable: true, ReadonlyRootfs: true },
    });
    expect(await ask("ulimit -n; /busybox cat /proc/sys/kernel/shmmax")).toBe("99\n1048576");
  });

  test("log: bounded where nothing is said, and as it is said; a chatty container keeps no more", async () => {
    await run({});
    expect(await inspect(APP)).toContain('"LogConfig":{"Type":"json-file","Config":{"max-file":"3","max-size":"10000000"}}');
    await docker.clear();
    const [, app] = await run({
      log: { maxSizeBytes: 65_536, maxFiles: 2 },
      command: [
        "/busybox",
        "sh",
        "-c",
        "/busybox yes 0123456789012345678901234567890123456789 | /busybox head -c 500000; exec /busybox sleep inf",
      ],
    });
    const folder = join(docker.folder, "data", "containers", app!.id);
    const sizes = (): number[] =>
      [`${app!.id}-json.log`, `${app!.id}-json.log.1`, `${app!.id}-json.log.2`].map((name) => sizeOf(join(folder, name)));
    await waitUntil("the log turned over", () => sizes()[1]! > 0);
    expect(sizes()[2]).toBe(0);
    expect(Math.max(...sizes())).toBeLessThan(70_000);
  });

  test("what the host can't give says so: a runtime, a sysctl of another kernel, a ulimit above the kernel's", async () => {
    expect(await failure(run({}, { runtime: "runsc" }))).toMatchObject({
      code: "runtime-missing",
      outcome: "refused",
      retry: "transient",
      message: expect.stringMatching(/start of web\/0: .*runsc.*register the runtime in \/etc\/docker\/daemon.json/) as string,
    });
    await docker.clear();
    const sysctl = failure(run({}, { sysctls: { "net.ipv4.no_such_thing": "1" } }));
    expect(await sysctl).toMatchObject({ code: "option-refused", retry: "permanent" });
    await docker.clear();
    expect(await failure(run({ ulimits: { nofile: { soft: 2 ** 40, hard: 2 ** 40 } } }))).toMatchObject({ code: "option-refused" });
  });

  test("a runtime that Docker knows runs the app containers; infra has Docker's own", async () => {
    await run({}, { runtime: "runc" });
    expect(await inspect(APP)).toContain('"Runtime":"runc"');
    expect((await members()).map(({ state }) => state)).toEqual(["running", "running"]);
  });
});

describe("secrets", () => {
  const VALUE = "correct horse battery staple";
  const folder = join(docker.folder, "secrets");
  const memory = join(docker.folder, "memory");
  const told: string[] = [];
  const log = { info: () => undefined, warn: (fields: object) => void told.push(JSON.stringify(fields)), error: () => undefined };
  const secrets = createSecrets({ folder, memory, owner: docker.folder, host: () => "a-1", log });
  const env = {
    DB_PASSWORD: { as: "value", key: "password", secret: "db" },
    PGPASSFILE: { as: "file", key: "password", secret: "db" },
  } as const;
  const volumes = [{ name: "tls", kind: "secret", secret: "tls" }] as const;
  const mounts = [{ volume: "tls", path: "/etc/tls", readOnly: false }];

  beforeAll(() => {
    put("db", "password", `${VALUE}\n`);
    put("db", "unused", "not for this container");
    put("tls", "tls.key", "-----KEY-----\n");
    chmodSync(folder, 0o700);
  });

  afterAll(async () => {
    await exec({
      program: "umount",
      args: [memory],
      folder: "/",
      environment: { PATH: process.env["PATH"]! },
      deadlineMs: 10_000,
      maxOutputBytes: 4096,
      signal: soon(),
    });
  });

  function put(secret: string, key: string, value: string): void {
    mkdirSync(join(folder, secret), { recursive: true });
    writeFileSync(join(folder, secret, key), value);
  }

  async function start(spec: InstanceSpec): Promise<ReadonlyMap<string, ContainerSecrets>> {
    const ready = await secrets.prepare(REF, spec.template, spec.template.containers, true, soon());
    await engine.startInstance(REF, startRequest(spec, { secrets: ready }), soon());
    return ready;
  }

  test("are a value in a variable, and files in memory that only the user may read and nobody write", async () => {
    await start(instanceSpec({ containers: [container("web", { env, mounts, user: "1000:1000" })], volumes }));
    expect(await ask('echo "$DB_PASSWORD"; echo $PGPASSFILE; /busybox cat $PGPASSFILE /etc/tls/tls.key')).toBe(
      [VALUE, "/run/secrets/db/password", VALUE, "-----KEY-----"].join("\n"),
    );
    expect(await ask("/busybox ls /run/secrets/db /etc/tls")).toBe("/etc/tls:\ntls.key\n\n/run/secrets/db:\npassword");
    expect(await ask("/busybox stat -c '%a %u' /run/secrets/db/password /etc/tls/tls.key")).toBe("400 1000\n400 1000");
    expect(await ask("/busybox grep -c ' /run/secrets/db .*- tmpfs ' /proc/self/mountinfo")).toBe("1");
    expect(await ask("echo x >/etc/tls/tls.key")).toMatch(/exit 1/);
    expect(await ask("/busybox rm -f /etc/tls/tls.key")).toMatch(/exit 1: .*Read-only file system/);
    expect(statSync(memory).mode & 0o777).toBe(0o700);
  });

  test("a file is not in what `docker inspect` shows; without a user that is a number all in the container may read it", async () => {
    const { PGPASSFILE } = env;
    await start(instanceSpec({ containers: [container("web", { env: { PGPASSFILE }, mounts })], volumes }));
    const shown = await inspect(APP);
    expect(shown).toContain("PGPASSFILE=/run/secrets/db/password");
    expect(shown).not.toContain(VALUE);
    expect(shown).not.toContain("KEY");
    expect(await inspect("setpoint.web-0.g1._infra")).not.toContain("secrets");
    expect(await ask("/busybox stat -c '%a %u' $PGPASSFILE")).toBe("444 0");
  });

  test("files follow the host's without a restart; variables do not", async () => {
    const spec = instanceSpec({ containers: [container("web", { env, mounts, user: "1000" })], volumes });
    await start(spec);
    const before = await members();
    const users = [{ ref: REF, template: spec.template }];
    await secrets.refresh(users, true, soon());
    put("db", "password", "another one\n");
    put("tls", "tls.crt", "-----CRT-----\n");
    await secrets.refresh(users, true, soon());
    expect(await ask('/busybox cat $PGPASSFILE; echo "$DB_PASSWORD"; /busybox cat /etc/tls/tls.crt')).toBe(
      ["another one", VALUE, "-----CRT-----"].join("\n"),
    );
    expect(await members()).toEqual(before);
    put("db", "password", `${VALUE}\n`);
    chmodSync(folder, 0o755);
    await secrets.refresh(users, true, soon());
    await secrets.refresh(users, true, soon());
    expect(told).toHaveLength(1);
    expect(told[0]).toContain("is open to others than its owner (mode 755)");
    expect(await ask("/busybox cat $PGPASSFILE")).toBe("another one");
    chmodSync(folder, 0o700);
    await secrets.refresh(users, true, soon());
    expect(await ask("/busybox cat $PGPASSFILE")).toBe(VALUE);
  });

  test("files are put back before a container starts again, and go with their Instance", async () => {
    const spec = instanceSpec({ containers: [container("web", { env: { PGPASSFILE: env.PGPASSFILE } })] });
    const ready = await start(spec);
    const { source } = ready.get("web")!.folders[0]!;
    const [, app] = await members();
    process.kill(app!.pid, "SIGKILL");
    await waitUntil("it is dead", async () => (await members())[1]!.state === "exited");
    await secrets.dropOthers([]);
    expect(sizeOf(source)).toBe(0);
    await secrets.restore(REF, spec.template, true, soon());
    await engine.resumeInstance(REF, () => Promise.resolve(), soon());
    expect(await ask("/busybox cat $PGPASSFILE")).toBe(VALUE);
    await secrets.dropOthers([{ ...REF, generation: 2 }]);
    expect(sizeOf(source)).toBe(0);
  });

  test("what commands print in a container is told without them", async () => {
    await start(instanceSpec({ containers: [container("web", { env })] }));
    const hidden = docker.engineWith((text) => secrets.hide(text));
    const [, app] = await members();
    const { output } = await hidden.exec(app!.id, ["/busybox", "env"], soon());
    hidden.close();
    expect(output).toContain("DB_PASSWORD=(secret)");
    expect(output).not.toContain(VALUE);
  });
});

/** 0 for a file that is not there. */
function sizeOf(path: string): number {
  return statSync(path, { throwIfNoEntry: false })?.size ?? 0;
}
