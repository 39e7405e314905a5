import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { TAR_END, tarFile } from "../../reconciler/sys/tar.ts";

let folder: string;
beforeEach(() => void (folder = mkdtempSync(join(tmpdir(), "setpoint-tar-"))));
afterEach(() => rmSync(folder, { recursive: true }));

const LONG = `${"folder-of-a-package/".repeat(7)}${"f".repeat(90)}.js`;

test("the system's tar takes files of any length, with their modes and long paths", () => {
  const files = [
    { path: "empty", mode: 0o644, content: Buffer.alloc(0) },
    { path: "bin/program", mode: 0o755, content: Buffer.from("#!/bin/sh\n") },
    { path: "block", mode: 0o644, content: Buffer.alloc(512, "x") },
    { path: LONG, mode: 0o644, content: Buffer.alloc(100_000, "y") },
    { path: "ümläut", mode: 0o644, content: Buffer.from("ß") },
  ];
  const archive = Buffer.concat([...files.flatMap(({ path, mode, content }) => [...tarFile(path, mode, content)]), TAR_END]);
  expect(archive.length % 512).toBe(0);
  execFileSync("tar", ["-xf", "-", "-C", folder, "--no-same-owner"], { input: archive });
  for (const { path, mode, content } of files) {
    expect(readFileSync(join(folder, path)).equals(content), path).toBe(true);
    expect(statSync(join(folder, path)).mode & 0o111, path).toBe(mode & 0o111);
  }
});

test("a path for which there is no room is refused", () => {
  expect(() => [...tarFile("f".repeat(101), 0o644, Buffer.alloc(1))]).toThrow(RangeError);
  expect(() => [...tarFile(`${"d".repeat(156)}/f`, 0o644, Buffer.alloc(1))]).toThrow(RangeError);
});
