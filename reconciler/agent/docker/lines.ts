import type { Readable } from "node:stream";
import { type Clock, StepError } from "../ports.ts";

/** A line of the engine's streams is far shorter. */
const MOST_CHARACTERS = 1_048_576;

/**
 * Splits a stream of text into its lines, without the line ends and without empty ones. Rejects with `engine-timeout` when the stream
 * says nothing for `silenceMs`, with a RangeError for a line that has no end.
 */
export async function* readLines(stream: Readable, clock: Clock, silenceMs: number): AsyncGenerator<string> {
  const decoder = new TextDecoder();
  let rest = "";
  for await (const chunk of unlessSilent(stream, clock, silenceMs)) {
    const parts = (rest + decoder.decode(chunk, { stream: true })).split("\n");
    rest = parts.pop()!;
    if (rest.length > MOST_CHARACTERS) throw new RangeError(`a line of more than ${MOST_CHARACTERS} characters`);
    for (const part of parts) if (part.trim() !== "") yield part.trim();
  }
  if (rest.trim() !== "") yield rest.trim();
}

/** The stream, which is destroyed when no chunk comes for so long. */
async function* unlessSilent(stream: Readable, clock: Clock, silenceMs: number): AsyncGenerator<Buffer> {
  let timer = watch(stream, clock, silenceMs);
  try {
    for await (const chunk of stream) {
      timer.abort();
      yield chunk as Buffer;
      timer = watch(stream, clock, silenceMs);
    }
  } finally {
    timer.abort();
  }
}

function watch(stream: Readable, clock: Clock, silenceMs: number): AbortController {
  const timer = new AbortController();
  clock.sleep(silenceMs, timer.signal).then(
    () => stream.destroy(new StepError("engine-timeout", `the container engine said nothing for ${silenceMs / 1_000} s`)),
    () => {},
  );
  return timer;
}
