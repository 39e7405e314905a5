import { defineConfig } from "vitest/config";

/** Tests that run and kill real processes for minutes: `npm run test:kill`. */
export default defineConfig({
  test: {
    include: ["test/kill/**/*.test.ts"],
    testTimeout: 600_000,
    hookTimeout: 60_000,
    fileParallelism: false,
  },
});
