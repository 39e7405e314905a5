import { readFileSync } from "node:fs";
import { afterEach, beforeEach, expect, test } from "vitest";
import { hostAdd, type HostAddOptions } from "../../reconciler/cli/verbs/host-add.ts";
import { judgeObstacles } from "../../reconciler/io/install/judge.ts";
import { readInspection } from "../../reconciler/io/install/facts.ts";
import { readRelease } from "../../reconciler/io/install/release.ts";
import { cli, recorded, type CliResult } from "../cli/run.ts";
import { FakeHost } from "./fake-host.ts";

let host: FakeHost;
beforeEach(() => void (host = new FakeHost()));
afterEach(() => host.close());

function add(addresses: readonly string[], options: Partial<HostAddOptions> = {}): Promise<CliResult> {
  const given = { output: "text", timeout: 60_000, ...options } as const;
  return recorded({ cwd: host.folder, env: host.environment }, (terminal) => hostAdd(terminal, addresses, given, host.installation));
}

/** What the fake host says of its hardware, so that the entries are the same on every machine. */
function withHardware(): void {
  host.program("programs/getconf", "#!/bin/sh\necho 16\n");
  host.program("programs/vgs", "#!/bin/sh\nprintf '  system 0\\n  data 536870912000\\n'\n");
  host.program(
    "programs/awk",
    `#!/bin/bash\ncase "$*" in *MemTotal*) echo setpoint memory 68719476736 ;; *00000000*) echo lo ;; *) exec /usr/bin/awk "$@" ;; esac\n`,
  );
  host.program("programs/cat", `#!/bin/bash\ncase "$1" in /sys/class/net/*) echo 10000 ;; *) exec /bin/cat "$@" ;; esac\n`);
}

const MEASURED = `capacity: {cpu: 16, memory: 64Gi, disk: 500Gi, bandwidth: 10gbit}`;

