import { ensureTemplate } from "./rig/template.ts";

/** Before the tests on virtual machines: makes what they are copied from, or finds it in the cache. */
export async function setup(): Promise<void> {
  const startedAtMs = performance.now();
  const { accelerator } = await ensureTemplate("installed");
  process.stdout.write(
    `Virtual machines by ${accelerator}, ready to be copied after ${((performance.now() - startedAtMs) / 1000).toFixed(1)} s\n`,
  );
}
