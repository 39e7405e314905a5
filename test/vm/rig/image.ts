import { chmodSync, cpSync, mkdirSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { run, type CommandResult } from "../../hosts/rig/process.ts";
import { cached, digestOfFiles, keyOf } from "./cache.ts";

const GUEST = join(import.meta.dirname, "guest");

const SUITE = "bookworm";

/** Besides Debian's essential ones. `mount` is not essential there. */
const PACKAGES = [
  "busybox-static",
  "containerd",
  "dbus",
  "docker.io",
  "e2fsprogs",
  "ethtool",
  "iperf3",
  "iproute2",
  "iptables",
  "iputils-ping",
  "kmod",
  "libstdc++6",
  "linux-image-cloud-amd64",
  "lvm2",
  "mount",
  "openssh-server",
  "openvswitch-switch",
  "procps",
  "runc",
  "systemd",
  "systemd-sysv",
  "thin-provisioning-tools",
  "udev",
  "xfsprogs",
];

const ENABLED = [
  "blk-availability.service",
  "containerd.service",
  "dm-event.socket",
  "docker.service",
  "docker.socket",
  "lvm2-lvmpolld.socket",
  "lvm2-monitor.service",
  "openvswitch-switch.service",
  "rig-network.service",
  "ssh.service",
];

/** What no test needs, and every boot would start. */
const MASKED = [
  "cryptsetup.target",
  "dev-hugepages.mount",
  "dev-mqueue.mount",
  "e2scrub_all.timer",
  "fstrim.timer",
  "getty.target",
  "integritysetup.target",
  "proc-sys-fs-binfmt_misc.automount",
  "sys-fs-fuse-connections.mount",
  "sys-kernel-debug.mount",
  "sys-kernel-tracing.mount",
  "systemd-ask-password-console.path",
  "systemd-ask-password-wall.path",
  "systemd-binfmt.service",
  "systemd-firstboot.service",
  "systemd-logind.service",
  "systemd-pcrphase-sysinit.service",
  "systemd-pcrphase.service",
  "systemd-random-seed.service",
  "systemd-repart.service",
  "systemd-tmpfiles-clean.timer",
  "systemd-update-utmp-runlevel.service",
  "systemd-update-utmp.service",
  "veritysetup.target",
];

/** Sparse: about 700 MB of it are there. */
const ROOT_SIZE = "4G";

const BUILD_WITHIN_MS = 600_000;

/** What a machine is started from. */
export interface Image {
  readonly key: string;
  readonly kernel: string;
  /** The initial RAM disk. */
  readonly initrd: string;
  /** The root file system, ext4. */
  readonly root: string;
  /** The private key of ssh that every machine lets in as root. */
  readonly identity: string;
  /** The public key of every machine's sshd. */
  readonly hostKey: string;
}

/**
 * Debian with a kernel, systemd, Docker, Open vSwitch, LVM, sshd and Node, from packages; from the cache when nothing that goes in changed.
 * Versions of packages are those of the day it was made.
 */
export async function ensureImage(): Promise<Image> {
  const key = keyOf(readFileSync(import.meta.filename), digestOfFiles(GUEST, ["."]), process.version, process.arch);
  const folder = await cached("image", key, build);
  const at = (name: string): string => join(folder, name);
  return {
    key,
    kernel: at("vmlinuz"),
    initrd: at("initrd"),
    root: at("root.img"),
    identity: at("id_ed25519"),
    hostKey: readFileSync(at("host.pub"), "utf8").trim(),
  };
}

async function build(folder: string): Promise<void> {
  const root = join(folder, "root");
  await unpack(root);
  const kernelVersion = readdirSync(join(root, "lib/modules"))[0]!;
  cpSync(join(root, `boot/vmlinuz-${kernelVersion}`), join(folder, "vmlinuz"));
  await configure(root, kernelVersion);
  await addKeys(folder, root);
  await buildInitrd(folder, root, kernelVersion);
  removeWeight(root);
  const options = ["-E", "lazy_itable_init=1,lazy_journal_init=1", "-J", "size=16", "-m", "0"];
  await make("mke2fs", "-q", "-t", "ext4", "-d", root, ...options, join(folder, "root.img"), ROOT_SIZE);
  rmSync(root, { recursive: true });
}

/** Packages are unpacked but not set up: no script of theirs runs, which takes a sixth of the time. */
async function unpack(root: string): Promise<void> {
  const apt = ['--aptopt=APT::Install-Recommends "false"', '--aptopt=Acquire::Languages "none"'];
  const hook = "--setup-hook=/usr/share/mmdebstrap/hooks/merged-usr/setup00.sh";
  const packages = ["--include=?essential", `--include=${PACKAGES.join(",")}`];
  await make("mmdebstrap", "--quiet", ...apt, "--variant=extract", hook, ...packages, SUITE, root);
}

/** What the scripts of the packages would have done, as far as it is needed, and the rig's own files. */
async function configure(root: string, kernelVersion: string): Promise<void> {
  const at = (path: string): string => join(root, path);
  cpSync(at("usr/share/base-passwd/passwd.master"), at("etc/passwd"));
  cpSync(at("usr/share/base-passwd/group.master"), at("etc/group"));
  cpSync(at("usr/share/libc-bin/nsswitch.conf"), at("etc/nsswitch.conf"));
  for (const [path, target] of alternatives()) {
    rmSync(at(path), { recursive: true, force: true });
    symlinkSync(target, at(path));
  }
  for (const path of ["home", "mnt", "opt", "srv"]) mkdirSync(at(path), { recursive: true });
  cpSync(GUEST, root, { recursive: true });
  cpSync(process.execPath, at("usr/local/bin/node"));
  // A machine that knows its id is not on its first boot, in which systemd would enable all there is.
  writeFileSync(at("etc/machine-id"), "5e7901275e7901275e7901275e790127\n");
  const inside = (...argv: readonly string[]): Promise<CommandResult> => make("chroot", root, ...argv);
  await inside("ldconfig");
  await inside("systemd-sysusers");
  await inside("depmod", kernelVersion);
  await inside("systemctl", "--quiet", "enable", ...ENABLED);
  await inside("systemctl", "--quiet", "mask", ...MASKED);
  await inside("systemctl", "--quiet", "set-default", "multi-user.target");
  // Nothing is to be updated at boot.
  await inside("touch", "/etc/.updated", "/var/.updated");
}

function alternatives(): readonly (readonly [path: string, target: string])[] {
  const tables = ["iptables", "ip6tables"].flatMap((name) =>
    ["", "-save", "-restore"].map((end) => [`usr/sbin/${name}${end}`, `${name}-nft${end}`] as const),
  );
  return [
    ...tables,
    ["usr/bin/awk", "mawk"],
    ["usr/sbin/ovs-vswitchd", "../lib/openvswitch-switch/ovs-vswitchd"],
    ["var/run", "/run"],
    ["var/lock", "/run/lock"],
  ];
}

async function addKeys(folder: string, root: string): Promise<void> {
  const generate = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "rig", "-f"];
  await make(...generate, join(folder, "id_ed25519"));
  await make(...generate, join(root, "etc/ssh/ssh_host_ed25519_key"));
  cpSync(join(root, "etc/ssh/ssh_host_ed25519_key.pub"), join(folder, "host.pub"));
  mkdirSync(join(root, "root/.ssh"), { recursive: true });
  cpSync(join(folder, "id_ed25519.pub"), join(root, "root/.ssh/authorized_keys"));
  for (const path of ["root", "root/.ssh"]) chmodSync(join(root, path), 0o700);
}

