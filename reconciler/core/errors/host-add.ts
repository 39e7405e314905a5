import type { ErrorEntry } from "./entry.ts";

/** Why `setpoint host add` could not install the agent on a host. */
export const HOST_ADD_ERRORS = {
  "host-add-agent": {
    what: "The agent did not start on the host. When another release ran there before, it runs again.",
    fix: "Read the agent's own words in the message or there with `journalctl -u setpoint-agent`, mend it, and run `setpoint host add` again.",
  },
  "host-add-busy": {
    what: "Another `setpoint host add` is at work on the same host.",
    fix: "Wait for it, then try again.",
  },
  "host-add-folder": {
    what: "The file system on which /opt/setpoint lies on the host is read-only, or lets no program run (`noexec`).",
    fix: "Mount it otherwise, also in /etc/fstab, or mount another disk at /opt/setpoint.",
  },
  "host-add-foreign": {
    what: "In the place of /usr/local/bin/setpoint on the host lies a file that Setpoint did not put there.",
    fix: "See what it is and move it away; Setpoint has a symbolic link there and replaces no file.",
  },
  "host-add-key-changed": {
    what: "The host shows another ssh key than the one in known_hosts.",
    fix: "Ask who runs the host whether it was installed anew. If so, remove the old key with `ssh-keygen -R HOST`, then connect once by hand. If not, someone is in between.",
  },
  "host-add-key-unknown": {
    what: "The ssh key of the host is not in known_hosts, and Setpoint accepts no unknown key by itself.",
    fix: "Connect once by hand with `ssh HOST` as the user who runs setpoint, and compare the fingerprint; the daemon's user needs it too.",
  },
  "host-add-login": {
    what: "The host refuses the ssh login: Setpoint never asks for a password, and none of the keys is accepted.",
    fix: "Give the host your key with `ssh-copy-id`, load it with `ssh-add`, or name user and key in ~/.ssh/config; `ssh -o BatchMode=yes HOST true` must work.",
  },
  "host-add-node": {
    what: "The Node that comes with Setpoint does not run on the host.",
    fix: "A host needs a Linux with glibc 2.28 or newer (Debian 10, RHEL 8, Ubuntu 20.04) on an x86-64 or arm64 processor.",
  },
  "host-add-package": {
    what: "This installation of Setpoint is not whole, or has no Node for the processor of the host: npm installs only the one of its own machine.",
    fix: "Run the command of the message in the folder of Setpoint, then try again.",
  },
  "host-add-path": {
    what: "The agent runs on the host, but the PATH of its ssh logins lacks /usr/local/bin, so that a reconciler can't call `setpoint agent dial`.",
    fix: "On the host, put /usr/local/bin on the PATH of all logins, or link /usr/local/bin/setpoint into /usr/bin.",
  },
  "host-add-processor": {
    what: "The host has a processor for which Setpoint has no Node.",
    fix: "Use a host with an x86-64 or arm64 processor.",
  },
  "host-add-programs": {
    what: "The host lacks programs that the installation uses.",
    fix: "Install the packages that the message names; every full Debian, Ubuntu or RHEL has them.",
  },
  "host-add-rights": {
    what: "The login is not root, and may not become root without a password.",
    fix: "Log in as root, or allow the user `sudo` without a password; the agent drives Docker and the network, so it runs as root.",
  },
  "host-add-room": {
    what: "The host has not enough free space where /opt/setpoint lies.",
    fix: "Free space there or mount a disk at /opt/setpoint: a release takes about 150 MiB, and one old one is kept.",
  },
  "host-add-shell": {
    what: "The ssh login works, but no command runs in it: it has no shell, or is made for something else (git, sftp).",
    fix: "Use a login with a shell; `ssh HOST sh -c true` must work.",
  },
  "host-add-ssh": {
    what: "This machine has no program `ssh`.",
    fix: "Install the OpenSSH client.",
  },
  "host-add-step": {
    what: "A step of the installation failed on the host for a reason that Setpoint does not know.",
    fix: "Read the host's own words in the message, mend it there, and run `setpoint host add` again: it goes on where it was.",
  },
  "host-add-system": {
    what: "The machine is no Linux.",
    fix: "A host of Setpoint is a Linux with Docker and systemd; the daemon can run elsewhere.",
  },
  "host-add-systemd": {
    what: "The host is not run by systemd, and the agent is a systemd unit.",
    fix: "Install the agent by hand (reconciler/agent/systemd/README.md) and let the host's own init run it, before Docker.",
  },
  "host-add-timeout": {
    what: "A host was not added in the time given by --timeout, or before Ctrl-C.",
    fix: "Run it again, with more time if the network is slow: what was copied whole is not copied again, and the host runs what it ran before.",
  },
  "host-add-unreachable": {
    what: "There is no ssh connection to the host, or it broke.",
    fix: "Read ssh's own words in the message; `ssh HOST true` must work by hand.",
  },
} as const satisfies Record<string, ErrorEntry>;
