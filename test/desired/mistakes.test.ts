import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { ERRORS } from "../../reconciler/core/errors/catalogue.ts";
import { DESIRED_ERRORS } from "../../reconciler/core/errors/desired.ts";
import type { ManifestProblem } from "../../reconciler/core/manifests.ts";
import { buildDesired } from "../../reconciler/plan/desired/builder.ts";
import { manifestsFrom } from "./documents.ts";

/**
 * mistakes.txt: documents that are always there, then cases: `===== title`, more documents, `-----`, and what is said about
 * them. After a wanted change of messages `npx vitest run test/desired -u` writes them anew; read the diff.
 */
const script = readFileSync(new URL("mistakes.txt", import.meta.url), "utf8");
const [base = "", ...cases] = script.split(/^===== /m);

interface Case {
  readonly title: string;
  readonly documents: string;
  readonly problems: readonly ManifestProblem[];
  readonly valid: boolean;
}

const run: readonly Case[] = cases.map((text) => {
  const [, title = "", documents = ""] = /^(.*)\n([^]*?)^-----$/m.exec(text) ?? [];
  const { desired, problems } = buildDesired(manifestsFrom({ "base.yaml": base, "case.yaml": documents }));
  return { title, documents, problems, valid: desired !== null };
});

function print({ position, severity, message, code, hint }: ManifestProblem): string {
  const said = `${position?.file}:${position?.line}:${position?.column}: ${severity}: ${message} [${code}]`;
  return hint === "" ? `${said}\n` : `${said}\n  ${hint}\n`;
}

describe("mistakes across documents", () => {
  it("are told apart, each at its place and in whole sentences", async () => {
    const now = run.map(({ title, documents, problems }) => `===== ${title}\n${documents}-----\n${problems.map(print).join("")}`);
    await expect(base + now.join("")).toMatchFileSnapshot("mistakes.txt");
  });

  it.each(run)("$title: errors stop the Revision, warnings don't", ({ problems, valid }) => {
    expect(valid).toBe(problems.every(({ severity }) => severity === "warning"));
  });

  it("cover every code but those that take more than 200 Sets and 64 KiB", () => {
    const seen = new Set(run.flatMap(({ problems }) => problems.map(({ code }) => code)));
    expect(Object.keys(DESIRED_ERRORS).filter((code) => !seen.has(code))).toEqual(["apart-too-many", "config-too-large"]);
    for (const code of seen) expect(ERRORS).toHaveProperty(code);
  });

  it("show the line", () => {
    const unknownPool = run.flatMap(({ problems }) => problems).find(({ code }) => code === "unknown-pool");
    expect(unknownPool?.frame).toBe("5 |   pool: mian\n            ^");
  });
});
