import type { IncomingMessage } from "node:http";
import { HEARTBEAT_EVERY_MS, type LeaseEcho, type WatchLine } from "../../core/agent-wire.ts";
import type { HostObservation } from "../../core/observation.ts";
import { LineSplitter } from "./lines.ts";
import type { Wheel } from "./wheel.ts";

/** Heartbeats missed before a silent host counts as lost; half a second more, since both clocks and the line have their ways. */
const MISSED_HEARTBEATS = 3;
const SILENT_AFTER_MS = MISSED_HEARTBEATS * HEARTBEAT_EVERY_MS + 500;
/** The first line is an observation, for which the agent asks the engine. */
const FIRST_LINE_WITHIN_MS = 15_000;
/** Every host sends one a second; nobody here looks into them. */
const SAMPLE = Buffer.from('{"type":"sample"');

export interface WatchListener {
  observed(observation: HostObservation): void;
  beat(echo: LeaseEcho): void;
}

/** Listens until the stream is over or silent, and resolves with why; rejects with the error that broke it. */
export function watchLines(
  response: IncomingMessage,
  { wheel, now }: { readonly wheel: Wheel; readonly now: () => number },
  listener: WatchListener,
): Promise<string> {
  return new Promise((resolve, reject) => {
    const lines = new LineSplitter();
    let lastAtMs = now();
    let withinMs: number = FIRST_LINE_WITHIN_MS;
    let cancel = wheel.after(withinMs, lookAtSilence);
    function end(why: string): void {
      cancel();
      response.destroy();
      resolve(why);
    }
    /** Looked at when the time could be up, and no timer is touched by a heartbeat. */
    function lookAtSilence(): void {
      const leftMs = lastAtMs + withinMs - now();
      if (leftMs > 0) cancel = wheel.after(leftMs, lookAtSilence);
      else if (withinMs === FIRST_LINE_WITHIN_MS) end(`it reported nothing within ${FIRST_LINE_WITHIN_MS / 1000} s; does its Docker hang?`);
      else end(`no heartbeat for ${MISSED_HEARTBEATS} s`);
    }
    response.on("data", (chunk: Buffer) => {
      lastAtMs = now();
      if (withinMs === FIRST_LINE_WITHIN_MS) {
        withinMs = SILENT_AFTER_MS;
        cancel();
        cancel = wheel.after(withinMs, lookAtSilence);
      }
      try {
        for (const line of lines.push(chunk)) take(line, listener);
      } catch (error) {
        end(`it said what no agent says: ${(error as Error).message}`);
      }
    });
    response.on("error", (error) => {
      // The stream below knows more than "aborted".
      reject(response.socket?.errored ?? error);
      end("");
    });
    response.on("close", () => end("the agent closed the connection"));
  });
}

function take(line: Buffer, listener: WatchListener): void {
  if (line.length === 0 || line.subarray(0, SAMPLE.length).equals(SAMPLE)) return;
  const said = JSON.parse(line.toString()) as WatchLine;
  switch (said.type) {
    case "observation":
      return listener.observed(said.observation);
    case "heartbeat":
      return listener.beat({ boot: said.boot, beat: said.beat });
    case "sample":
      return;
    default:
      // A newer agent may say more than this reconciler knows.
      return said satisfies never;
  }
}
