import { readFileSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { pathToFileURL } from "node:url";
import { afterAll, beforeAll, expect, test } from "vitest";
import { readFolder } from "../../reconciler/io/manifests/folder.ts";
import { startLanguageServer, type LanguageServer } from "./language-server.ts";

/** What an editor with yaml-language-server shows for manifests: the schemas are its only knowledge. */
const EXAMPLE = join(import.meta.dirname, "../../manifests-example");
const WEB = "sets/team-shop/web.yaml";
let server: LanguageServer;
let opened = 0;

beforeAll(async () => {
  server = await startLanguageServer();
});

afterAll(() => server.close());

/** A new document beside the file, so that its reference to the schema holds. */
function uri(path: string): string {
  return pathToFileURL(join(EXAMPLE, dirname(path), `${opened++}-${basename(path)}`)).href;
}

function read(path: string): string {
  return readFileSync(join(EXAMPLE, path), "utf8");
}

test("no complaint about the example", async () => {
  const { files } = await readFolder(EXAMPLE);
  const shown = await Promise.all(files.map(async ({ path }) => [path, await server.diagnostics(uri(path), read(path))]));
  expect(shown).toEqual(files.map(({ path }) => [path, []]));
});

test("a misspelt field is shown where it stands", async () => {
  const text = read(WEB).replace("  priority: core", "  priorty: core");
  const line = text.split("\n").findIndex((written) => written.includes("priorty"));
  expect(await server.diagnostics(uri(WEB), text)).toEqual([{ line, message: "Property priorty is not allowed." }]);
});

test("a bad quantity is shown in the loader's own words", async () => {
  const shown = await server.diagnostics(uri(WEB), read(WEB).replace("memory: {request: 512Mi", "memory: {request: 512 MB"));
  expect(shown.map(({ message }) => message)).toEqual([
    "a size is written with a unit such as 512Mi, 2Gi (powers of 1024) or 500M, 2G (powers of 1000)",
  ]);
});

test("completion offers the fields that may stand here", async () => {
  const lines = read(WEB).split("\n");
  const line = lines.findIndex((written) => written.startsWith("  priority:"));
  const text = [...lines.slice(0, line), "  ", ...lines.slice(line)].join("\n");
  const offered = await server.completion(uri(WEB), text, { line, character: 2 });
  expect(offered).toEqual(expect.arrayContaining(["failover", "replicas"]));
  expect(offered).not.toContain("hosts");
});

test("completion offers the values of a choice", async () => {
  const text = read(WEB).replace(/ {2}priority: core.*/, "  failover: ");
  const line = text.split("\n").findIndex((written) => written.startsWith("  failover:"));
  expect(await server.completion(uri(WEB), text, { line, character: 12 })).toEqual(
    expect.arrayContaining(["always", "after-fence", "never"]),
  );
});

test("hovering over a field explains it", async () => {
  const line = read(WEB)
    .split("\n")
    .findIndex((written) => written.startsWith("  scaling:"));
  expect(await server.hover(uri(WEB), read(WEB), { line, character: 4 })).toContain(
    "Bounds for a Set whose number of Instances is decided by scaling Policies",
  );
});
