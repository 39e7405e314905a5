import { lstatSync, mkdirSync, rmSync } from "node:fs";
import { connect } from "node:net";
import { dirname } from "node:path";
import { UserError } from "../../core/errors/user-error.ts";

/** Linux takes 108 bytes, a final zero among them. */
const LONGEST_PATH_BYTES = 107;
const ANSWER_WITHIN_MS = 2_000;

/**
 * Makes way for the agent's socket: one that a killed agent left is removed. Throws a UserError when an agent answers there, when
 * something else lies there, or when the path can't be one of a socket.
 */
export async function clearSocket(path: string): Promise<void> {
  if (Buffer.byteLength(path) > LONGEST_PATH_BYTES) {
    throw new UserError(
      "socket-path-long",
      `the path of the agent's socket is longer than ${LONGEST_PATH_BYTES} bytes: ${path}`,
      "Give a shorter one with --socket.",
    );
  }
  try {
    mkdirSync(dirname(path), { recursive: true, mode: 0o755 });
  } catch (error) {
    throw new UserError(
      "agent-state",
      `the folder of the socket ${path} can't be made: ${(error as Error).message}`,
      "Give another path with --socket.",
    );
  }
  const there = lstatSync(path, { throwIfNoEntry: false });
  if (there === undefined) return;
  if (!there.isSocket())
    throw new UserError("agent-state", `${path} is there and is no socket`, "Remove it, or give another path with --socket.");
  if (await answers(path)) {
    throw new UserError(
      "agent-running",
      `another agent already answers on ${path}`,
      "Use it, or stop it first: systemctl stop setpoint-agent",
    );
  }
  rmSync(path, { force: true });
}

/** True when a process listens there; one that is too slow to take a connection counts as there. */
function answers(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(path);
    const timer = setTimeout(() => finish(true), ANSWER_WITHIN_MS);
    function finish(answer: boolean): void {
      clearTimeout(timer);
      socket.destroy();
      resolve(answer);
    }
    socket.on("connect", () => finish(true));
    socket.on("error", (error: NodeJS.ErrnoException) => finish(error.code !== "ENOENT" && error.code !== "ECONNREFUSED"));
  });
}
