import { spawn } from "node:child_process";
import { existsSync, readdirSync } from "node:fs";
import { connect, createServer, type Socket } from "node:net";
import { join } from "node:path";
import { once } from "node:events";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { IMAGES } from "./rig/images.ts";
import { isAlive, markOf, removeLeftovers, RIGS } from "./rig/leftovers.ts";
import { startInNamespaces } from "./rig/process.ts";
import { createRelay } from "./rig/relay.ts";
import { createRig, type Rig } from "./rig/rig.ts";
import { waitFor, waitUntil } from "./rig/wait.ts";

/** Cgroups of rigs that this process or the given one made. */
function cgroupsOf(pid: number): string[] {
  const roots = ["/sys/fs/cgroup", ...readdirSync("/sys/fs/cgroup").map((name) => join("/sys/fs/cgroup", name))];
  return roots.flatMap((root) => {
    const names = existsSync(join(root, "cgroup.procs")) ? readdirSync(root) : [];
    return names.filter((name) => name.startsWith(`setpoint-rig-${pid}-`)).map((name) => join(root, name));
  });
}

function notesOf(pid: number): string[] {
  return existsSync(RIGS) ? readdirSync(RIGS).filter((name) => name.startsWith(`${pid}-`)) : [];
}

describe("three hosts", () => {
  let rig: Rig;
  beforeAll(async () => {
    rig = await createRig({ hosts: ["a", "b", "c"] });
  });
  afterAll(() => rig.close());

  test("each has its own Docker, with the same images, and reaches the others", async () => {
    const ids = await Promise.all(
      rig.hosts.map((host) => host.docker("images", "--no-trunc", "--format", "{{.Repository}}:{{.Tag}} {{.ID}}")),
    );
    expect(ids[0]!.split("\n").map((line) => line.split(" ")[0])).toEqual(expect.arrayContaining(Object.values(IMAGES)));
    expect(new Set(ids.map((list) => list.split("\n").sort().join("\n"))).size).toBe(1);
    await rig.host("a").docker("run", "--detach", "--name", "only-here", "--network", "none", IMAGES.sleeper);
    expect(await rig.host("a").docker("ps", "--format", "{{.Names}}")).toBe("only-here");
    expect(await rig.host("b").docker("ps", "--format", "{{.Names}}")).toBe("");
    for (const to of ["b", "c"]) await rig.host("a").exec(["ping", "-c", "1", "-W", "5", rig.host(to).address]);
    const bridges = (await rig.host("a").exec(["ovs-vsctl", "list-ports", "br0"])).stdout;
    expect(bridges).toBe("eth1\n");
  });

  test("the images do what their names say", async () => {
    const host = rig.host("b");
    await host.docker("run", "--detach", "--name", "web", "--network", "host", IMAGES.web);
    const asked = await waitFor("the web server", () => host.exec(["busybox", "wget", "-q", "-O", "-", "http://127.0.0.1:8080/"]));
    expect(asked.stdout).toBe("hello from web\n");
    await host.docker("run", "--detach", "--name", "crash", "--network", "none", IMAGES.crash);
    expect(await host.docker("wait", "crash")).toBe("7");
    await host.docker("run", "--detach", "--name", "hog", "--network", "none", "--memory", "32m", "--memory-swap", "32m", IMAGES.hog);
    expect(await host.docker("wait", "hog")).toBe("137");
    expect(await host.docker("inspect", "--format", "{{.State.OOMKilled}}", "hog")).toBe("true");
    await host.docker("rm", "--force", "web", "crash", "hog");
  });

  test("after a power cut, a boot on the same disk starts what is to be started", async () => {
    const host = rig.host("c");
    await host.docker("run", "--detach", "--name", "kept", "--network", "none", "--restart", "always", IMAGES.sleeper);
    await host.docker("run", "--detach", "--name", "ended", "--network", "none", IMAGES.sleeper);
    const before = markOf(Number(await host.docker("inspect", "--format", "{{.State.Pid}}", "kept")));
    await host.powerCut();
    expect(isAlive(before)).toBe(false);
    await expect(host.docker("ps")).rejects.toThrow("host c is off");
    await host.boot();
    await waitUntil("the container", async () => (await host.docker("ps", "--format", "{{.Names}}")) === "kept");
    await rig.host("a").exec(["ping", "-c", "1", "-W", "5", host.address]);
    expect((await host.exec(["ovs-vsctl", "list-ports", "br0"])).stdout).toBe("eth1\n");
  });

  test("with live-restore containers outlive the daemon, without they end with it", async () => {
    const host = rig.host("a");
    const startedAt = (): Promise<string> => host.docker("inspect", "--format", "{{.State.StartedAt}} {{.State.Running}}", "only-here");
    await host.killDocker("SIGTERM");
    await host.startDocker({ liveRestore: true });
    await host.docker("start", "only-here");
    const before = await startedAt();
    await host.killDocker();
    await host.startDocker({ liveRestore: true });
    expect(await startedAt()).toBe(before);
    await host.killDocker();
    await host.startDocker();
    expect(await startedAt()).toMatch(/ false$/);
  });

  test("a stopped daemon hangs until it may go on", async () => {
    const host = rig.host("b");
    host.signalDocker("SIGSTOP");
    await expect(host.exec(["docker", "-H", "unix:///run/docker.sock", "ps"], { deadlineMs: 2000 })).rejects.toThrow("exit code 124");
    host.signalDocker("SIGCONT");
    await host.docker("ps");
    host.signalDocker("SIGSTOP");
    await host.killDocker();
    await host.startDocker();
  });

  test("what is killed while it is stopped ends, and is seen to end", async () => {
    const { initPid } = rig.host("b");
    for (let round = 0; round < 30; round++) {
      const hung = await startInNamespaces(initPid, ["sleep", "3600"], { log: join(rig.folder, "hung.log") });
      hung.signal("SIGSTOP");
      if (round % 2 === 0) await sleep(5);
      await hung.kill();
    }
  });

  test("a power cut ends what hangs", async () => {
    const host = rig.host("b");
    const hung = await startInNamespaces(host.initPid, ["sleep", "3600"], { log: join(rig.folder, "hung.log") });
    hung.signal("SIGSTOP");
    await sleep(50);
    await host.powerCut();
    await hung.ended;
    await host.boot();
  });

  test("the switch comes back after its death, with its ports", async () => {
    const host = rig.host("b");
    await host.killSwitch();
    await host.startSwitch();
    expect((await host.exec(["ovs-vsctl", "list-ports", "br0"])).stdout).toBe("eth1\n");
  });

  test("an unplugged host reaches nobody", async () => {
    const host = rig.host("c");
    await host.unplug();
    await expect(host.exec(["ping", "-c", "1", "-W", "1", rig.host("a").address])).rejects.toThrow("exit code");
    await host.replug();
    await waitUntil("the network", () => host.exec(["ping", "-c", "1", "-W", "1", rig.host("a").address]).then(() => true));
  });
});

