import { existsSync } from "node:fs";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { cli, scratch } from "./run.ts";

const here = scratch();
afterAll(() => here.remove());

test("the demo converges, says what it does, and goes on where it was", async () => {
  const first = await cli({ cwd: here.dir }, "demo", "--once", "--speed", "200");
  expect(first).toMatchObject({ exitCode: 0, stderr: "" });
  const story = [
    /^Setpoint demo: .*\nIts manifests are in the new git repository \.setpoint\/demo\/repo\.\n\n/,
    /\n\d\d:\d\d:\d\d {2}revision [0-9a-f]{7} is valid and counts now\n/,
    /\n\d\d:\d\d:\d\d {2}plan [0-9a-f]{4}: \d+ to create; \d+ steps\n/,
    /\n\d\d:\d\d:\d\d {2}converged after \d+\.\d s: \d+ Instances of \d+ Sets on \d+ hosts\n/,
    /\nAll \d+ Instances of \d+ Sets run on \d+ hosts as commit [0-9a-f]{7} says\.\n$/,
  ];
  for (const line of story) expect(first.stdout).toMatch(line);
  expect(existsSync(join(here.dir, ".setpoint/demo/repo/.git"))).toBe(true);

  const again = await cli({ cwd: here.dir }, "demo", "--once");
  expect(again.stdout).toMatch(/^Setpoint demo: .*\nGoes on where it was: \.setpoint\/demo\n\nAll \d+ Instances/);
  expect(again.exitCode).toBe(0);

  const stop = new AbortController();
  const words: string[] = [];
  const staying = cli(
    {
      cwd: here.dir,
      interrupted: stop.signal,
      onOut(text) {
        words.push(text);
        if (text.includes("Stays until Ctrl-C")) stop.abort();
      },
    },
    "demo",
  );
  expect((await staying).exitCode).toBe(0);
  const said = words.join("");
  for (const word of ["setpoint status", "explain web/", ".setpoint/demo/repo", "commit -am", "hold web", "sim "])
    expect(said).toContain(word);
  expect(said).toMatch(/Stopped\. Start the demo again and it goes on from here\.\n$/);
});
