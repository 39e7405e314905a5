import { connect, type Socket } from "node:net";
import { join } from "node:path";
import { UserError } from "../../core/errors/user-error.ts";
import { startStream, StreamEndError } from "../../sys/stream-process.ts";

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

/**
 * As `dial`, also for a user who may not open the agent's socket but may use sudo without a password: then it is done again as root.
 * `environment`: of sudo.
 */
export async function dialAsMayBe(path: string, environment: Readonly<Record<string, string>>, streams?: DialStreams): Promise<number> {
  try {
    return await dial(path, streams);
  } catch (error) {
    if (!(error instanceof UserError) || error.code !== "agent-denied") throw error;
    return await dialBySudo(path, environment, error, streams);
  }
}

/** Joins the streams to a dial that root runs. Rejects with `denied` when sudo wants a password or is not there. */
export async function dialBySudo(
  path: string,
  environment: Readonly<Record<string, string>>,
  denied: UserError,
  { input, output }: DialStreams = { input: process.stdin, output: process.stdout },
): Promise<number> {
  const program = join(import.meta.dirname, "../../setpoint");
  const stream = startStream({ program: "sudo", args: ["-n", program, "agent", "dial", "--socket", path], folder: "/", environment });
  try {
    return await new Promise((resolve, reject) => {
      input.pipe(stream);
      stream.pipe(output, { end: false });
      stream.once("end", () => output.write("", () => resolve(0)));
      stream.once("error", (error) => output.write("", () => reject(sudoTrouble(error, path, denied))));
      output.once("error", () => resolve(1));
    });
  } finally {
    input.unpipe(stream);
    stream.destroy();
    input.pause();
  }
}

/** What the second dial said in its own words; where sudo did not let it begin, what was said before. */
function sudoTrouble(error: Error, path: string, denied: UserError): Error {
  if (!(error instanceof StreamEndError)) return error;
  const said = error.end.kind === "not-found" ? "" : error.end.stderr;
  const [, message, code, hint = ""] = /^error: (.*) \[([a-z-]+)\]$(?:\n {2}hint: (.*)$)?/m.exec(said) ?? [];
  if (message !== undefined) return new UserError(code!, message, hint);
  return error.end.kind === "killed" ? closed(path) : denied;
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
      "Connect as root or as the user who runs the agent, or let this user sudo without a password.",
    );
  }
  return new UserError(
    "agent-absent",
    `the connection to the agent on ${path} failed: ${message}`,
    "Look at its log: journalctl -u setpoint-agent",
  );
}
