import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { printProblems } from "../../reconciler/core/problems.ts";
import { readFolder } from "../../reconciler/io/manifests/folder.ts";
import { MAX_DOCUMENTS, MAX_FILE_BYTES, MAX_FILES, MAX_PROBLEMS_PER_FILE } from "../../reconciler/io/manifests/limits.ts";
import { createManifestLoader, type LoadResult } from "../../reconciler/io/manifests/loader.ts";
import type { ManifestFile } from "../../reconciler/io/manifests/manifest-file.ts";
import { generateManifestTypes } from "../../schemas/generate.ts";
import { VALID_MANIFESTS } from "./bad-manifests.ts";

const { SET, POOL, POLICY } = VALID_MANIFESTS;
const loader = createManifestLoader();

function file(path: string, text: string | Uint8Array, blobId = String(text)): ManifestFile {
  return { path, blobId, sizeBytes: null, read: () => Buffer.from(text) };
}

async function load(...files: ManifestFile[]): Promise<LoadResult> {
  return loader.load(files, "c0ffee");
}

async function loaded(result: Promise<LoadResult>) {
  const reading = await result;
  if (reading.kind !== "loaded") throw new Error(printProblems(reading.problems));
  return reading.manifests;
}

async function complaints(...files: ManifestFile[]): Promise<string> {
  const result = await load(...files);
  expect(result.kind).toBe("invalid");
  return printProblems(result.problems);
}

test("the committed types are those of the schemas", async () => {
  const committed = readFileSync(new URL("../../reconciler/core/manifest-types.ts", import.meta.url), "utf8");
  expect(committed, "run `npm run generate`").toBe(await generateManifestTypes());
});

test("the example is valid", async () => {
  const { files, commit, problems } = await readFolder(new URL("../../manifests-example", import.meta.url).pathname);
  const { sets, pools, policies, revision } = await loaded(loader.load(files, commit, problems));
  expect(revision.commit).toMatch(/^dir-[0-9a-f]{12}$/);
  expect(sets.map(({ manifest }) => manifest.metadata.name)).toHaveLength(11);
  expect(pools).toHaveLength(2);
  expect(policies.map(({ manifest }) => Object.keys(manifest.spec).at(-1))).toEqual(["placement", "scaling", "config"]);
});

test("documents of all kinds, by path and then by place in the file", async () => {
  const manifests = await loaded(
    load(
      file("z.yml", POOL),
      file("a.yaml", `${SET}---\n# nothing\n---\n${SET.replace("name: web\n", "name: api\n")}`),
      file("b/c.yaml", POLICY),
    ),
  );
  expect(manifests.sets.map(({ manifest }) => manifest.metadata.name)).toEqual(["web", "api"]);
  expect(manifests.sets.map(({ position }) => position)).toEqual([
    { file: "a.yaml", line: 1, column: 1 },
    { file: "a.yaml", line: 26, column: 1 },
  ]);
  expect(manifests.pools[0]?.manifest.spec.hosts[0]?.name).toBe("a-[01-10]");
  expect(manifests.policies[0]?.position.file).toBe("b/c.yaml");
});

test("positions of nested keys and values", async () => {
  const { sets } = await loaded(load(file("a.yaml", SET)));
  const at = (...path: (string | number)[]): string => {
    const { line, column } = sets[0]!.at(path);
    return `${line}:${column}`;
  };
  expect(at("spec", "pool")).toBe("6:9"); // a single value: the value
  expect(at("spec", "template")).toBe("8:3"); // a map: its key
  expect(at("spec", "template", "containers", 0)).toBe("10:9"); // a list item: its start
  expect(at("spec", "template", "containers", 0, "ports", 0, "port")).toBe("17:32");
  expect(at("spec", "template", "containers", 0, "health", "tcp")).toBe("18:9"); // not written: the parent
  expect(at("spec", "placement", "zones")).toBe("5:1");
  expect(at()).toBe("1:1");
  expect(sets[0]!.frame(sets[0]!.at(["spec", "pool"]))).toBe("  5 | spec:\n  6 |   pool: main\n    |         ^");
});

test("positions in the second document and behind an alias", async () => {
  const text = `${POLICY}---\n${SET.replace("{MODE: fast}", "&env {MODE: fast}").replace("    volumes:", "      - name: b\n        image: b\n        env: *env\n        resources: {cpu: {request: 1}, memory: {request: 1}}\n    volumes:")}`;
  const { sets } = await loaded(load(file("a.yaml", text)));
  expect(sets[0]!.manifest.spec.template.containers[1]?.env).toEqual({ MODE: "fast" });
  expect(sets[0]!.at(["spec", "pool"])).toEqual({ file: "a.yaml", line: 19, column: 9 });
  expect(sets[0]!.at(["spec", "template", "containers", 1, "env", "MODE"])).toEqual({ file: "a.yaml", line: 25, column: 26 });
});

test("an unchanged file gives the same objects and is not read again", async () => {
  const loader = createManifestLoader();
  const first = await loaded(loader.load([file("a.yaml", SET), file("b.yaml", POOL)], "one"));
  const unread: ManifestFile = { ...file("a.yaml", SET), read: () => expect.fail("read again") };
  const second = await loaded(loader.load([unread, file("b.yaml", POOL.replace("80%", "70%"))], "two"));
  expect(second.sets[0]).toBe(first.sets[0]);
  expect(second.pools[0]).not.toBe(first.pools[0]);
  expect(second.revision.commit).toBe("two");
});

