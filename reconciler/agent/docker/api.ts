import { Agent, type IncomingMessage } from "node:http";
import type { Socket } from "node:net";
import { inspect } from "node:util";
import Docker from "dockerode";
import { type Clock, StepError } from "../ports.ts";
import { ApiError, connectionError } from "./api-error.ts";
import { askWithin } from "./deadline.ts";
import { createGate } from "./gate.ts";

/** Longest waits, in milliseconds. */
export interface Deadlines {
  readonly pingMs: number;
  readonly readMs: number;
  /** Creating and starting: a dead network plugin alone costs 15 s. */
  readonly writeMs: number;
  /** A stream that says nothing for so long is dead. */
  readonly silenceMs: number;
}

export const DEADLINES: Deadlines = { pingMs: 2_000, readMs: 10_000, writeMs: 60_000, silenceMs: 60_000 };

/** The lowest API that has all we use, and the one we speak where the engine can. */
const LOWEST_MINOR = 40;
const SPOKEN_MINOR = 41;

const CALLS_AT_ONCE = 16;
/** Calls that mostly wait (a grace period, a hook): they would keep others from their turn. */
const WAITS_AT_ONCE = 64;
const MAX_WAITING = 4_096;

export interface Call {
  readonly method: "GET" | "POST" | "DELETE";
  /** Below the version, e.g. `/containers/json`. */
  readonly path: string;
  readonly query?: Readonly<Record<string, string>>;
  readonly body?: unknown;
  /** A tar stream in place of a JSON body. */
  readonly file?: Buffer;
  readonly deadlineMs?: number;
  /** The engine takes its time by intention: a place among those that wait. */
  readonly waits?: boolean;
  readonly signal: AbortSignal;
}

/** The engine's HTTP API: negotiated, bounded, with deadlines. */
export interface Api {
  readonly deadlines: Deadlines;
  readonly clock: Clock;
  /** The JSON answer, of no meaning where the engine gives none. Rejects with ApiError, or with StepError for the connection and deadlines. */
  call<T>(call: Call): Promise<T>;
  /** As call, for an answer that is a stream: the deadline is for its beginning, then only the signal ends it. */
  stream(call: Call): Promise<IncomingMessage>;
  /** As stream, for a connection in both directions. */
  hijack(call: Call): Promise<Socket>;
  /** Without a place in line, so that others can't delay it. */
  ping(signal: AbortSignal): Promise<void>;
  version(signal: AbortSignal): Promise<EngineVersion>;
  close(): void;
}

export interface EngineVersion {
  readonly version: string;
  /** The one spoken: `1.41`. */
  readonly apiVersion: string;
}

interface DialOptions {
  readonly path: string;
  readonly method: string;
  readonly options: { readonly _query: object; readonly _body: unknown };
  readonly file?: Buffer | undefined;
  readonly abortSignal: AbortSignal;
  readonly isStream: boolean;
  readonly hijack?: boolean;
  readonly statusCodes: Readonly<Record<number, true>>;
}

type Dial = (options: DialOptions, callback: (error: unknown, answer: unknown) => void) => void;

const SUCCESS = { 101: true, 200: true, 201: true, 204: true, 304: true } as const;

