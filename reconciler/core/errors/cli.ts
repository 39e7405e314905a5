import type { ErrorEntry } from "./entry.ts";

export const CLI_ERRORS = {
  usage: {
    what: "The command line has an unknown verb or option, a value that is not allowed, or lacks something.",
    fix: "Read the message, which says what is allowed; `setpoint help VERB` shows every option of a verb.",
  },
  "folder-not-empty": {
    what: "`setpoint init` was given a folder that already has files, and it never overwrites any.",
    fix: "Give an empty or a new folder.",
  },
  "state-folder": {
    what: "The state folder (journal, lock, control socket) can't be used: not a folder, not readable or not writable.",
    fix: "Give another with --state or SETPOINT_STATE, or mend its permissions.",
  },
  "state-empty": {
    what: "A verb that shows what a daemon knows found neither a running daemon nor a journal in the state folder.",
    fix: "Give the daemon's state folder with --state or SETPOINT_STATE, or start a daemon.",
  },
  "source-offline": {
    what: "No daemon runs, and the manifests of the revision its journal names can't be read from where they came from.",
    fix: "Start the daemon and ask again; or mend the repository or folder that the message names.",
  },
  "revision-rejected": {
    what: "The newest commit does not run: it is not valid, or the repository can't be read. The last good one stays in force.",
    fix: "`setpoint validate` in a checkout of that commit shows every problem; mend it and commit.",
  },
  "no-daemon": {
    what: "A verb that changes something needs the daemon, and none runs on the state folder.",
    fix: "Start `setpoint daemon --repo ...`, or give its state folder with --state or SETPOINT_STATE.",
  },
  "daemon-running": {
    what: "A daemon already runs on the state folder; only one process may write its journal.",
    fix: "Use the running daemon (commit to its repository), stop it first, or give another state folder with --state.",
  },
  "daemon-silent": {
    what: "The daemon's control socket took the connection but gave no answer in time.",
    fix: "See the daemon's log; it may be overloaded or stopped (kill -STOP). Try again, or restart it: nothing is lost.",
  },
  "daemon-answer": {
    what: "What answers on the control socket is not a Setpoint daemon, or one of another version.",
    fix: "Use the same version of setpoint for the daemon and the other verbs.",
  },
  "socket-denied": {
    what: "The control socket belongs to another user: only the user who runs the daemon (and root) may speak to it.",
    fix: "Run the verb as the user who runs the daemon, for example with sudo -u.",
  },
  "socket-path-long": {
    what: "The path of the control socket is longer than the operating system allows for sockets (107 bytes).",
    fix: "Give a state folder with a shorter path with --state or SETPOINT_STATE.",
  },
  "no-such-object": {
    what: "The fleet has no Set, slot, host or pool of that name.",
    fix: "List what there is with `setpoint get sets`, `get hosts` or `get pools`.",
  },
  "no-such-task": {
    what: "The journal knows no Task whose id begins so.",
    fix: "List the newest Tasks with `setpoint trace`.",
  },
  "task-ambiguous": {
    what: "More than one Task's id begins so.",
    fix: "Give more digits of the Task's id.",
  },
  "no-such-hold": {
    what: "There is no hold of that name to release.",
    fix: "List the holds with `setpoint get holds`.",
  },
  "no-such-plan": {
    what: "No held destroys wait under that hash: it is mistyped, or the plan has changed since it was shown.",
    fix: "Run `setpoint status` and confirm the hash it shows now.",
  },
  "host-alive": {
    what: "`setpoint host confirm-dead` was asked for a host whose agent answers.",
    fix: "A machine that answers is not dead. To empty it, drain it.",
  },
  "not-simulated": {
    what: "Faults can be put only on simulated hosts.",
    fix: "Use `setpoint sim` with a daemon whose pools have simulated hosts (agent: sim), such as the demo's.",
  },
  "bundle-invalid": {
    what: "The file given to --from is not a plan bundle written by --save of this version.",
    fix: "Write one with `setpoint plan DIR --save FILE`.",
  },
  "local-docker": {
    what: "`setpoint apply --local` can't use the Docker of this machine.",
    fix: "Start Docker, join the group docker, or set DOCKER_HOST=unix:///path/of/docker.sock.",
  },
  "local-folder": {
    what: "What runs on this machine by `--local` came from another folder; applying this one would remove it.",
    fix: "Take it away with `setpoint apply --local --delete`, or put all manifests into one folder.",
  },
  "local-hosts": {
    what: "With `--local` the manifests name more hosts than this machine, or several pools.",
    fix: "Leave the HostPool out and let all Sets name one pool, or write a HostPool with one host whose agent is unix:///path.",
  },
  "not-converged": {
    what: "The fleet did not reach the desired state within the time given.",
    fix: "See what it waits for with `setpoint status` and `setpoint explain`, or give more time with --timeout.",
  },
  "git-command": {
    what: "A git command that `setpoint init` or `setpoint demo` runs to make a repository failed.",
    fix: "See git's own words in the message; git 2.28 or newer must be installed.",
  },
  internal: {
    what: "Setpoint met a situation it was not built for. The details were written to the file that the message names.",
    fix: "Report it with that file. The journal is safe: start again and the daemon continues where it was.",
  },
} as const satisfies Record<string, ErrorEntry>;
