import { readFileSync } from "node:fs";

/** The `version` of package.json. */
function version(): string {
  const text = readFileSync(new URL("../package.json", import.meta.url), "utf8");
  return (JSON.parse(text) as { version: string }).version;
}

/** Answers `--version` before anything else is loaded: scripts and shell prompts ask it often. */
async function main(args: readonly string[]): Promise<void> {
  if (args.length === 1 && (args[0] === "--version" || args[0] === "-V")) {
    process.stdout.write(`${version()}\n`);
    return;
  }
  const { processTerminal } = await import("./cli/terminal.ts");
  const { runCli } = await import("./cli/program.ts");
  process.exitCode = await runCli(args, processTerminal(), version());
}

await main(process.argv.slice(2));