/** Connects lazily: nothing happens before the first call. */
export function createApi(socketPath: string, clock: Clock, deadlines: Deadlines): Api {
  // dockerode prints all of it for its debug log at every call, log or not: of an agent with its sockets that takes 10 ms.
  const agent = Object.assign(new Agent({ keepAlive: true, maxFreeSockets: CALLS_AT_ONCE }), { [inspect.custom]: () => "agent" });
  // Explicit, since the environment (DOCKER_HOST and others) would win over what is left out.
  const connection: Docker.DockerOptions & { readonly agent: Agent } = {
    socketPath,
    agent,
    protocol: "http",
    host: undefined,
    timeout: undefined,
  };
  const { modem } = new Docker(connection) as { readonly modem: { readonly dial: Dial } };
  const calls = createGate(CALLS_AT_ONCE, MAX_WAITING);
  const waits = createGate(WAITS_AT_ONCE, MAX_WAITING);
  let negotiated: EngineVersion | null = null;

  function dial(path: string, call: Call, kind: "json" | "stream" | "hijack", signal: AbortSignal): Promise<unknown> {
    return new Promise((resolve, reject) => {
      const options = { _query: call.query ?? {}, _body: call.body ?? {} };
      const how = { method: call.method, options, file: call.file, abortSignal: signal, isStream: kind !== "json", statusCodes: SUCCESS };
      modem.dial({ ...how, path: `${path}?`, hijack: kind === "hijack" }, (error, answer) => {
        if (error === null || error === undefined) resolve(answer);
        else reject(apiError(error) ?? (connectionError(error, socketPath) as Error));
      });
    });
  }

  /** Asks again after each loss of the engine, since another one may come back. */
  async function version(signal: AbortSignal): Promise<EngineVersion> {
    if (negotiated !== null) return negotiated;
    const call: Call = { method: "GET", path: "/version", signal };
    const limits = { what: "GET /version", ms: deadlines.readMs, signal };
    const answer = await askWithin(clock, limits, (inner) => dial(call.path, call, "json", inner));
    negotiated = negotiate(answer as VersionAnswer);
    return negotiated;
  }

  async function send(call: Call, kind: "json" | "stream" | "hijack"): Promise<unknown> {
    const { apiVersion } = await version(call.signal);
    const fallbackMs = call.method === "GET" ? deadlines.readMs : deadlines.writeMs;
    const limits = { what: `${call.method} ${call.path}`, ms: call.deadlineMs ?? fallbackMs, signal: call.signal };
    const gate = call.waits === true ? waits : calls;
    try {
      return await askWithin(clock, limits, (inner) =>
        gate.run(inner, () =>
          dial(`/v${apiVersion}${call.path}`, call, kind, kind === "json" ? inner : AbortSignal.any([inner, call.signal])),
        ),
      );
    } catch (error) {
      if (error instanceof StepError && error.code === "engine-unreachable") negotiated = null;
      throw error;
    }
  }

  return {
    deadlines,
    clock,
    version,
    call: async <T>(call: Call) => (await send(call, "json")) as T,
    stream: async (call) => (await send(call, "stream")) as IncomingMessage,
    hijack: async (call) => (await send(call, "hijack")) as Socket,
    async ping(signal) {
      const call: Call = { method: "GET", path: "/_ping", signal };
      await askWithin(clock, { what: "GET /_ping", ms: deadlines.pingMs, signal }, (inner) => dial(call.path, call, "json", inner));
    },
    close: () => agent.destroy(),
  };
}

interface VersionAnswer {
  readonly Version: string;
  readonly ApiVersion: string;
  readonly MinAPIVersion?: string;
}

/** The version we know best, as far as the engine goes along: newer engines have forgotten old ones. */
function negotiate(answer: VersionAnswer): EngineVersion {
  const [newest, oldest] = [minorOf(answer.ApiVersion), minorOf(answer.MinAPIVersion ?? "1.0")];
  if (newest < LOWEST_MINOR) {
    const text = `the container engine ${answer.Version} speaks API ${answer.ApiVersion}; 1.${LOWEST_MINOR} (Docker 19.03) is the oldest that works`;
    throw new StepError("engine-too-old", text, { retry: "permanent", outcome: "refused" });
  }
  return { version: answer.Version, apiVersion: `1.${Math.max(Math.min(newest, SPOKEN_MINOR), oldest)}` };
}

function minorOf(version: string): number {
  return Number(version.split(".")[1] ?? 0);
}

/** The engine's own answer inside dockerode's error; null for an error of the connection. */
function apiError(error: unknown): ApiError | null {
  const { statusCode, json, message } = error as { statusCode?: number; json?: { message?: string } | null; message?: string };
  if (statusCode === undefined) return null;
  const text = json?.message ?? (message ?? "").replace(/^\(HTTP code \d+\) .*? - /s, "");
  return new ApiError(statusCode, text.trim());
}
