import { defineConfig } from "vitest/config";
import { lackingRequirements } from "./test/hosts/rig/requirements.ts";

const lacking = lackingRequirements();
if (lacking.length > 0) {
  process.stderr.write(
    `The tests on real Docker hosts can't run on this machine. Lacking:\n${lacking.map((line) => `  ${line}\n`).join("")}\n`,
  );
}

/** Tests on real Docker daemons and switches: `npm run test:hosts`, as root. Each file has hosts of its own, and mostly waits for them. */
export default defineConfig({
  test: {
    include: lacking.length === 0 ? ["test/hosts/**/*.test.ts"] : ["test/hosts/requirements.test.ts"],
    testTimeout: 300_000,
    hookTimeout: 300_000,
    // The hosts die with the process that made them, so it must be a process.
    pool: "forks",
    maxWorkers: 2,
  },
});
