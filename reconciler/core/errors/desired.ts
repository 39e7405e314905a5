import type { ErrorEntry } from "./entry.ts";

/** Mistakes in valid documents: values that don't fit together, within one document or across files. */
export const DESIRED_ERRORS = {
  "apart-too-many": {
    what: "A placement Policy with `apart` selects more Sets than can be kept apart pairwise.",
    fix: "Select fewer Sets, or split the Policy into groups.",
  },
  "bad-address": {
    what: "The `address` of a host is none, is another host's too, or a range of hosts has not as many addresses as hosts.",
    fix: "Give each host one address: a single one, or for `name: a-[1-5]` a range such as 192.168.50.11-192.168.50.15.",
  },
  "bad-agent": {
    what: "A host's `agent` is no way to reach an agent.",
    fix: "Write `sim`, `unix:///path/of/a.sock` or `ssh://[user@]host[:port]`; in a range of hosts `{host}` stands for each name.",
  },
  "bad-host-range": {
    what: "A host name with brackets does not stand for a list of valid host names.",
    fix: "Write ranges like `bj-a-[001-500]`: digits in closed brackets, the smaller number first, equally many digits where there are leading zeros.",
  },
  "bad-image": {
    what: "An image is not written as an image reference.",
    fix: "Write [registry[:port]/]repository[:tag][@sha256:digest], such as `registry.example/shop/web:1.4`.",
  },
  "bad-isolation": {
    what: "The pool's `cpu.isolation` does not fit: a malformed list, a CPU in both lists or that a host does not have, or none left for Sets.",
    fix: "Write lists as the kernel does (`0-1`, `2-9,12`), of CPUs that every host of the pool has, and leave some for Sets.",
  },
  "bad-network": {
    what: "A pool's network, gateway or reserved range is not a proper IPv4 network, address or range.",
    fix: "Write the network address with its prefix (10.20.0.0/16) and ranges from the smaller to the larger address.",
  },
  "bad-quantity": {
    what: "A quantity has the right shape but no exact value: it is too large, a fraction of the smallest unit, or its parts are out of order.",
    fix: "Use a smaller unit or whole numbers: `1500m` for 1.5 cores, `512Mi`, `1h30m`.",
  },
  "bad-schedule": {
    what: "A schedule's window or limits make no sense.",
    fix: "Give it whole minutes up to 7 days, and a floor, a ceiling, or both with the floor not above the ceiling.",
  },
  "bad-timezone": {
    what: "A schedule names a time zone that does not exist.",
    fix: "Use a name from the IANA time zone database, such as Asia/Shanghai, Europe/Berlin or UTC.",
  },
  "capability-conflict": {
    what: "A container both adds and drops the same capability.",
    fix: "Remove it from one of the two lists.",
  },
  "capability-without-root": {
    what: "A container that does not run as root adds capabilities, which only processes of root get.",
    fix: "Run it as root, or leave the list out.",
  },
  "config-conflict": {
    what: "Two config Policies give one environment variable or label of a Set different values.",
    fix: "Set it in one Policy only, or in the Set itself, whose own value wins.",
  },
  "config-too-large": {
    what: "The files of config volumes are larger than what a manifest is for.",
    fix: "Keep each below 64Ki and those of a Set below 256Ki together; bring large files with the image, or keep them on a volume.",
  },
  "duplicate-agent": {
    what: "Two hosts of a pool have the same agent.",
    fix: "Give each host its own; in a range of hosts write `{host}` for each one's name, such as ssh://{host}.",
  },
  "duplicate-container": {
    what: "Two containers of a Set have the same name.",
    fix: "Rename one of them.",
  },
  "duplicate-host": {
    what: "A host is listed twice, in one pool or in two.",
    fix: "Keep one entry: a host name stands for one machine, which belongs to one pool.",
  },
  "duplicate-host-port": {
    what: "Two ports of a Set take the same port of the host.",
    fix: "Change or remove one of them.",
  },
  "duplicate-mount": {
    what: "A container mounts two volumes at one path.",
    fix: "Mount one of them elsewhere.",
  },
  "duplicate-name": {
    what: "Two documents of one kind have the same name.",
    fix: "Rename or remove one of them; the message names both places.",
  },
  "duplicate-port": {
    what: "Two ports of a Set share a name, or listen on the same port: the containers of an Instance share one network.",
    fix: "Rename the port, or let one container listen on another port.",
  },
  "duplicate-schedule": {
    what: "Two schedules of a Policy have the same name.",
    fix: "Rename one of them.",
  },
  "duplicate-volume": {
    what: "Two volumes of a Set have the same name.",
    fix: "Rename one of them.",
  },
  "failure-times": {
    what: "The times in a pool's `failure` contradict each other.",
    fix: "Keep 0 < suspectAfter < lostAfter, and leaseFor at least three times suspectAfter.",
  },
  "gateway-outside": {
    what: "A pool's gateway is not a usable address of its network.",
    fix: "Choose an address inside cidr that is neither the network nor the broadcast address.",
  },
  "host-label-conflict": {
    what: "Two sources ask for different values of one host label for the same Set, which no host can satisfy.",
    fix: "Ask for the label in one place only.",
  },
  "instance-too-large": {
    what: "No host that the Set may use is large enough for one Instance, even when empty.",
    fix: "Lower the requests, volumes or rates, or add larger hosts. Host capacity counts after the pool's memory reserve and CPU overcommit.",
  },
  "limit-below-request": {
    what: "A limit is smaller than the request beside it.",
    fix: "Raise the limit, lower the request, or leave the limit out for none.",
  },
  "limit-too-small": {
    what: "A limit is so small that the container could not start or nothing could pass.",
    fix: "Raise it, or leave it out for no limit.",
  },
  "log-bounds": {
    what: "The size of a container's log files is out of range.",
    fix: "Choose a size from 64Ki to 1Gi; log.maxFiles says how many are kept.",
  },
  "network-driver": {
    what: "A pool's network asks Docker's own bridge for something only Open vSwitch can do.",
    fix: "Write `driver: ovs`, or remove the field the message names.",
  },
  "no-such-host-label": {
    what: "No host of the Set's pools and zones carries the labels it asks for.",
    fix: "Correct placement.hostLabels, or label hosts in the HostPool.",
  },
  "no-volume-group": {
    what: "A Set has an lvm volume, but a pool of real hosts in which it may live names no LVM volume group.",
    fix: "Add `storage: {volumeGroup: NAME}` to the HostPool, with a group that every host has, or use another kind of volume.",
  },
  "oom-kill-without-limit": {
    what: "A container asks that nothing is killed when memory is short, but has no memory limit, so it could take its host down.",
    fix: "Set resources.memory.limit, or remove oomKillDisable.",
  },
  "overlay-hosts": {
    what: "A pool's overlay can't join its hosts: one lacks an `address`, has one inside the Instances' range, or there are too many hosts.",
    fix: "Give every host an `address` in the network that connects the hosts, outside of `network.cidr`.",
  },
  "reserve-too-large": {
    what: "The memory a pool keeps for the host itself leaves none for Instances.",
    fix: "Lower spec.memory.reserve, or correct the host's memory.",
  },
  "reserved-outside": {
    what: "A reserved address or range is not inside the pool's network.",
    fix: "Correct or remove it.",
  },
  "scaling-bounds": {
    what: "A Set's scaling bounds contradict each other.",
    fix: "Keep min <= initial <= max.",
  },
  "scaling-conflict": {
    what: "A scaling Policy selects a Set that has a fixed number of replicas: a count has exactly one writer.",
    fix: "Replace replicas with scaling: {min, max, initial}, or take the Set out of the Policy.",
  },
  "schedule-out-of-bounds": {
    what: "A schedule's floor or ceiling lies outside the Set's own min and max, which always win.",
    fix: "Change the schedule or the Set's scaling bounds.",
  },
  "selects-nothing": {
    what: "A Policy selects no Set, or too few for its rule to mean anything.",
    fix: "Correct its labels, label a Set, or remove the Policy.",
  },
  "self-reference": {
    what: "A Set is apart from, or near, itself.",
    fix: "Name other Sets; to limit a Set's own Instances on one host use placement.maxPerHost.",
  },
  "shared-network": {
    what: "The networks of two pools on one VLAN share addresses.",
    fix: "Use separate ranges or VLANs, unless the pools are not connected to each other.",
  },
  "storage-folder": {
    what: "The pool's `storage.folder` is a place in which volumes can't lie: the system's own, one that a reboot empties, or one with `..` in it.",
    fix: "Write the plain path of a folder of its own on a disk of the hosts, such as /srv/volumes.",
  },
  "sysctl-misplaced": {
    what: "A kernel setting stands in the wrong place: those of the network are the Instance's, those of IPC the container's.",
    fix: "Move net.* to template.sysctls, and kernel.shm*, kernel.msg*, kernel.sem and fs.mqueue.* to the container.",
  },
  "sysctl-not-namespaced": {
    what: "A kernel setting has one value for a whole host, so no Set may change it.",
    fix: "Set it on the hosts themselves, in /etc/sysctl.d, and choose such hosts by placement.hostLabels.",
  },
  "thin-pool-without-group": {
    what: "A pool names a thin pool but not the volume group in which it lies.",
    fix: "Add storage.volumeGroup, or remove storage.thinPool.",
  },
  "too-few-addresses": {
    what: "A pool's network has fewer addresses than the Sets bound to it can need.",
    fix: "Use a larger cidr, reserve less, or lower replicas or scaling.max. Spare Instances for zones.survive count too.",
  },
  "too-few-zones": {
    what: "A Set asks for more zones than its pools, and its own choice of zones, offer.",
    fix: "Lower zones.min or zones.survive, or give the Set more zones or pools.",
  },
  "ulimit-bounds": {
    what: "A ulimit has its soft value above the hard one, or has no bound where the kernel needs one.",
    fix: "Lower soft or raise hard; write a number for nofile.",
  },
  "undeclared-health-port": {
    what: "A health check asks a port that no container of the Set declares.",
    fix: "Correct the port, or declare it in ports.",
  },
  "unknown-pool": {
    what: "A Set names a HostPool that does not exist.",
    fix: "Correct the name, or add the HostPool.",
  },
  "unknown-set": {
    what: "A Policy or a placement rule names a Set that does not exist.",
    fix: "Correct the name, or remove it.",
  },
  "unknown-volume": {
    what: "A container mounts a volume that its Set does not declare.",
    fix: "Correct the name, or declare it in template.volumes.",
  },
  "unknown-zone": {
    what: "A Set names a zone that none of its pools has.",
    fix: "Correct the name, or remove it.",
  },
  "unsafe-failover": {
    what: "A Set that owns an LVM volume, a docker volume that is not shared, or a reused IP has failover `always`, so two live Instances could write at once.",
    fix: "Use `after-fence` (the default for such Sets) or `never`.",
  },
  "unused-volume": {
    what: "A volume is declared but no container mounts it.",
    fix: "Mount it, or remove it.",
  },
  "volume-too-small": {
    what: "A volume is too small for its file system, or its limit too low to hold anything.",
    fix: "Raise its size.",
  },
} as const satisfies Record<string, ErrorEntry>;
