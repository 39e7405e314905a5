import { StepError } from "../ports.ts";
import type { Api } from "./api.ts";
import { ApiError, hasStatus } from "./api-error.ts";
import type { Gate } from "./gate.ts";
import { pullQuery } from "./image-reference.ts";
import { isPresent } from "./infra-image.ts";
import { readLines } from "./lines.ts";

/**
 * An image that is here is fine, whatever the registry would say. Otherwise it is pulled; there is no total limit, but one on silence.
 * Rejects with `image-not-found` for what the registry does not have, `registry-denied`, `disk-full`, or `pull-failed` for a registry that
 * can't be reached.
 */
export async function pull(api: Api, gate: Gate, image: string, signal: AbortSignal): Promise<void> {
  try {
    if (await isPresent(api, image, signal)) return;
  } catch (error) {
    // 400: no engine could have an image of such a name.
    if (hasStatus(error, 400)) throw pullError(image, (error as ApiError).message);
    throw error;
  }
  await gate.run(signal, async () => {
    try {
      await download(api, image, signal);
    } catch (error) {
      throw error instanceof ApiError ? pullError(image, error.message) : error;
    }
  });
}

async function download(api: Api, image: string, signal: AbortSignal): Promise<void> {
  const query = { ...pullQuery(image) };
  const { silenceMs } = api.deadlines;
  const answer = await api.stream({ method: "POST", path: "/images/create", query, deadlineMs: silenceMs, waits: true, signal });
  for await (const line of readLines(answer, api.clock, silenceMs)) {
    const { error } = JSON.parse(line) as { readonly error?: string };
    if (error !== undefined) throw pullError(image, error);
  }
}

/** First match first; the engine gives sentences only. Docker Hub says "denied" of repositories that do not exist. */
function pullError(image: string, message: string): StepError {
  const text = `image ${image}: ${message}`;
  if (/no space left on device|disk quota exceeded/i.test(message)) return new StepError("disk-full", text);
  if (/manifest unknown|manifest for .* not found|not found|name unknown|repository does not exist|invalid reference/i.test(message)) {
    return new StepError("image-not-found", text, { retry: "permanent" });
  }
  if (/unauthorized|denied|authentication required|no basic auth/i.test(message)) return new StepError("registry-denied", text);
  return new StepError("pull-failed", text);
}
