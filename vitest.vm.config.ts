import { defineConfig } from "vitest/config";
import { lackingOfVms } from "./test/vm/rig/requirements.ts";

const lacking = lackingOfVms();
if (lacking.length > 0) {
  process.stderr.write(
    `The tests on virtual machines can't run on this machine. Lacking:\n${lacking.map((line) => `  ${line}\n`).join("")}\n`,
  );
}

/** Tests on virtual machines with kernels of their own: `npm run test:vm`, as root. Without KVM a machine is ten times as slow as this one. */
export default defineConfig({
  test: {
    include: lacking.length === 0 ? ["test/vm/**/*.test.ts"] : ["test/vm/requirements.test.ts"],
    globalSetup: lacking.length === 0 ? ["test/vm/prepare.ts"] : [],
    testTimeout: 600_000,
    hookTimeout: 600_000,
    // The machines die with the process that made them, so it must be a process.
    pool: "forks",
    maxWorkers: 2,
  },
});
