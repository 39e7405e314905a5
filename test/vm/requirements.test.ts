import { expect, test } from "vitest";
import { lackingOfVms } from "./rig/requirements.ts";

/** Alone in the run when something is lacking; see vitest.vm.config.ts. */
test("this machine can run virtual machines", (context) => {
  const lacking = lackingOfVms();
  if (lacking.length > 0 && process.env["CI"] !== "true") context.skip(`no tests on virtual machines here; lacking: ${lacking.join("; ")}`);
  expect(lacking).toEqual([]);
});
