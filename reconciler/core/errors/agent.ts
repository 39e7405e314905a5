import type { ErrorEntry } from "./entry.ts";

/** What an agent answers when it can't serve a request at all, and what its verbs say. */
export const AGENT_ERRORS = {
  "agent-fleet": {
    what: "The agent of a host belongs to another fleet: one agent serves one fleet, and touches only what carries its name.",
    fix: "Take the host out of one of the two fleets; to hand it over, remove the old fleet's containers, stop the agent and delete its state folder.",
  },
  "agent-wire": {
    what: "The reconciler and the agent of a host do not speak the same version of their protocol.",
    fix: "Install the same version of setpoint on both machines and restart the agent; containers run on meanwhile.",
  },
  "agent-settings": {
    what: "The agent was not told yet which fleet and host it serves.",
    fix: "Nothing: a reconciler whose HostPool names the host tells it first thing.",
  },
  "agent-request": {
    what: "The agent got a request that it does not understand, or one that is too large.",
    fix: "Use the same version of setpoint on the reconciler's side and on the host.",
  },
  "agent-boot": {
    what: "The reconciler echoed a heartbeat that this run of the agent did not send.",
    fix: "Nothing: the reconciler connects anew and echoes the right one.",
  },
  "agent-state": {
    what: "A file in the agent's state folder can't be read or written, is torn, or was not written by an agent.",
    fix: "Free disk space or mend permissions; when a file is damaged, restore it or follow what the message says.",
  },
  "agent-running": {
    what: "Another agent already answers on the socket or uses the state folder; a host has one agent.",
    fix: "Use the running agent, or stop it first: `systemctl stop setpoint-agent`.",
  },
  "agent-absent": {
    what: "No agent listens on the socket.",
    fix: "Start it on that host: `systemctl start setpoint-agent`; `setpoint agent check` tells what it needs.",
  },
  "agent-closed": {
    what: "The agent ended a connection that was in use: it was stopped, or it died.",
    fix: "See whether it runs: `systemctl status setpoint-agent`. A reconciler connects again by itself; containers run on meanwhile.",
  },
  "agent-denied": {
    what: "The agent's socket may be used by the user who runs the agent (root) only.",
    fix: "Connect as root, or as a user who may run `setpoint agent dial` through sudo.",
  },
  "engine-silent": {
    what: "The container engine of a host did not answer in time; whether the step took effect is not known.",
    fix: "Nothing: the step is tried again. If it stays, look at Docker on that host: `systemctl status docker`.",
  },
  "host-busy": {
    what: "A host had more steps waiting than it takes at once, or a step waited its whole time for its turn.",
    fix: "Nothing: the step is tried again.",
  },
  "step-trouble": {
    what: "A step failed on a host in a way that the agent does not know.",
    fix: "Look at the message and at the agent's log (`journalctl -u setpoint-agent`); the step is tried again.",
  },
} as const satisfies Record<string, ErrorEntry>;
