import { chmodSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { inspect } from "node:util";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { Secrets } from "../../../reconciler/agent/ports.ts";
import { createSecrets } from "../../../reconciler/agent/secrets/secrets.ts";
import type { Container, EnvValue, Template, Volume } from "../../../reconciler/core/desired.ts";
import { failure, never } from "../docker/engine-fixture.ts";
import { container } from "../docker/instance.ts";

const REF = { set: "web", index: 3, generation: 2 };
const VALUE = "hunter2-and-more";

let folder: string;
let memory: string;
let secrets: Secrets;
let told: string[];

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "setpoint-secrets-"));
  // Always in memory, and open to every user.
  memory = mkdtempSync("/dev/shm/setpoint-test-");
  told = [];
  secrets = open(memory);
});
afterEach(() => {
  rmSync(folder, { recursive: true });
  rmSync(memory, { recursive: true });
});

function open(base: string): Secrets {
  const log = { info: () => undefined, warn: (fields: object) => void told.push(JSON.stringify(fields)), error: () => undefined };
  return createSecrets({ folder, memory: base, owner: "/state", host: () => "bj-a-001", log });
}

function put(secret: string, key: string, value: string | Buffer): void {
  mkdirSync(join(folder, secret), { recursive: true });
  writeFileSync(join(folder, secret, key), value);
}

function template(env: Readonly<Record<string, EnvValue>>, change: Partial<Container> = {}, volumes: readonly Volume[] = []): Template {
  return { containers: [container("app", { env, ...change }), container("side")], volumes, network: { ip: "any", vlan: null } };
}

const PLAIN = { DB: { as: "value", secret: "db", key: "password" } } as const;
const FILE = { DB: { as: "file", secret: "db", key: "password" } } as const;

async function prepare(what: Template): ReturnType<Secrets["prepare"]> {
  return await secrets.prepare(REF, what, what.containers, true, never());
}

describe("a variable", () => {
  test.each([
    ["as it is", VALUE, VALUE],
    ["without the line end of an editor", `${VALUE}\n`, VALUE],
    ["without that of another system", `${VALUE}\r\n`, VALUE],
    ["with the line ends within", `a\nb\n\n`, "a\nb\n"],
    ["empty", "", ""],
  ])("has the value %s", async (_, written, value) => {
    put("db", "password", written);
    const ready = await prepare(template(PLAIN));
    expect([...ready.keys()]).toEqual(["app"]);
    expect(ready.get("app")!.values.get("DB")!.reveal()).toBe(value);
    expect(existsSync(join(memory, "x"))).toBe(false);
    expect(readdirSync(memory)).toEqual([]);
  });

  test("shows it to nobody by accident", async () => {
    put("db", "password", VALUE);
    const ready = await prepare(template(PLAIN));
    for (const text of [inspect(ready, { depth: 9 }), JSON.stringify([...ready.get("app")!.values])]) {
      expect(text).not.toContain("hunter2");
    }
  });

  test.each([
    ["a byte that is none", Buffer.from([0x61, 0xff])],
    ["a zero byte", Buffer.from("a\0b")],
  ])("can't hold %s", async (_, bytes) => {
    put("db", "password", bytes);
    expect(await failure(prepare(template(PLAIN)))).toMatchObject({
      code: "secret-unusable",
      message: "key password of secret db is no text, so no variable can hold it: use it as a file",
    });
    expect((await prepare(template(FILE))).get("app")!.folders).toHaveLength(1);
  });
});

describe("files", () => {
  test("are those that are asked for, in a folder nobody else may enter, and readable", async () => {
    put("db", "password", `${VALUE}\n`);
    put("db", "other", "not asked for");
    const ready = await prepare(template(FILE));
    const [mount] = ready.get("app")!.folders;
    expect(mount!.target).toBe("/run/secrets/db");
    expect(readdirSync(mount!.source)).toEqual(["password"]);
    expect(readFileSync(join(mount!.source, "password"), "utf8")).toBe(`${VALUE}\n`);
    expect(statSync(join(mount!.source, "password")).mode & 0o777).toBe(0o444);
    expect(statSync(memory).mode & 0o777).toBe(0o700);
    expect(readdirSync(dirname(mount!.source))).toHaveLength(1);
  });

  test("of a volume are all that the secret has, but what is hidden", async () => {
    for (const key of ["tls.key", "tls.crt", ".swp", "no name"]) put("tls", key, key);
    const what = template({}, { mounts: [{ volume: "tls", path: "/etc/tls", readOnly: false }] }, [
      { name: "tls", kind: "secret", secret: "tls" },
    ]);
    const [mount] = (await prepare(what)).get("app")!.folders;
    expect(mount!.target).toBe("/etc/tls");
    expect(readdirSync(mount!.source).sort()).toEqual(["tls.crt", "tls.key"]);
  });

  test("follow the host's, come, go, and are left alone while nothing was written", async () => {
    put("tls", "a", "1");
    put("tls", "b", "1");
    const what = template({}, { mounts: [{ volume: "tls", path: "/t", readOnly: true }] }, [
      { name: "tls", kind: "secret", secret: "tls" },
    ]);
    const { source } = (await prepare(what)).get("app")!.folders[0]!;
    const users = [{ ref: REF, template: what }];
    const before = statSync(source).ino;
    put("tls", "a", "2");
    put("tls", "c", "1");
    rmSync(join(folder, "tls/b"));
    await secrets.refresh(users, true, never());
    expect(readdirSync(source).map((key) => [key, readFileSync(join(source, key), "utf8")])).toEqual([
      ["a", "2"],
      ["c", "1"],
    ]);
    expect(statSync(source).ino).toBe(before);
    // What somebody did to the copy is not looked for: only the host's own files are.
    rmSync(join(source, "a"));
    await secrets.refresh(users, true, never());
    expect(readdirSync(source)).toEqual(["c"]);
  });

  test("stay when the host lost the secret, which is told once", async () => {
    put("db", "password", VALUE);
    const what = template(FILE);
    const { source } = (await prepare(what)).get("app")!.folders[0]!;
    rmSync(join(folder, "db"), { recursive: true });
    for (let round = 0; round < 3; round++) await secrets.refresh([{ ref: REF, template: what }], true, never());
    await secrets.restore(REF, what, true, never());
    expect(readFileSync(join(source, "password"), "utf8")).toBe(VALUE);
    expect(told).toEqual([expect.stringContaining("bj-a-001 has no key password of secret db")]);
    await secrets.dropOthers([]);
    expect(await failure(secrets.restore(REF, what, true, never()))).toMatchObject({ code: "secret-missing" });
  });

  test("of one agent are not another's to drop", async () => {
    put("db", "password", VALUE);
    const { source } = (await prepare(template(FILE))).get("app")!.folders[0]!;
    const log = { info: () => undefined, warn: () => undefined, error: () => undefined };
    const other = createSecrets({ folder, memory, owner: "/other", host: () => "b", log });
    await other.dropOthers([]);
    expect(existsSync(source)).toBe(true);
    await secrets.dropOthers([{ ...REF, index: 4 }]);
    expect(existsSync(source)).toBe(false);
  });

  test("are never written to a disk", async () => {
    put("db", "password", VALUE);
    // A file where the folder should be: nothing can be mounted there, whoever we are.
    const wrong = join(folder, "file");
    writeFileSync(wrong, "");
    const what = template(FILE);
    const error = await failure(open(join(wrong, "memory")).prepare(REF, what, what.containers, true, never()));
    expect(error).toMatchObject({ code: "secret-store", outcome: "refused" });
    expect(error.message).toContain(wrong);
  });
});

