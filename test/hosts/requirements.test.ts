import { expect, test } from "vitest";
import { lackingRequirements } from "./rig/requirements.ts";

/** Alone in the run when something is lacking; see vitest.hosts.config.ts. */
test("this machine can be several Docker hosts", (context) => {
  const lacking = lackingRequirements();
  if (lacking.length > 0 && process.env["CI"] !== "true") context.skip(`no tests on real hosts here; lacking: ${lacking.join("; ")}`);
  expect(lacking).toEqual([]);
});
