import { lackingOfVms } from "../vm/rig/requirements.ts";
import { lackingRequirements } from "./rig/requirements.ts";

/** Before `npm test`: says which tests are not in it. */
export function setup(): void {
  announce("the tests on real Docker hosts", "test:hosts", lackingRequirements());
  announce("the tests on virtual machines", "test:vm", lackingOfVms());
  process.stdout.write("\n");
}

function announce(what: string, script: string, lacking: readonly string[]): void {
  const state = lacking.length === 0 ? "this machine has all they need" : `here they would be skipped, lacking ${lacking.join("; ")}`;
  process.stdout.write(`Not in this run: ${what}; run them as root with: npm run ${script} (${state}).\n`);
}