describe("Docker as apt installs it", () => {
  let rig: Rig;
  beforeAll(async () => {
    rig = await createRig({ hosts: ["solo"], docker: "plain", ovs: false });
  });
  afterAll(() => rig.close());

  test("publishes ports on the host", async () => {
    const host = rig.host("solo");
    await host.docker("run", "--detach", "--publish", "80:8080", IMAGES.web);
    const ask = ["busybox", "wget", "-q", "-O", "-", `http://${host.address}/`];
    const asked = await waitFor("the published port", () => rig.fabric.exec(ask), { evidence: () => host.logTails() });
    expect(asked.stdout).toBe("hello from web\n");
  });
});

describe("nothing is left", () => {
  test("of a rig that was closed", async () => {
    const rig = await createRig({ hosts: ["a"] });
    await rig.host("a").docker("run", "--detach", "--network", "none", IMAGES.sleeper);
    const marks = [markOf(rig.host("a").initPid), markOf(rig.fabric.pid), markOf(rig.host("a").dockerPid)];
    expect(cgroupsOf(process.pid)).not.toEqual([]);
    await rig.close();
    expect(marks.filter(isAlive)).toEqual([]);
    expect(cgroupsOf(process.pid)).toEqual([]);
    expect(notesOf(process.pid)).toEqual([]);
    expect(existsSync(rig.folder)).toBe(false);
  });

  test("of a rig whose process was killed", async () => {
    const program = `
      const { createRig } = await import(${JSON.stringify(join(import.meta.dirname, "rig/rig.ts"))});
      const rig = await createRig({ hosts: ["a"] });
      await rig.host("a").docker("run", "--detach", "--network", "none", ${JSON.stringify(IMAGES.sleeper)});
      console.log(rig.host("a").initPid);
      setInterval(() => {}, 1000);
    `;
    const child = spawn(process.execPath, ["--input-type=module", "--eval", program], { stdio: ["ignore", "pipe", "inherit"] });
    const [printed] = (await once(child.stdout, "data")) as [Buffer];
    const machine = markOf(Number(printed.toString()));
    expect(isAlive(machine)).toBe(true);
    expect(notesOf(child.pid!)).not.toEqual([]);
    child.kill("SIGKILL");
    await once(child, "exit");
    await waitUntil("the machine to end", () => !isAlive(machine));
    await removeLeftovers();
    expect(cgroupsOf(child.pid!)).toEqual([]);
    expect(notesOf(child.pid!)).toEqual([]);
  });
});

test("a cut relay holds everything back and loses nothing", async () => {
  const [near, far] = [join(RIGS, `relay-${process.pid}-near.sock`), join(RIGS, `relay-${process.pid}-far.sock`)];
  const server = createServer((socket: Socket) => socket.pipe(socket)).listen(far);
  await once(server, "listening");
  const relay = await createRelay(near, () => far);
  const heard: string[] = [];
  const client = connect(near).on("data", (chunk: Buffer) => heard.push(chunk.toString()));
  client.write("one ");
  await waitUntil("the echo", () => heard.join("") === "one ");
  relay.cut();
  client.write("two ");
  const late = connect(near).on("data", (chunk: Buffer) => heard.push(chunk.toString()));
  late.write("three");
  await sleep(300);
  expect(heard.join("")).toBe("one ");
  relay.mend();
  await waitUntil("both echoes", () => heard.join("").length === "one two three".length);
  relay.reset();
  await waitUntil("the end of both connections", () => client.closed && late.closed);
  await relay.close();
  server.close();
});
