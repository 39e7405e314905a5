import { readdirSync, readFileSync, readlinkSync } from "node:fs";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import type { EngineEvent, InstanceRef, OwnedContainer } from "../../reconciler/agent/ports.ts";
import { failure } from "../agent/docker/engine-fixture.ts";
import { container, instanceSpec, NO_LIMITS, NO_NETWORK, startRequest } from "../agent/docker/instance.ts";
import { IMAGE, OwnDocker } from "./own-docker.ts";
import { waitUntil } from "./rig/wait.ts";

const docker = new OwnDocker();
const { engine } = docker;
const REF = { set: "web", index: 0, generation: 1 };
const ONE = startRequest(instanceSpec({ containers: [container("web")] }));

beforeAll(() => docker.start());
afterEach(() => docker.clear());
afterAll(() => docker.close());

/** Each call of the tests has a minute. */
function soon(): AbortSignal {
  return AbortSignal.timeout(60_000);
}

async function members({ set, index, generation }: InstanceRef = REF): Promise<OwnedContainer[]> {
  const { containers } = await engine.inventory(soon());
  return containers.filter((it) => it.set === set && it.index === index && it.generation === generation);
}

function shell(script: string): string[] {
  return ["/busybox", "sh", "-c", script];
}

/** What a command prints in an app container. */
async function ask(name: string, script: string): Promise<string> {
  const app = (await members()).find((it) => it.container === name)!;
  return (await engine.exec(app.id, shell(script), soon())).output.trim();
}

test("facts are the daemon's own", async () => {
  const facts = await engine.facts(soon());
  expect(facts).toMatchObject({ apiVersion: "1.41", liveRestore: false, cpus: expect.any(Number) as number });
});