test("a host is added, and its line is one that a HostPool takes", async () => {
  withHardware();
  const { exitCode, stdout, stderr } = await add(["ssh://root@bj-a-001.example.org:2222"], { zone: "bj-a", rack: "a1" });
  expect(exitCode).toBe(0);
  expect(stderr.split("\n")).toEqual(
    [
      "connects",
      "copies Node 24.0.0",
      expect.stringMatching(/copies setpoint 1.0.0/),
      "sees that the agent runs",
      "looks at what the host has",
    ]
      .map((text) => (typeof text === "string" ? `root@bj-a-001.example.org:2222: ${text}` : text))
      .concat(""),
  );
  expect(stdout).toMatch(
    /^root@bj-a-001.example.org:2222: setpoint 1.0.0 \([0-9a-f]{16}\): \S+ copied, release switched, \/usr\/local\/bin\/setpoint linked, unit files written, agent enabled at boot, agent started$/m,
  );
  expect(stdout).toMatch(/^docker +lacking +nothing +apt-get install docker.io$/m);
  expect(stdout).toContain("500Gi free for volumes in the volume group data; in the HostPool: storage: {volumeGroup: data}\n");
  const line = stdout.split("\n").find((text) => text.includes("- {"))!;
  expect(line).toMatch(
    /^ {4}- \{name: bj-a-001, agent: ssh:\/\/root@bj-a-001.example.org:2222, zone: bj-a, rack: a1, labels: \{arch: x64, os: /,
  );
  expect(line.endsWith(`${MEASURED}}`)).toBe(true);
  const pool = `apiVersion: setpoint/v1\nkind: HostPool\nmetadata: {name: lab}\nspec:\n  network: {cidr: 10.70.0.0/24, gateway: 10.70.0.1}\n  hosts:\n${line}\n`;
  host.write("fleet/pool.yaml", pool);
  expect((await cli({ cwd: host.folder }, "validate", "fleet")).exitCode).toBe(0);
  host.write("fleet/pool.yaml", pool.replace("zone: bj-a", "zone: ZONE"));
  expect((await cli({ cwd: host.folder }, "validate", "fleet")).exitCode).toBe(1);
});

test("a host that can't be added does not stop the others, and the exit code says so", async () => {
  withHardware();
  const ssh = readFileSync(`${host.folder}/ssh/ssh`, "utf8");
  host.program(
    "ssh/ssh",
    ssh.replace("shift 2\n", 'case $2 in h-2) echo "root@h-2: Permission denied (publickey)." >&2; exit 255 ;; esac\nshift 2\n'),
  );
  const addresses = ["ssh://root@h-1", "ssh://root@h-2", "ssh://root@10.0.0.3"];
  const { exitCode, stdout, stderr } = await add(addresses, { dryRun: true });
  expect(exitCode).toBe(1);
  expect(stdout).toMatch(/^root@h-1: setpoint 1.0.0 \([0-9a-f]{16}\): would be done: release switched, agent started$/m);
  expect(stdout).toContain(
    "For the `hosts:` of a HostPool (write the data centre room in place of ZONE):\n    - {name: h-1, agent: ssh://root@h-1, zone: ZONE, ",
  );
  expect(stdout).toContain("    - {name: fake, agent: ssh://root@10.0.0.3, zone: ZONE, ");
  expect(stdout).not.toContain("h-2");
  expect(stderr).toContain("error: root@h-2 refuses the login [host-add-login]\n  hint: ");
  const json = JSON.parse((await add(addresses, { dryRun: true, output: "json" })).stdout) as Record<string, unknown>[];
  expect(json.map(({ agent, added }) => [agent, added])).toEqual([
    ["ssh://root@h-1", true],
    ["ssh://root@h-2", false],
    ["ssh://root@10.0.0.3", true],
  ]);
  expect(json[0]).toMatchObject({
    version: "1.0.0",
    before: null,
    sentBytes: 0,
    findings: null,
    entry: { name: "h-1", zone: null, capacity: { cpu: 16 } },
  });
  expect(json[1]!["error"]).toMatchObject({ code: "host-add-login" });
});

test("a second call says that nothing was to do", async () => {
  await add(["ssh://root@h-1"]);
  expect((await add(["ssh://root@h-1"])).stdout).toMatch(/^root@h-1: setpoint 1.0.0 \([0-9a-f]{16}\): was there already, nothing copied$/m);
  expect((await add(["ssh://root@h-1"], { dryRun: true })).stdout).toMatch(/: nothing to do$/m);
});

test("a host that takes too long, and Ctrl-C, end the work with what to do", async () => {
  host.write("ssh-hangs", "");
  const late = await add(["ssh://root@h-1"], { timeout: 300 });
  expect(late).toMatchObject({ exitCode: 1, stderr: expect.stringContaining("root@h-1 was not added within 300ms [host-add-timeout]") });
  const interrupted = AbortSignal.timeout(300);
  const options = { output: "text", timeout: 60_000 } as const;
  const stopped = await recorded({ cwd: host.folder, env: host.environment, interrupted }, (terminal) =>
    hostAdd(terminal, ["ssh://root@h-1"], options, host.installation),
  );
  expect(stopped).toMatchObject({ exitCode: 1, stderr: expect.stringContaining("root@h-1 was not added: interrupted [host-add-timeout]") });
});

test.each([
  ["host add", "ADDRESS is missing"],
  ["host add sim", "`sim` is no host behind ssh"],
  ["host add unix:///run/a.sock", "`unix:///run/a.sock` is no host behind ssh"],
  ["host add bj-a-001", "`bj-a-001` is no way to reach an agent"],
  ["host add ssh://a ssh://a", "a was given twice"],
  ["host add ssh://a ssh://b --name x", "--name is for one host"],
  ["host add ssh://a --timeout x", "'x' is not allowed for --timeout"],
])("%s: %s", async (line, message) => {
  const { exitCode, stderr } = await cli({ cwd: host.folder }, ...line.split(" "));
  expect([exitCode, stderr]).toEqual([1, expect.stringContaining(`error: ${message}`)]);
  expect(stderr).toContain("[usage]");
});

test.each([
  ["ro,relatime", "host-add-folder", "/opt/setpoint of h lies on /opt, which is mounted read-only"],
  ["rw,noexec", "host-add-folder", "/opt/setpoint of h lies on /opt, which is mounted noexec, so that nothing runs from it"],
])("a file system mounted %s is no place for programs", async (options, code, message) => {
  const answers = new Map([
    ["systemd", ["252"]],
    ["options", [options]],
    ["mount", ["/opt"]],
    ["free", ["1000000000"]],
  ]);
  const release = await readRelease(host.installation, "x64");
  expect(() => judgeObstacles("h", "/opt/setpoint", readInspection(answers), release)).toThrow(expect.objectContaining({ code, message }));
});

test("programs that the host lacks are named with their packages", async () => {
  const answers = new Map([
    ["systemd", ["252"]],
    ["lacks", ["tar", "flock", "mktemp", "install"]],
  ]);
  const release = await readRelease(host.installation, "x64");
  expect(() => judgeObstacles("h", "/opt/setpoint", readInspection(answers), release)).toThrow(
    expect.objectContaining({ code: "host-add-programs", hint: "There: apt-get install tar util-linux coreutils" }),
  );
});
