import { lackingRequirements } from "./rig/requirements.ts";

/** Before `npm test`: says which tests are not in it. */
export function setup(): void {
  const lacking = lackingRequirements();
  const state = lacking.length === 0 ? "this machine has all they need" : `here they would be skipped, lacking ${lacking.join("; ")}`;
  process.stdout.write(`Not in this run: the tests on real Docker hosts; run them as root with: npm run test:hosts (${state}).\n\n`);
}