describe("what is wrong on the host is told with host, name and path", () => {
  test.each<[string, () => void, string, string]>([
    [
      "no folder at all",
      () => rmSync(folder, { recursive: true }),
      "secret-missing",
      "bj-a-001 has no folder of secrets: FOLDER is not there",
    ],
    ["no such secret", () => undefined, "secret-missing", "bj-a-001 has no key password of secret db: FOLDER/db/password is not there"],
    [
      "no such key",
      () => put("db", "pasword", "x"),
      "secret-missing",
      "bj-a-001 has no key password of secret db: FOLDER/db/password is not there",
    ],
    [
      "a folder open to others",
      () => chmodSync(folder, 0o750),
      "secret-exposed",
      "FOLDER of bj-a-001 is open to others than its owner (mode 750): chown root: FOLDER && chmod 700 FOLDER",
    ],
    [
      "a folder for a file",
      () => mkdirSync(join(folder, "db/password"), { recursive: true }),
      "secret-unusable",
      "key password of secret db of bj-a-001 is no file: FOLDER/db/password",
    ],
    [
      "a value too large",
      () => put("db", "password", Buffer.alloc(1024 * 1024 + 1)),
      "secret-unusable",
      "key password of secret db of bj-a-001 has 1048577 bytes in FOLDER/db/password; at most 1048576 are taken",
    ],
  ])("%s", async (_, spoil, code, message) => {
    spoil();
    const error = await failure(prepare(template(PLAIN)));
    mkdirSync(folder, { recursive: true });
    expect(error).toMatchObject({ code, retry: "transient", outcome: "refused", message: message.replaceAll("FOLDER", folder) });
  });

  test("a secret without a single key, for a volume", async () => {
    mkdirSync(join(folder, "tls"));
    const mounts = [{ volume: "tls", path: "/t", readOnly: true }];
    const what = template({}, { mounts }, [{ name: "tls", kind: "secret", secret: "tls" }]);
    expect(await failure(prepare(what))).toMatchObject({
      code: "secret-missing",
      message: `secret tls of bj-a-001 has no keys: ${join(folder, "tls")} has no files`,
    });
  });

  test.each(["../db", ".", "/etc", ""])("a name that leads elsewhere: %j", async (secret) => {
    put("db", "password", VALUE);
    expect(await failure(prepare(template({ A: { as: "value", secret, key: "password" } })))).toMatchObject({ code: "secret-missing" });
    expect(await failure(prepare(template({ A: { as: "file", secret: "db", key: secret } })))).toMatchObject({ code: "secret-missing" });
  });
});

test("what others say is told without values, but for words too short to be told from others", async () => {
  put("db", "password", VALUE);
  put("db", "pin", "12345");
  await prepare(template(PLAIN));
  await prepare(template({ PIN: { as: "value", secret: "db", key: "pin" } }));
  put("db", "longer", `${VALUE}-and-longer`);
  put("db", "key", "-----BEGIN KEY-----\nc29tZXRoaW5nIHNlY3JldA\n-----END KEY-----\n");
  await prepare(template({ A: { as: "file", secret: "db", key: "longer" }, B: { as: "file", secret: "db", key: "key" } }));
  expect(secrets.hide(`${VALUE}-and-longer, or c29tZXRoaW5nIHNlY3JldA`)).toBe("(secret), or (secret)");
  expect(secrets.hide(`PGPASSWORD=${VALUE} psql: ${VALUE} refused on 12345`)).toBe("PGPASSWORD=(secret) psql: (secret) refused on 12345");
});
