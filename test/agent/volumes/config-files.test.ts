import { chmodSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { createConfigFiles } from "../../../reconciler/agent/volumes/config/config-files.ts";
import type { Template } from "../../../reconciler/core/desired.ts";
import { failure } from "../docker/engine-fixture.ts";
import { container } from "../docker/instance.ts";

const REF = { set: "web", index: 3, generation: 2 };

let folder: string;

beforeEach(() => void (folder = mkdtempSync(join(tmpdir(), "setpoint-config-"))));
afterEach(() => rmSync(folder, { recursive: true }));

/** One container mounts the volume `etc`, and nobody `unused`. */
function template(files: Readonly<Record<string, string>>): Template {
  const mounts = [{ volume: "etc", path: "/etc/app", readOnly: false }];
  const volumes = [
    { name: "etc", kind: "config", files },
    { name: "unused", kind: "config", files: { a: "b" } },
  ] as const;
  return { containers: [container("app", { mounts }), container("side")], volumes, network: { ip: "any", vlan: null } };
}

function prepare(what: Template): Promise<ReadonlyMap<string, string>> {
  return createConfigFiles(folder).prepare(REF, what, what.containers);
}

/** Name and text of each file, as any user may read them. */
function contents(path: string): Record<string, string> {
  return Object.fromEntries(readdirSync(path).map((name) => [name, readFileSync(join(path, name), "utf8")]));
}

test("a folder with just these files, which all may read and nobody write; only for what is mounted", async () => {
  const folders = await prepare(template({ "app.conf": "a = 1\n", empty: "" }));
  expect([...folders.keys()]).toEqual(["etc"]);
  const path = folders.get("etc")!;
  expect(contents(path)).toEqual({ "app.conf": "a = 1\n", empty: "" });
  expect(statSync(join(path, "app.conf")).mode & 0o777).toBe(0o444);
  expect(statSync(path).mode & 0o777).toBe(0o755);
  const [side] = template({}).containers.slice(1);
  expect((await createConfigFiles(folder).prepare(REF, template({ a: "b" }), [side!])).size).toBe(0);
});

test("other contents are another folder, so that a container that was not replaced yet keeps its own", async () => {
  const [before, after] = [await prepare(template({ a: "1" })), await prepare(template({ a: "2" }))].map((it) => it.get("etc")!);
  expect(contents(before!)).toEqual({ a: "1" });
  expect(contents(after!)).toEqual({ a: "2" });
  expect((await prepare(template({ a: "1" }))).get("etc")).toBe(before);
});

test("what was changed, removed or added is put right in the folder that containers have", async () => {
  const what = template({ a: "1", b: "2" });
  const path = (await prepare(what)).get("etc")!;
  const { ino } = statSync(path);
  chmodSync(join(path, "a"), 0o644);
  writeFileSync(join(path, "a"), "changed");
  rmSync(join(path, "b"));
  writeFileSync(join(path, "c"), "added");
  await prepare(what);
  expect(contents(path)).toEqual({ a: "1", b: "2" });
  expect(statSync(path).ino).toBe(ino);
  rmSync(path, { recursive: true });
  await prepare(what);
  expect(contents(path)).toEqual({ a: "1", b: "2" });
});

test("a crash while the folder is made leaves none that is half full", async () => {
  const what = template({ a: "1" });
  const path = (await prepare(what)).get("etc")!;
  rmSync(path, { recursive: true });
  writeFileSync(`${path}.new`, "left behind");
  expect((await prepare(what)).get("etc")).toBe(path);
  expect(readdirSync(join(path, ".."))).toEqual([path.split("/").at(-1)]);
});

test("files of Instances that are gone are dropped", async () => {
  const path = (await prepare(template({ a: "1" }))).get("etc")!;
  await createConfigFiles(folder).dropOthers([REF]);
  expect(existsSync(path)).toBe(true);
  await createConfigFiles(folder).dropOthers([{ ...REF, generation: 3 }]);
  expect(readdirSync(folder)).toEqual([]);
});

test.each(["a/b", "..", ""])("a file can't be named %j", async (name) => {
  expect(await failure(prepare(template({ [name]: "x" })))).toMatchObject({ code: "option-refused", retry: "permanent" });
  expect(existsSync(join(folder, "..", "b"))).toBe(false);
});
