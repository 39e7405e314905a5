import { CommandError, type RunCommand } from "../../commands.ts";
import { removeLink } from "../links.ts";
import { limitLink } from "./shaping.ts";

const PROBE = "sptest0";

/** Tries a limit on a link of its own: whether this kernel has the queueing discipline is not written anywhere. */
export async function canLimit(run: RunCommand, signal: AbortSignal): Promise<boolean> {
  try {
    await removeLink(run, PROBE, signal);
    await run({ program: "ip", args: ["link", "add", PROBE, "type", "veth", "peer", "name", "sptest1"] }, signal);
    await run(limitLink(PROBE, 1_000_000), signal);
    return true;
  } catch (error) {
    if (error instanceof CommandError) return false;
    throw error;
  } finally {
    await removeLink(run, PROBE, signal).catch(() => {});
  }
}