/** A busybox, the modules that the root disk needs, and the script that mounts it. */
async function buildInitrd(folder: string, root: string, kernelVersion: string): Promise<void> {
  const tree = join(folder, "initrd.new");
  for (const name of ["bin", "dev", "root", "modules"]) mkdirSync(join(tree, name), { recursive: true });
  cpSync(join(root, "bin/busybox"), join(tree, "bin/busybox"));
  cpSync(join(import.meta.dirname, "initrd-init.sh"), join(tree, "init"));
  const modules = new Set<string>();
  for (const module of ["virtio_blk", "virtio_pci"]) {
    const { stdout } = await make("modprobe", "-d", root, "-S", kernelVersion, "--show-depends", module);
    for (const [, path] of stdout.matchAll(/^insmod (\S+)/gm)) modules.add(path!);
  }
  // In the order in which they need each other.
  for (const [index, path] of [...modules].entries()) cpSync(path, join(tree, "modules", `${String(index).padStart(2, "0")}.ko`));
  const files = readdirSync(tree, { recursive: true, encoding: "utf8" }).toSorted();
  const pack = [join(tree, "bin/busybox"), "cpio", "-o", "-H", "newc", "-F", join(folder, "initrd")];
  await run(["env", "-C", tree, ...pack], { input: `${files.join("\n")}\n` });
  rmSync(tree, { recursive: true });
}

/** Takes out what is big and never used. */
function removeWeight(root: string): void {
  const unused = ["boot", "usr/share/doc", "usr/share/man", "usr/share/locale", "usr/share/i18n", "usr/share/perl", "usr/share/info"];
  for (const path of [...unused, "var/cache/apt", "var/lib/apt/lists", "lib/udev/hwdb.d"]) {
    rmSync(join(root, path), { recursive: true, force: true });
  }
}

function make(...argv: readonly string[]): Promise<CommandResult> {
  return run(argv, { deadlineMs: BUILD_WITHIN_MS });
}
