import { CommandError, createCommandRunner, type RunCommand } from "../commands.ts";
import { StepError } from "../ports.ts";

/** Below the deadline of a plugin call, so that a command that hangs is still told by name. */
const DEADLINE_MS = 4_500;

/** Runs commands on this host. `ovsRunFolder`: where Open vSwitch has its sockets. */
export function createNetworkRunner(ovsRunFolder: string): RunCommand {
  return createCommandRunner(DEADLINE_MS, { OVS_RUNDIR: ovsRunFolder });
}

/** Which Debian package has the program, for the message that it is missing. */
const PACKAGES: Readonly<Record<string, string>> = {
  "ovs-vsctl": "openvswitch-switch",
  "ovs-ofctl": "openvswitch-switch",
  ip: "iproute2",
  tc: "iproute2",
  ethtool: "ethtool",
  nsenter: "util-linux",
};

/** What a failed command is to the reconciler; anything else stays what it is. */
export function asStepError(error: unknown): unknown {
  if (!(error instanceof CommandError)) return error;
  if (error.kind === "not-found") {
    const { program } = error.command;
    return new StepError("no-capability", `${program} is not installed on the host; install the package ${PACKAGES[program] ?? program}`, {
      outcome: "refused",
    });
  }
  return new StepError("network-failed", error.message);
}
