import { join } from "node:path";
import { parseArgs } from "node:util";
import { createVmRig } from "./rig.ts";

const USAGE = `node test/vm/rig/try.ts [--hosts NAME,NAME] [--base] [-- PROGRAM ARGUMENT...]
  Machines with the agent of this source tree (--base: without), for trying things by hand. Stays until Ctrl-C; with a
  program, runs that on the first machine instead, and ends with its exit code.
`;

/** Lends machines to a person. */
async function main(): Promise<number> {
  const { values, positionals } = parseArgs({
    options: { hosts: { type: "string", default: "alpha" }, base: { type: "boolean", default: false }, help: { type: "boolean" } },
    allowPositionals: true,
  });
  if (values.help === true) {
    process.stdout.write(USAGE);
    return 0;
  }
  const startedAtMs = performance.now();
  const rig = await createVmRig({ hosts: values.hosts.split(","), agents: !values.base });
  try {
    process.stderr.write(`${rig.hosts.length} up after ${((performance.now() - startedAtMs) / 1000).toFixed(1)} s\n`);
    if (positionals.length > 0) {
      const { exitCode, stdout, stderr } = await rig.hosts[0]!.exec(positionals, { anyExit: true, deadlineMs: 600_000 });
      process.stderr.write(stderr);
      process.stdout.write(stdout);
      return exitCode;
    }
    for (const { name, folder } of rig.hosts) {
      process.stdout.write(`ssh -F ${join(rig.folder, "ssh_config")} ${name}    # its console: ${join(folder, "console.log")}\n`);
    }
    process.stdout.write("Ctrl-C ends them.\n");
    await new Promise<void>((resolve) => {
      process.once("SIGINT", resolve);
      process.once("SIGTERM", resolve);
    });
    return 0;
  } finally {
    await rig.close();
  }
}

process.exitCode = await main();
