import { askDaemon } from "./client.ts";
import { printNote } from "./fail.ts";
import type { OfflineFleet } from "./offline.ts";
import type { StateFolder } from "./state-folder.ts";
import type { Terminal } from "./terminal.ts";
import { unaskedHosts } from "./unasked.ts";

/**
 * Asks the daemon; where none runs, draws the answer from the state folder and says so on stderr. Throws a UserError where
 * there is neither.
 */
export async function readFleet<Answer>(
  terminal: Terminal,
  state: StateFolder,
  path: string,
  offline: (fleet: OfflineFleet) => Answer,
): Promise<Answer> {
  const answer = await askDaemon<Answer>(state, path);
  if (answer !== null) return answer;
  const { openOffline } = await import("./offline.ts");
  const fleet = await openOffline(state);
  printNote(terminal.err, `no daemon runs on ${state.dir}; this is what its journal last knew`);
  const unasked = unaskedHosts(fleet.picture.input.desired);
  if (unasked !== null) printNote(terminal.err, `${unasked}: nothing is known of what runs there; start the daemon to see it`);
  return offline(fleet);
}
