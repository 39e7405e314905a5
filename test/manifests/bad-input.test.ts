import { expect, test } from "vitest";
import { printProblems } from "../../reconciler/core/problems.ts";
import { createManifestLoader } from "../../reconciler/io/manifests/loader.ts";
import { BAD_MANIFESTS } from "./bad-manifests.ts";

const loader = createManifestLoader();

/** One section per mistake: its title, what was written, and the whole message. */
async function messages(): Promise<string> {
  const sections: string[] = [];
  for (const [title, text] of Object.entries(BAD_MANIFESTS)) {
    const file = { path: "web.yaml", blobId: title, sizeBytes: null, read: () => Buffer.from(text) };
    const result = await loader.load([file], "c0ffee");
    expect(result.kind, title).toBe("invalid");
    sections.push(`## ${title}\n\n${printProblems(result.problems)}\n`);
  }
  return sections.join("\n");
}

test("every mistake has its exact message", async () => {
  expect(Object.keys(BAD_MANIFESTS).length).toBeGreaterThanOrEqual(60);
  await expect(await messages()).toMatchFileSnapshot("bad-manifests.messages.txt");
});
