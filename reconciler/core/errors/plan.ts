import type { ErrorEntry } from "./entry.ts";

/** Codes of the problems that a plan carries beside its changes. */
export const PLAN_ERRORS = {
  "blocked.addresses": {
    what: "No pool in which the Set may live has a free address for the slot.",
    fix: "Give the pool a larger `cidr` or fewer `reserved` addresses, or remove Instances.",
  },
  "blocked.capacity": {
    what: "No host can take the slot; the message counts the hosts by the reason.",
    fix: "Ask `setpoint explain SET/INDEX` for the whole reason; then add hosts, reserve less, or loosen the Set's placement.",
  },
  brake: {
    what: "More hosts of a pool fell silent together than its `brake` allows, which looks like a fault of the network: nothing there is moved or removed.",
    fix: "Mend the network. For a machine that is really gone use `setpoint host confirm-dead NAME`.",
  },
  frozen: {
    what: "Nothing is destroyed in this pass, because the newest state of the manifests could not be read or is not valid.",
    fix: "Mend what the message names; destroys go on with the next valid revision.",
  },
  "host-engine": {
    what: "A host is heard, but its container engine can't be used: no container is started, changed or removed there, and what runs is left alone.",
    fix: "Do what the message says, or run `setpoint agent check` on that host: it tells what is wrong and the command that mends it. All goes on by itself then.",
  },
  "host-lost": {
    what: "A host was silent for longer than the pool's `lostAfter`; what may run elsewhere is started elsewhere.",
    fix: "Look at the machine and its network. When it is off for good, say so: `setpoint host confirm-dead NAME`.",
  },
  "host-suspect": {
    what: "A host was silent for longer than the pool's `suspectAfter`; it gets nothing new.",
    fix: "Nothing yet: it comes back, or it counts as lost after `lostAfter`.",
  },
  "host-storage": {
    what: "The storage of a host needs a person: its volume group is not there or lacks a disk, a thin pool is nearly full, or a volume is damaged. What runs goes on as far as it can.",
    fix: "Do what the message says on that host; `setpoint agent check` there tells more. All goes on by itself then.",
  },
  "limits-not-enforced": {
    what: "A Set runs on hosts that lack the driver for a rate, io limit or VLAN it asks for, as its pool's `limits: best-effort` allows.",
    fix: "Nothing, if that is what you want. Else see `setpoint agent check` on the host for how to get the driver, or set the pool's `limits: required`.",
  },
  "over-budget": {
    what: "A plan destroys more in one pool and zone than the pool's `budget` allows; these destroys are held, all else goes on.",
    fix: "Look at `setpoint plan`; if you mean it, confirm with the hash from the message: `setpoint confirm HASH`.",
  },
  "volume-shrink": {
    what: "A Set asks for a smaller logical volume than a slot has. The volume stays as it is: making a file system smaller can lose data.",
    fix: "Write the present size. To get a smaller one: save the data, give the volume another name in the Set, and restore the data there; the old volume goes to the trash.",
  },
  "wait.stalled": {
    what: "A slot failed too often with the same input, so it is not tried again until its input changes.",
    fix: "See the last failure in the message or with `setpoint explain SET/INDEX`, and commit a Set that mends it.",
  },
  watermark: {
    what: "More of a pool's cpu or memory is reserved than its `watermark`.",
    fix: "Add hosts, reserve less, or raise the watermark.",
  },
  "zone-shortfall": {
    what: "After the loss of one zone a Set would have fewer Instances than it wants, though it asks to survive that.",
    fix: "Add hosts in other zones, or more replicas; `setpoint explain SET/INDEX` shows what stands in the way.",
  },
} as const satisfies Record<string, ErrorEntry>;
