import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    include: ["test/**/*.test.ts"],
    exclude: ["test/{kill,hosts,vm}/**"],
    globalSetup: ["test/hosts/announce.ts"],
    // Generous, since machines of CI may be four times slower than ours and shared: a deadline only ends what hangs.
    testTimeout: 120_000,
    hookTimeout: 120_000,
    pool: "forks",
    maxWorkers: 2,
  },
});
