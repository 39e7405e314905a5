import { connect, type Socket } from "node:net";
import { UserError } from "../../core/errors/user-error.ts";

export interface DialStreams {
  readonly input: NodeJS.ReadableStream;
  readonly output: NodeJS.WritableStream;
}

const CONNECT_WITHIN_MS = 5_000;

/**
 * `setpoint agent dial`: joins stdin and stdout to the agent's socket. 0 when our input ended first and the agent then said all it had to
 * say. Rejects with a UserError at once when no agent listens, or when it ends the stream by itself or dies: whoever is at the other end
 * of ssh sees the connection close, and why.
 */
export async function dial(
  path: string,
  { input, output }: DialStreams = { input: process.stdin, output: process.stdout },
): Promise<number> {
  const socket = await open(path);
  let inputEnded = false;
  input.once("end", () => (inputEnded = true));
  try {
    return await new Promise((resolve, reject) => {
      // The end of our input is the end of what we send; what the agent still has to say is read to its end.
      input.pipe(socket);
      socket.pipe(output, { end: false });
      socket.once("end", () => {
        if (inputEnded) output.write("", () => resolve(0));
        else output.write("", () => reject(closed(path)));
      });
      socket.once("error", (error: NodeJS.ErrnoException) => output.write("", () => reject(trouble(path, error))));
      // Nobody reads any more: as when the ssh connection is gone.
      output.once("error", () => resolve(1));
    });
  } finally {
    input.unpipe(socket);
    socket.destroy();
    // A stdin that is still open would keep the process.
    input.pause();
  }
}

function open(path: string): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connect({ path, allowHalfOpen: true });
    const timer = setTimeout(() => socket.destroy(Object.assign(new Error("no answer"), { code: "ETIMEDOUT" })), CONNECT_WITHIN_MS);
    socket.once("connect", () => {
      clearTimeout(timer);
      socket.removeAllListeners("error");
      resolve(socket);
    });
    socket.once("error", (error: NodeJS.ErrnoException) => {
      clearTimeout(timer);
      reject(trouble(path, error));
    });
  });
}

function closed(path: string): UserError {
  return new UserError(
    "agent-closed",
    `the agent on ${path} closed the connection`,
    "It was stopped, or died: systemctl status setpoint-agent",
  );
}

function trouble(path: string, { code = "", message }: NodeJS.ErrnoException): UserError {
  if (code === "ECONNRESET" || code === "EPIPE") return closed(path);
  if (code === "ENOENT" || code === "ECONNREFUSED") {
    return new UserError("agent-absent", `no agent listens on ${path}`, "Start it on this host: systemctl start setpoint-agent");
  }
  if (code === "EACCES" || code === "EPERM") {
    return new UserError(
      "agent-denied",
      `you may not use the agent's socket ${path}`,
      "Connect as root, or as the user who runs the agent.",
    );
  }
  return new UserError(
    "agent-absent",
    `the connection to the agent on ${path} failed: ${message}`,
    "Look at its log: journalctl -u setpoint-agent",
  );
}
