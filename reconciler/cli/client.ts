import { request, type IncomingMessage } from "node:http";
import { createInterface } from "node:readline";
import { UserError } from "../core/errors/user-error.ts";
import type { ErrorReply, LiveEvent } from "../api/types.ts";
import { socketPathFits } from "../api/socket.ts";
import type { StateFolder } from "./state-folder.ts";

/** Longest wait for an answer; a plan of a large folder takes a few seconds. */
const ANSWER_WITHIN_MS = 10_000;
const LARGEST_ANSWER_BYTES = 512 * 1024 * 1024;

/** The daemon's answer as its documented JSON; null when no daemon runs on that state folder. */
export async function askDaemon<Answer>(state: StateFolder, path: string): Promise<Answer | null> {
  return await whenRunning(call<Answer>(state, "GET", path, null, ANSWER_WITHIN_MS));
}

/** As askDaemon, with a body; for verbs that may also do without a daemon. */
export async function postDaemon<Answer>(
  state: StateFolder,
  path: string,
  body: object,
  withinMs = ANSWER_WITHIN_MS,
): Promise<Answer | null> {
  return await whenRunning(call<Answer>(state, "POST", path, body, withinMs));
}

/** Tells the daemon to do something. Throws a UserError when none runs. */
export async function tellDaemon<Answer>(state: StateFolder, path: string, body: object): Promise<Answer> {
  const answer = await postDaemon<Answer>(state, path, body);
  if (answer !== null) return answer;
  throw new UserError(
    "no-daemon",
    `no daemon runs on the state folder ${state.dir}`,
    "Start one with `setpoint daemon --repo ...`, or give its state folder with --state.",
  );
}

/** Yields what happens, until the signal aborts or the daemon ends; null when no daemon runs. */
export async function followDaemon(state: StateFolder, signal: AbortSignal): Promise<AsyncIterable<LiveEvent> | null> {
  const response = await whenRunning(open(state, "GET", "/v1/events", null, AbortSignal.any([signal])));
  return response === null ? null : liveEvents(response, signal);
}

async function* liveEvents(response: IncomingMessage, signal: AbortSignal): AsyncIterable<LiveEvent> {
  try {
    for await (const line of createInterface({ input: response })) {
      if (line !== "") yield JSON.parse(line) as LiveEvent;
    }
  } catch (error) {
    if (!signal.aborted && (error as NodeJS.ErrnoException).code !== "ECONNRESET") throw error;
  }
}

/** Nobody listens: null. */
async function whenRunning<Answer>(answer: Promise<Answer>): Promise<Answer | null> {
  try {
    return await answer;
  } catch (error) {
    if (error instanceof NobodyListens) return null;
    throw error;
  }
}

class NobodyListens extends Error {}

async function call<Answer>(state: StateFolder, method: string, path: string, body: object | null, withinMs: number): Promise<Answer> {
  const signal = AbortSignal.timeout(withinMs);
  try {
    const response = await open(state, method, path, body, signal);
    const answer = await readJson(response);
    if (response.statusCode === 200 && answer !== null) return answer as Answer;
    throw refusal(state, answer);
  } catch (error) {
    if (!signal.aborted || error instanceof UserError) throw error;
    throw new UserError(
      "daemon-silent",
      `the daemon on ${state.dir} gave no answer within ${withinMs / 1000} s`,
      "See its log; it may be overloaded or stopped. Try again, or restart it: nothing is lost.",
    );
  }
}

/** A request; resolves with the head of the response. */
function open(state: StateFolder, method: string, path: string, body: object | null, signal: AbortSignal): Promise<IncomingMessage> {
  if (!socketPathFits(state.socket)) return Promise.reject(new NobodyListens());
  const text = body === null ? null : JSON.stringify(body);
  const headers = text === null ? {} : { "content-type": "application/json", "content-length": Buffer.byteLength(text) };
  return new Promise((resolve, reject) => {
    const outgoing = request({ socketPath: state.socket, method, path, headers, signal, agent: false });
    outgoing.on("response", resolve);
    outgoing.on("error", (error: NodeJS.ErrnoException) => reject(connectTrouble(state, error)));
    outgoing.end(text ?? undefined);
  });
}

function connectTrouble(state: StateFolder, error: NodeJS.ErrnoException): Error {
  // ENOENT: never started or cleanly ended. ECONNREFUSED: killed, its socket file stayed. ENOTDIR: no such state folder.
  if (error.code === "ENOENT" || error.code === "ECONNREFUSED" || error.code === "ENOTDIR") return new NobodyListens();
  if (error.code === "EACCES") {
    return new UserError(
      "socket-denied",
      `you may not speak to the daemon on ${state.dir}: its socket belongs to another user`,
      "Run this as the user who runs the daemon, for example with sudo -u.",
    );
  }
  if (error.code?.startsWith("HPE_") === true) return strangeAnswer(state);
  if (error.code === "ECONNRESET")
    return new UserError(
      "daemon-silent",
      `the daemon on ${state.dir} closed the connection before it answered`,
      "It may be stopping. Try again.",
    );
  return error;
}

async function readJson(response: IncomingMessage): Promise<unknown> {
  const chunks: Buffer[] = [];
  let sizeBytes = 0;
  for await (const chunk of response as AsyncIterable<Buffer>) {
    sizeBytes += chunk.length;
    if (sizeBytes > LARGEST_ANSWER_BYTES) return null;
    chunks.push(chunk);
  }
  try {
    return JSON.parse(Buffer.concat(chunks).toString("utf8"));
  } catch {
    return null;
  }
}

function refusal(state: StateFolder, answer: unknown): UserError {
  const { code, message, hint } = (answer ?? {}) as Partial<ErrorReply>;
  if (typeof code !== "string" || typeof message !== "string") return strangeAnswer(state);
  return new UserError(code, message, hint ?? "");
}

function strangeAnswer(state: StateFolder): UserError {
  return new UserError(
    "daemon-answer",
    `what answers on ${state.socket} does not speak as this version's daemon does`,
    "Use the same version of setpoint for the daemon and the other verbs.",
  );
}