describe("start", () => {
  test("makes infra's image on the spot, and an Instance with shared network, memory volume, limits and name servers", async () => {
    const web = container("web", {
      args: null,
      env: { GREETING: "hello" },
      user: "1000:1000",
      mounts: [{ volume: "tmp", path: "/tmp", readOnly: false }],
    });
    const side = container("side", { mounts: [{ volume: "tmp", path: "/seen", readOnly: true }] });
    const limits = { web: { ...NO_LIMITS, cpuLimitMillis: 500, memoryLimitBytes: 32 * 2 ** 20, swapBytes: 8 * 2 ** 20 } };
    const volumes = [{ name: "tmp", kind: "tmpfs" }] as const;
    const spec = instanceSpec({ containers: [web, side], limits, volumes, volumeBytes: { tmp: 2 ** 20 } });
    const endpoint = { ...NO_NETWORK, resolver: { nameservers: ["10.9.0.53"], search: [], options: [] } };
    await engine.startInstance(REF, startRequest(spec, { endpoint }), soon());
    expect((await members()).map((it) => [it.role, it.container, it.state])).toEqual([
      ["infra", "infra", "running"],
      ["app", "side", "running"],
      ["app", "web", "running"],
    ]);
    expect(await ask("web", "echo $GREETING $(/busybox id -u); /busybox cat /etc/resolv.conf /etc/hostname")).toBe(
      "hello 1000\nnameserver 10.9.0.53\nweb-0",
    );
    const [infra, app] = await members();
    expect(networkOf(app!.pid)).toBe(networkOf(infra!.pid));
    expect(await ask("side", "/busybox df -k /seen | /busybox tail -1 | /busybox awk '{ print $2 }'")).toBe("1024");
    const { HostConfig } = await docker.api.call<{ readonly HostConfig: { readonly SecurityOpt: readonly string[] } }>({
      method: "GET",
      path: `/containers/${infra!.id}/json`,
      signal: soon(),
    });
    expect(HostConfig.SecurityOpt).toEqual(["no-new-privileges", expect.stringMatching(/^seccomp=\{.*"setns"/)]);
    const infraStatus = readFileSync(`/proc/${infra!.pid}/status`, "utf8");
    expect(infraStatus).toMatch(/CapEff:\s0+\n/);
    expect(infraStatus).toMatch(/Seccomp:\s2/);
    const status = readFileSync(`/proc/${(await members()).find((it) => it.container === "web")!.pid}/status`, "utf8");
    expect(status).toMatch(/NoNewPrivs:\s1/);
    expect((await engine.inventory(soon())).images).toContain(IMAGE);
  });

  test("twice is once", async () => {
    await engine.startInstance(REF, ONE, soon());
    const before = await members();
    await engine.startInstance(REF, ONE, soon());
    expect(await members()).toEqual(before);
  });

  test("makes infra's image anew when somebody pruned it", async () => {
    await engine.startInstance(REF, ONE, soon());
    await docker.clear();
    const image = (await engine.inventory(soon())).images.find((name) => name.startsWith("setpoint/infra:"))!;
    await docker.api.call({ method: "DELETE", path: `/images/${image}`, signal: soon() });
    await engine.startInstance(REF, ONE, soon());
    expect((await members()).map(({ state }) => state)).toEqual(["running", "running"]);
  });

  test("says what is wrong with the command, the image, the network", async () => {
    const wrong = (change: Parameters<typeof container>[1]) => startRequest(instanceSpec({ containers: [container("web", change)] }));
    // Docker's init is what starts, so a command that is not there is known by its exit code only.
    await engine.startInstance(REF, wrong({ command: ["/nope"] }), soon());
    await waitUntil("the init gave up", async () => (await members())[1]?.exitCode === 127);
    expect(await failure(engine.startInstance(REF, wrong({ user: "nobody-here" }), soon()))).toMatchObject({
      code: "cannot-run",
      retry: "permanent",
    });
    expect(await failure(engine.startInstance(REF, wrong({ image: "test/missing:1" }), soon()))).toMatchObject({
      code: "not-ready",
      outcome: "refused",
    });
    const elsewhere = startRequest(ONE.spec, { endpoint: { ...NO_NETWORK, networkMode: "missing" } });
    expect(await failure(engine.startInstance({ ...REF, index: 1 }, elsewhere, soon()))).toMatchObject({ code: "network-failed" });
  });
});

describe("supervision", () => {
  test("resume brings back members that were killed, in infra's network", async () => {
    const two = startRequest(instanceSpec({ containers: [container("web"), container("side")] }));
    await engine.startInstance(REF, two, soon());
    for (const role of ["app", "infra"] as const) {
      const victim = (await members()).find((it) => it.role === role)!;
      process.kill(victim.pid, "SIGKILL");
      await waitUntil("the container is dead", async () => (await members()).some((it) => it.id === victim.id && it.state === "exited"));
      expect((await members()).find((it) => it.id === victim.id)).toMatchObject({ exitCode: 137, pid: 0 });
      await engine.resumeInstance(REF, () => Promise.resolve(), soon());
      const all = await members();
      expect(all.map(({ state }) => state)).toEqual(["running", "running", "running"]);
      expect(new Set(all.map(({ pid }) => networkOf(pid))).size).toBe(1);
    }
  });

  test("who runs on in a network that infra left behind is told apart, and joins the new one", async () => {
    await engine.startInstance(REF, ONE, soon());
    const [infra] = await members();
    await docker.api.call({ method: "POST", path: `/containers/${infra!.id}/restart`, query: { t: "1" }, signal: soon() });
    const told = async (): Promise<boolean[]> => (await members()).map(({ stranded }) => stranded);
    await waitUntil("the app is alone", async () => (await told())[1] === true);
    await engine.resumeInstance(REF, () => Promise.resolve(), soon());
    expect(await told()).toEqual([false, false]);
    expect(new Set((await members()).map(({ pid }) => networkOf(pid))).size).toBe(1);
  });

  test("events tell of starts and deaths", async () => {
    const seen: EngineEvent[] = [];
    const stop = new AbortController();
    const reading = (async () => {
      for await (const event of engine.events(stop.signal)) seen.push(event);
    })();
    await waitUntil("events are heard", () => seen.length > 0);
    await engine.startInstance(REF, ONE, soon());
    const [, app] = await members();
    process.kill(app!.pid, "SIGKILL");
    const died = () => seen.some(({ kind, containerId }) => kind === "died" && containerId === app!.id);
    await waitUntil("the death is heard", died);
    expect((await members())[1]).toMatchObject({ state: "exited", exitCode: 137 });
    stop.abort();
    await reading;
  });
});

describe("change", () => {
  test("replace keeps infra and what is in memory", async () => {
    const volumes = [{ name: "tmp", kind: "tmpfs" }] as const;
    const mounts = [{ volume: "tmp", path: "/tmp", readOnly: false }];
    const request = (env: Record<string, string>) =>
      startRequest(instanceSpec({ containers: [container("web", { env, mounts })], volumes, volumeBytes: { tmp: 2 ** 20 } }));
    await engine.startInstance(REF, request({ A: "1" }), soon());
    await ask("web", "echo kept >/tmp/file");
    const before = await members();
    await engine.replaceContainers(REF, ["web"], request({ A: "2" }), soon());
    const after = await members();
    expect(after[0]).toEqual(before[0]);
    expect(after[1]!.id).not.toBe(before[1]!.id);
    expect(await ask("web", "echo $A; /busybox cat /tmp/file")).toBe("2\nkept");
  });

  test("limits change while it runs, and not below what is used", async () => {
    const hungry = container("web", { command: shell("/busybox dd if=/dev/zero of=/dev/shm/x bs=1M count=24; exec /busybox sleep inf") });
    await engine.startInstance(REF, startRequest(instanceSpec({ containers: [hungry] })), soon());
    await waitUntil("memory is used", async () => (await ask("web", "/busybox du -m /dev/shm | /busybox cut -f1")) === "24");
    const limit = (megabytes: number | null) => ({
      web: { ...NO_LIMITS, cpuLimitMillis: 250, memoryLimitBytes: megabytes === null ? null : megabytes * 2 ** 20, swapBytes: 2 ** 20 },
    });
    const before = await members();
    expect(await failure(engine.updateLimits(REF, limit(8), soon()))).toMatchObject({ code: "below-use", outcome: "refused" });
    await engine.updateLimits(REF, limit(64), soon());
    const path = "/containers/setpoint.web-0.g1.web/json";
    const read = () => docker.api.call<{ HostConfig: unknown }>({ method: "GET", path, signal: soon() });
    expect((await read()).HostConfig).toMatchObject({ Memory: 64 * 2 ** 20, MemorySwap: 65 * 2 ** 20, CpuQuota: 25_000 });
    await engine.updateLimits(REF, limit(null), soon());
    await engine.updateLimits(REF, limit(48), soon());
    expect((await read()).HostConfig).toMatchObject({ Memory: 48 * 2 ** 20 });
    expect(await members()).toEqual(before);
  });
});

describe("end", () => {
  test("stop runs the hook first, within the grace, and infra dies at once", async () => {
    const mounts = [{ volume: "tmp", path: "/tmp", readOnly: false }];
    const web = container("web", { command: shell("trap '' TERM; while :; do /busybox sleep 1; done"), stopTimeoutMs: 3_000, mounts });
    const hook = container("hook", { preStop: shell("echo drained >/tmp/hook"), mounts, stopTimeoutMs: 2_000 });
    const volumes = [{ name: "tmp", kind: "tmpfs" }] as const;
    await engine.startInstance(REF, startRequest(instanceSpec({ containers: [web, hook], volumes, volumeBytes: { tmp: 4_096 } })), soon());
    const root = `/proc/${(await members())[0]!.pid}/root`;
    const began = performance.now();
    const stopping = engine.stopInstance(REF, 2_000, soon());
    await waitUntil("the hook ran", () => readFileSync(`${root}/volumes/tmp/hook`, "utf8") === "drained\n");
    await stopping;
    const tookMs = performance.now() - began;
    expect(tookMs).toBeGreaterThan(1_900);
    expect((await members()).map(({ state }) => state)).toEqual(["exited", "exited", "exited"]);
    expect((await members())[0]).toMatchObject({ exitCode: 143 });
  });

  test("remove leaves no container and no volume; doing it again is nothing", async () => {
    const volumes = [{ name: "tmp", kind: "tmpfs" }] as const;
    await engine.startInstance(
      REF,
      startRequest(instanceSpec({ containers: [container("web")], volumes, volumeBytes: { tmp: 4_096 } })),
      soon(),
    );
    await engine.removeInstance(REF, soon());
    await engine.removeInstance(REF, soon());
    expect(await members()).toEqual([]);
    const { Volumes } = await docker.api.call<{ Volumes: unknown[] | null }>({ method: "GET", path: "/volumes", signal: soon() });
    expect(Volumes ?? []).toEqual([]);
  });

  test("kill is at once", async () => {
    await engine.startInstance(REF, ONE, soon());
    await engine.killInstance(REF, soon());
    expect((await members()).map(({ state }) => state)).toEqual(["exited", "exited"]);
  });

  test("a command that outlives its deadline is killed", async () => {
    await engine.startInstance(REF, ONE, soon());
    const [, app] = await members();
    expect(await failure(engine.exec(app!.id, ["/busybox", "sleep", "4242"], AbortSignal.timeout(1_000)))).toMatchObject({
      code: "engine-timeout",
    });
    await waitUntil("the command is gone", async () => !(await ask("web", "/busybox ps")).includes("sleep 4242"));
    const { exitCode, output } = await engine.exec(app!.id, shell("echo out; echo err >&2; exit 3"), soon());
    // Two pipes: which of the two Docker reads first is not said.
    expect([exitCode, ...output.trimEnd().split("\n").sort()]).toEqual([3, "err", "out"]);
  });
});

test("what is not ours stays as it is, also under our names", async () => {
  const ids = [await docker.runForeign("stranger"), await docker.runForeign("setpoint.web-0.g1.web", { "setpoint.fleet": "other" })];
  expect(await failure(engine.startInstance(REF, ONE, soon()))).toMatchObject({ code: "not-ours", retry: "permanent" });
  await engine.stopInstance(REF, 1_000, soon());
  await engine.killInstance(REF, soon());
  await engine.removeInstance(REF, soon());
  expect((await engine.inventory(soon())).foreign).toEqual(["setpoint.web-0.g1.web", "stranger"]);
  for (const id of ids) {
    const { State } = await docker.api.call<{ State: { Running: boolean } }>({
      method: "GET",
      path: `/containers/${id}/json`,
      signal: soon(),
    });
    expect(State.Running).toBe(true);
  }
});

test("while the daemon hangs, calls end at their deadline, a kill works, and afterwards all is found as it is", async () => {
  await engine.startInstance(REF, ONE, soon());
  await engine.startInstance({ ...REF, index: 1 }, ONE, soon());
  const [infra, app] = await members();
  process.kill(docker.pid, "SIGSTOP");
  try {
    await waitUntil("all its threads to stop", () => threadStates(docker.pid).every((state) => state === "T"));
    expect(await failure(engine.ping(soon()))).toMatchObject({ code: "engine-timeout" });
    expect(await failure(engine.startInstance({ ...REF, index: 2 }, ONE, AbortSignal.timeout(1_000)))).toMatchObject({
      code: "engine-timeout",
    });
    await engine.killInstance(REF, soon());
    expect([infra, app].map((it) => isRunning(it!.pid))).toEqual([false, false]);
  } finally {
    process.kill(docker.pid, "SIGCONT");
  }
  await waitUntil("Docker answers", () => docker.answers());
  await waitUntil("the dead are seen", async () => (await members()).every(({ state }) => state === "exited"));
  expect((await members({ ...REF, index: 1 })).map(({ state }) => state)).toEqual(["running", "running"]);
  await engine.startInstance({ ...REF, index: 2 }, ONE, soon());
  expect((await members({ ...REF, index: 2 })).map(({ state }) => state)).toEqual(["running", "running"]);
});

/** `T` for each that is stopped. */
function threadStates(pid: number): readonly string[] {
  const stats = readdirSync(`/proc/${pid}/task`).map((thread) => readFileSync(`/proc/${pid}/task/${thread}/stat`, "utf8"));
  return stats.map((stat) => stat.slice(stat.lastIndexOf(")") + 2)[0]!);
}

function networkOf(pid: number): string {
  return readlinkSync(`/proc/${pid}/ns/net`);
}

function isRunning(pid: number): boolean {
  try {
    return !/^\d+ \(.*\) Z /s.test(readFileSync(`/proc/${pid}/stat`, "utf8"));
  } catch {
    return false;
  }
}
