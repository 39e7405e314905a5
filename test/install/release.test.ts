import { execFileSync } from "node:child_process";
import { mkdirSync, readdirSync, renameSync, statSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { createPacker } from "../../reconciler/io/install/pack.ts";
import { INSTALLATION, readRelease } from "../../reconciler/io/install/release.ts";
import { FakeHost } from "./fake-host.ts";

let host: FakeHost;
beforeEach(() => void (host = new FakeHost()));
afterEach(() => host.close());

describe("a release", () => {
  test("has the same id for the same content, and another for any other", async () => {
    const first = await readRelease(host.installation, "x64");
    host.release("1.0.0");
    expect((await readRelease(host.installation, "x64")).id).toBe(first.id);
    host.write("installation/reconciler/main.ts", "// more");
    const changed = await readRelease(host.installation, "x64");
    host.release("1.0.0", "another node");
    const other = await readRelease(host.installation, "x64");
    expect(new Set([first.id, changed.id, other.id]).size).toBe(3);
  });

  test("takes packages that npm put beside Setpoint", async () => {
    const inside = await readRelease(host.installation, "x64");
    mkdirSync(join(host.folder, "project"));
    renameSync(join(host.installation, "node_modules"), join(host.folder, "project/node_modules"));
    renameSync(host.installation, join(host.folder, "project/node_modules/setpoint"));
    const beside = await readRelease(join(host.folder, "project/node_modules/setpoint"), "x64");
    expect(beside.files.map(({ path }) => path)).toEqual(inside.files.map(({ path }) => path));
    expect(beside.id).toBe(inside.id);
  });

  test("is refused where a package is missing, or there twice", async () => {
    host.write("installation/node_modules/one/package.json", '{"name": "one", "version": "1.0.0", "dependencies": {"two": "1"}}');
    await expect(readRelease(host.installation, "x64")).rejects.toMatchObject({
      code: "host-add-package",
      message: "this installation of setpoint lacks the package two, which one needs",
      hint: expect.stringMatching(/^In \S+: npm ci$/),
    });
  });
});

test("this installation makes a release that runs elsewhere, without what only its development needs", async () => {
  const architecture = process.arch === "arm64" ? "arm64" : "x64";
  const packer = createPacker(INSTALLATION);
  const folder = join(host.folder, "elsewhere");
  mkdirSync(folder);
  try {
    const release = await packer.release(architecture);
    const archive = await packer.pack(release, "files");
    expect(archive.sizeBytes).toBeLessThan(8e6);
    execFileSync("tar", ["-xzf", archive.path, "-C", folder, "--no-same-owner"]);
    symlinkSync(release.node.source, join(folder, release.node.path));
    const packages = readdirSync(join(folder, "node_modules"));
    expect(packages).toEqual(expect.arrayContaining(["dockerode", "execa", "fastify", `node-linux-${architecture}`]));
    expect(packages.filter((name) => /vitest|typescript|oxlint|fast-check/.test(name))).toEqual([]);
    expect(statSync(join(folder, "reconciler/setpoint")).mode & 0o100).toBe(0o100);
    const setpoint = (...args: readonly string[]): string =>
      execFileSync(join(folder, "reconciler/setpoint"), args, {
        env: { PATH: "/usr/bin:/bin", HOME: folder },
        cwd: folder,
        encoding: "utf8",
      });
    expect(setpoint("--version").trim()).toBe(release.version);
    setpoint("init", "fleet");
    expect(setpoint("validate", "fleet")).toContain("valid");
    expect(setpoint("help", "agent")).toContain("serve this host");
  } finally {
    await packer.close();
  }
});
