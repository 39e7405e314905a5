import { connect } from "node:net";
import { rmSync } from "node:fs";
import { UserError } from "../core/errors/user-error.ts";

/** Linux takes 108 bytes, a final zero among them. */
const LONGEST_SOCKET_PATH_BYTES = 107;

export function socketPathFits(path: string): boolean {
  return Buffer.byteLength(path) <= LONGEST_SOCKET_PATH_BYTES;
}

/**
 * Makes way for a new socket: the file a killed daemon left is removed, but only when nobody answers on it.
 * Throws a UserError when a daemon does, or when the path is too long for a socket.
 */
export async function clearSocketPath(path: string): Promise<void> {
  if (!socketPathFits(path)) {
    const length = Buffer.byteLength(path);
    throw new UserError(
      "socket-path-long",
      `the path of the control socket has ${length} bytes, and ${LONGEST_SOCKET_PATH_BYTES} are allowed: ${path}`,
      "Give a state folder with a shorter path with --state or SETPOINT_STATE.",
    );
  }
  if (await someoneAnswers(path)) {
    throw new UserError(
      "daemon-running",
      `a daemon already answers on ${path}`,
      "Use it, stop it first, or give another state folder with --state.",
    );
  }
  rmSync(path, { force: true });
}

/** True when a process listens on the socket; one that does not even take a connection within 2 s counts as there. */
function someoneAnswers(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(path);
    const timer = setTimeout(() => finish(true), 2000);
    function finish(answers: boolean): void {
      clearTimeout(timer);
      socket.destroy();
      resolve(answers);
    }
    socket.on("connect", () => finish(true));
    socket.on("error", (error: NodeJS.ErrnoException) => finish(error.code !== "ENOENT" && error.code !== "ECONNREFUSED"));
  });
}
