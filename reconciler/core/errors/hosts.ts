import type { ErrorEntry } from "./entry.ts";

/** What a host answers to a step it does not carry out; the same codes from simulated and from real hosts. */
export const HOST_ERRORS = {
  "below-use": {
    what: "A memory limit below what the Instance uses at present was refused.",
    fix: "Set a higher limit, or lower it again when the Instance uses less.",
  },
  "cannot-run": {
    what: "The container engine could not run a container's command: the image has no such program, may not execute it, or lacks the user.",
    fix: "Correct `command`, `args` or `user` in the Set, or the image.",
  },
  crashed: {
    what: "The containers of an Instance ended by themselves.",
    fix: "Look at the message for the exit code and at the container's log for the reason; a new image or a changed Set is tried at once.",
  },
  "disk-full": {
    what: "The host has no room for an image or a volume.",
    fix: "Free disk space on the host, purge its trash, or make the volume smaller; the step is tried again.",
  },
  "engine-busy": {
    what: "Too many calls wait for the host's container engine; one more was not made.",
    fix: "Nothing: the step is tried again. If it stays, look at what keeps Docker on that host so slow (`journalctl -u docker`).",
  },
  "engine-failed": {
    what: "The host's container engine refused a call for a reason that Setpoint does not know.",
    fix: "Read the engine's own words in the message and its log (`journalctl -u docker`); the step is tried again.",
  },
  "engine-permission": {
    what: "The agent may not open the socket of the host's container engine.",
    fix: "Run the agent as root, or as a user of the socket's group (`usermod -aG docker USER`, then start the agent again).",
  },
  "engine-timeout": {
    what: "The host's container engine did not answer in time; whether it carried the call out is unknown.",
    fix: "Nothing: what is there is looked at before the step is tried again. If it stays, Docker on that host hangs: `systemctl restart docker`.",
  },
  "engine-too-old": {
    what: "The host's container engine speaks an API older than Setpoint needs.",
    fix: "Install Docker 19.03 or newer on the host (API 1.40 is the oldest that works).",
  },
  "engine-unreachable": {
    what: "No container engine answers on the agent's socket.",
    fix: "Install Docker on the host or start it (`systemctl enable --now docker`), or give the agent the path of its socket.",
  },
  "group-damaged": {
    what: "A host's volume group lacks one of its disks, so nothing in it is changed; volumes on its other disks go on.",
    fix: "Bring the disk that the message names back (then `vgextend --restoremissing GROUP DEVICE` if LVM asks for it), or see `man vgreduce` for what giving it up means. All goes on by itself then.",
  },
  "image-not-found": {
    what: "The registry has no image of that name.",
    fix: "Correct the image in the Set, or push the image; name and tag must be written as the registry has them.",
  },
  "in-use": {
    what: "A port or volume was to be released while a container still uses it, or a slot's older generation is still on the host.",
    fix: "Nothing: the step is tried again when the container was observed gone.",
  },
  "infra-differs": {
    what: "An app container was to be replaced in an Instance whose infra container must be replaced too.",
    fix: "Nothing: the next plan replaces the whole Instance.",
  },
  "ip-in-use": {
    what: "The address of a new port is used by another container on the same host.",
    fix: "Nothing: the step is tried again when that container is gone. If it stays, look for the container with `setpoint get host NAME`.",
  },
  "lease-over": {
    what: "The host lost touch with its reconciler for longer than the pool's `leaseFor` and stopped what must not run twice.",
    fix: "Mend the network between the reconciler and the host; the Instances start again when the host is heard.",
  },
  "limit-refused": {
    what: "The kernel of a host did not take a limit of a container (memory, CPUs, disk).",
    fix: "The message names the file, the value and what the kernel said: correct the limit in the Set or the CPUs in the HostPool, or repair the host's cgroups.",
  },
  "mount-point-busy": {
    what: "A volume can't be mounted, since its place on the host is not empty or something else is mounted there.",
    fix: "Look at the folder that the message names, move away what is in it or unmount what is mounted there; the step is tried again.",
  },
  "network-failed": {
    what: "The host's network could not be joined to an Instance.",
    fix: "Read the driver's own words in the message; see that the agent runs and the host's bridge is there (`setpoint agent check`). The step is tried again.",
  },
  "no-capability": {
    what: "The host lacks a driver that the step needs (docker, lvm, ovs, tc or cgroup).",
    fix: "Install or repair the driver on the host; Sets that need it are placed elsewhere until then.",
  },
  "no-capacity": {
    what: "The host has less cpu, memory or bandwidth left than the Instance reserves.",
    fix: "Nothing: the slot is planned again with what the host reports. If it stays, correct the capacity in the HostPool.",
  },
  "no-infra-image": {
    what: "The host has no statically linked busybox to make the image of infra containers from.",
    fix: "Install one on the host (`apt-get install busybox-static`), or give the agent an image to use instead.",
  },
  "not-found": {
    what: "The object a step was for is not on the host.",
    fix: "Nothing: the next plan starts from what is there.",
  },
  "not-ours": {
    what: "A container, volume or port of the name Setpoint would use belongs to someone else; it is never touched.",
    fix: "Rename or remove that object on the host, or rename the Set.",
  },
  "not-ready": {
    what: "An image, volume or port that an Instance needs was not there when it should have started.",
    fix: "Nothing: the next plan provides what is missing first.",
  },
  "option-refused": {
    what: "The container engine or the kernel of a host refused an option of a container: a ulimit, a sysctl or a capability.",
    fix: "Read the kernel's own words in the message. Correct the option in the Set; a ulimit above what the agent's Docker may give needs `LimitNOFILE=` and such in the unit of Docker, a sysctl that the kernel lacks needs another kernel or module.",
  },
  "port-taken": {
    what: "A port of the host that an Instance publishes is used by another program on it.",
    fix: "Stop that program (`ss -ltnp` names it), or choose another `hostPort` in the Set; the step is tried again.",
  },
  "pull-failed": {
    what: "An image could not be pulled: the registry did not answer, or ended the transfer.",
    fix: "See that the host reaches the registry (name, proxy, certificate); the pull is tried again. An image that is on the host already needs no registry.",
  },
  "registry-denied": {
    what: "The registry does not give the image to this host without a login.",
    fix: "Let the host pull it without a login, or bring the image to the host with `docker load`; the pull is tried again.",
  },
  "runtime-missing": {
    what: "Docker on the host does not know the runtime that the Set asks for.",
    fix: "Install the runtime on that host and register it: `runtimes` in /etc/docker/daemon.json, then `systemctl reload docker`; `docker info` lists what it knows. Or let the Set ask for other hosts by placement.hostLabels. The step is tried again by itself.",
  },
  "secret-exposed": {
    what: "The folder of secrets on a host is open to others than its owner, so nothing is taken from it.",
    fix: "On that host: `chown root: /etc/setpoint/secrets && chmod 700 /etc/setpoint/secrets` (or the folder given to the agent by --secrets). The step is tried again by itself.",
  },
  "secret-missing": {
    what: "A secret, or a key of it, is not on the host that should run the container.",
    fix: "Put the file that the message names onto that host; the step is tried again by itself. Or correct the name or key in the Set.",
  },
  "secret-store": {
    what: "The host has no folder in memory for the files of secrets, which are never written to a disk.",
    fix: "Mount one at the folder that the message names: `mount -t tmpfs -o mode=700 tmpfs FOLDER`; an agent that runs as root does so by itself.",
  },
  "secret-unusable": {
    what: "A secret on the host can't be used: it is too large, no file, not readable, or no text where a variable needs one.",
    fix: "Mend the file that the message names; the step is tried again by itself.",
  },
  "stale-generation": {
    what: "A step of an older generation of a slot came late and was refused.",
    fix: "Nothing: the host guards the slot's newer generation.",
  },
  "still-there": {
    what: "A container that was removed can still be seen on the host.",
    fix: "Nothing: the step is tried again. If it stays, remove the container by hand with `docker rm -f`.",
  },
  unhealthy: {
    what: "An Instance did not become healthy in time.",
    fix: "Look at the message of the health check and the container's log; correct the check, its `startPeriod` or the image.",
  },
  "volume-busy": {
    what: "A volume could not be unmounted or changed because a process of the host uses it.",
    fix: "End the process that the message names, or have it leave the volume; the step is tried again and nothing is lost meanwhile.",
  },
  "volume-damaged": {
    what: "The file system of a volume is damaged or was made read-only after errors; it is not used until a person has had it repaired.",
    fix: "Stop what uses it, unmount it, run the command of the message on that host (a backup first), and let the step be tried again.",
  },
  "volume-exists": {
    what: "A volume was to come back from the trash into a slot that has one of that name.",
    fix: "Restore it under another name or into another slot, or remove the present volume first.",
  },
  "volume-failed": {
    what: "LVM, or a program that makes, grows or mounts file systems, failed on a host for a reason that Setpoint does not know.",
    fix: "Read the program's own words in the message; `setpoint agent check` on that host tells what is missing. The step is tried again.",
  },
  "volume-too-small": {
    what: "A volume is too small for its file system: newer xfsprogs make none below 300 MiB.",
    fix: "Give the volume a larger size in the Set, or the filesystem ext4.",
  },
  "would-shrink": {
    what: "A volume was to be made smaller; volumes only grow.",
    fix: "Write the present size or a larger one, or make a new volume under another name.",
  },
} as const satisfies Record<string, ErrorEntry>;