test("the same content at another path is another object with its own position", async () => {
  const loader = createManifestLoader();
  await loader.load([file("a.yaml", SET)], "one");
  const moved = await loaded(loader.load([file("b.yaml", SET)], "two"));
  expect(moved.sets[0]?.position.file).toBe("b.yaml");
});

test("problems of an unchanged file are said again", async () => {
  const loader = createManifestLoader();
  const bad = file("a.yaml", SET.replace("replicas: 3", "replicas: x"));
  const first = await loader.load([bad], "one");
  const second = await loader.load([bad, file("b.yaml", POOL)], "two");
  expect(second).toEqual({ ...first, commit: "two" });
});

test("problems of all files, sorted, with those the source met", async () => {
  const found = {
    code: "file-unreadable",
    severity: "error",
    position: { file: "m.yaml", line: 1, column: 1 },
    message: "m",
    hint: "",
    frame: "",
  } as const;
  const files = [file("z.yaml", "- z"), file("b.yaml", SET.replace("replicas: 3", "replicas: x\n  zzz: 1")), file("a.yaml", "a: [")];
  const result = await loader.load(files, "c", [found]);
  const places = result.problems.map(({ position }) => `${position?.file}:${position?.line}`);
  expect(places).toEqual(["a.yaml:1", "b.yaml:7", "b.yaml:8", "m.yaml:1", "z.yaml:1"]);
});

test("a warning does not make a Revision invalid", async () => {
  const warning = { code: "git-submodule", severity: "warning", position: null, message: "w", hint: "", frame: "" } as const;
  const result = await loader.load([file("a.yaml", SET)], "c", [warning]);
  expect(result).toMatchObject({ kind: "loaded", problems: [warning] });
});

test("files without manifests are left out", async () => {
  const others = [
    file("README.md", "# x"),
    file(".github/ci.yaml", "on: push"),
    file("a/.hidden/x.yaml", "- 1"),
    file(".x.yaml", "- 1"),
    file("x.yaml.bak", "-"),
  ];
  expect((await loaded(load(file("a.yaml", SET), ...others))).sets).toHaveLength(1);
  expect(await complaints(...others)).toContain("there are no manifests");
});

test("an error of a reader is passed on, and so is an abort", async () => {
  const broken: ManifestFile = { ...file("a.yaml", SET), read: () => Promise.reject(new Error("disk")) };
  await expect(load(broken)).rejects.toThrow("disk");
  const aborted = loader.load([file("a.yaml", SET)], "c", [], AbortSignal.abort(new Error("too late")));
  await expect(aborted).rejects.toThrow("too late");
});

test("limits", async () => {
  const unread: ManifestFile = { path: "a.yaml", blobId: "a", sizeBytes: MAX_FILE_BYTES + 1, read: () => expect.fail("read") };
  const tooLarge =
    "a.yaml:1:1: error: the file has 1048577 bytes; allowed: at most 1048576 [file-too-large]\n  hint: Split it, or keep it outside the folder of manifests if it is none.";
  expect(await complaints(unread)).toBe(tooLarge);
  expect(await complaints(file("a.yaml", new Uint8Array(MAX_FILE_BYTES + 1)))).toBe(tooLarge);
  expect(await complaints(file("a.yaml", "---\nx\n".repeat(MAX_DOCUMENTS + 1)))).toContain("and 81 more problems");
  const many = Array.from({ length: MAX_FILES + 1 }, (_, number) => file(`${number}.yaml`, SET));
  expect(await complaints(...many)).toBe(
    "error: there are 10001 manifest files; allowed: at most 10000 [manifest-too-many]\n  hint: Point to the folder that holds only manifests.",
  );
});

test("more mistakes than a file may list are counted", async () => {
  const fields = Array.from({ length: MAX_PROBLEMS_PER_FILE + 20 }, (_, number) => `field${number}: 1\n`).join("");
  const { problems } = await load(file("a.yaml", SET + fields));
  expect(problems).toHaveLength(MAX_PROBLEMS_PER_FILE + 1);
  expect(problems.at(-1)?.message).toMatch(/^20 more mistakes from here on; the first of them: the document has no field `field100`;/);
});

test("bytes that are no text", async () => {
  const said = "a.yaml:1:1: error: the file is not UTF-8 text [file-encoding]\n  hint: Save it as UTF-8.";
  expect(await complaints(file("a.yaml", Buffer.from(`\ufeff${SET}`, "utf16le")))).toBe(said);
  expect(await complaints(file("a.yaml", Uint8Array.of(0x61, 0x3a, 0xff)))).toBe(said);
});

test("a file full of mistakes that cost a parser much time is refused quickly", async () => {
  const started = performance.now();
  await complaints(file("a.yaml", "[".repeat(MAX_FILE_BYTES)), file("b.yaml", "- ".repeat(MAX_FILE_BYTES / 2)));
  // The library's own check of unique keys would take minutes for this one.
  await complaints(file("c.yaml", Array.from({ length: 5000 }, (_, number) => `k${number}: 1`).join("\n")));
  expect(performance.now() - started).toBeLessThan(10_000);
});
