import type { ErrorEntry } from "./entry.ts";

/** Codes about what comes back from the trash, and what is destroyed there. */
export const TRASH_ERRORS = {
  "blocked.restore": {
    what: "A slot is to get data back from the trash of a host, and that host can't take it; the message says why.",
    fix: "Make room there, or end what stands in the way. Without its old data the slot goes on at once: `setpoint trash restore --cancel ID`.",
  },
  "restore-waits": {
    what: "A restore was asked for and can't begin yet; the message says what it waits for. Its entry of the trash is kept meanwhile.",
    fix: "Bring about what it waits for, or end it: `setpoint trash restore --cancel ID`.",
  },
  "restore-lost": {
    what: "The entry of the trash that was to be restored is gone, and its slot does not have it: somebody removed it on the host, or it was being purged when the restore was asked for.",
    fix: "See what is left with `setpoint trash list`; end the message with `setpoint trash restore --cancel ID`.",
  },
  "no-such-trash": {
    what: "No host shows an entry of the trash whose id begins so.",
    fix: "List them with `setpoint trash list`. What a silent host has is known again when it is heard.",
  },
  "trash-ambiguous": {
    what: "More than one entry of the trash has an id that begins so.",
    fix: "Give the whole id as `setpoint trash list` shows it, with the host: HOST/ID.",
  },
  "restore-target": {
    what: "The slot or volume given to `--to` can't take what is to be restored.",
    fix: "Give a slot as SET/INDEX, or with the volume's name as SET/INDEX/VOLUME. The volume must be of the same kind (lvm, dir).",
  },
  "restore-occupied": {
    what: "The slot has data of its own, which would have to go to the trash for what is to be restored.",
    fix: "Say so with --replace: the present data goes to the trash and can be restored again. Or restore beside it: `--to SET/INDEX`.",
  },
  "restore-open": {
    what: "A restore of that entry, or into that slot, was asked for already and is not over.",
    fix: "See it with `setpoint trash list`; end it with `setpoint trash restore --cancel ID`.",
  },
  "no-such-restore": {
    what: "No restore of that entry was asked for, or it is over.",
    fix: "List those that are open with `setpoint trash list`.",
  },
  "purge-open": {
    what: "That entry is being destroyed, because somebody asked for it or because it expired: it can't be restored any more.",
    fix: "See what is left with `setpoint trash list`.",
  },
  "purge-unconfirmed": {
    what: "`setpoint trash purge` destroys data for good, so it has to be said twice: by an answer on a terminal, or by --yes.",
    fix: "Look at the entry with `setpoint trash list`; if you mean it, give --yes.",
  },
} as const satisfies Record<string, ErrorEntry>;
