import type { Command } from "commander";
import { OBJECT_KINDS } from "../api/types.ts";
import { durationMs, outputOption, someText, stateOption, wordArgument } from "./options.ts";
import type { AddVerb, Finish } from "./finish.ts";
import type { Terminal } from "./terminal.ts";

/** Verbs that speak about a running fleet, in the order of the help. */
export const FLEET_VERBS: readonly AddVerb[] = [
  addStatus,
  addGet,
  addExplain,
  addTrace,
  addHolds,
  addConfirm,
  addTrash,
  addHost,
  addSim,
  addCompletion,
];

function addStatus(program: Command, terminal: Terminal, finish: Finish): void {
  program
    .command("status")
    .usage("[options]")
    .description("show how the fleet stands")
    .addOption(outputOption("text", "json", "yaml"))
    .option("-w, --watch", "keep showing what happens until Ctrl-C")
    .addOption(stateOption())
    .action((options) => finish(import("./verbs/status.ts").then(({ status }) => status(terminal, options))));
}

function addGet(program: Command, terminal: Terminal, finish: Finish): void {
  program
    .command("get")
    .usage("KIND [NAME] [options]")
    .description("list Sets, slots, hosts, pools, Tasks, revisions, holds, trash or problems")
    .addArgument(wordArgument("kind", "what to list", OBJECT_KINDS))
    .argument("[name]", "only this Set, slot, host, pool or Task")
    .addOption(outputOption("text", "wide", "json", "yaml"))
    .addOption(stateOption())
    .action((kind, name: string | undefined, options) =>
      finish(import("./verbs/get.ts").then(({ get }) => get(terminal, kind, name, options))),
    );
}

function addExplain(program: Command, terminal: Terminal, finish: Finish): void {
  program
    .command("explain")
    .usage("web | web/3 | host/NAME [options]")
    .description("say in sentences why a Set, slot or host is as it is, what it waits for and what would change that")
    .argument("<subject>", "a Set (web), a slot (web/3) or a host (host/NAME)")
    .addOption(outputOption("text", "json"))
    .addOption(stateOption())
    .action((subject: string, options) => finish(import("./verbs/explain.ts").then(({ explain }) => explain(terminal, subject, options))));
}

function addTrace(program: Command, terminal: Terminal, finish: Finish): void {
  program
    .command("trace")
    .usage("[TASK] [options]")
    .description("list the newest Tasks, or show the steps of one on a time line")
    .argument("[task]", "id of a Task, or its first digits")
    .addOption(outputOption("text", "json"))
    .addOption(stateOption())
    .action((task: string | undefined, options) => finish(import("./verbs/trace.ts").then(({ trace }) => trace(terminal, task, options))));
}

const WHY = ["--why <text>", "the reason, shown to everybody"] as const;

function addHolds(program: Command, terminal: Terminal, finish: Finish): void {
  const target = "a Set (web), a host (host/NAME) or a pool (pool/NAME)";
  program
    .command("hold")
    .usage("SET | host/NAME | pool/NAME --why TEXT [--for 2h]")
    .description("change nothing about a Set, host or pool for a while; drift is still reported")
    .argument("<target>", target)
    .requiredOption(...WHY, someText)
    .option("--for <duration>", "how long (default: until released)", durationMs)
    .addOption(stateOption())
    .action((name: string, options) => finish(import("./verbs/operate.ts").then(({ hold }) => hold(terminal, name, options))));
  program
    .command("release")
    .usage("SET | host/NAME | pool/NAME")
    .description("end a hold")
    .argument("<target>", target)
    .addOption(stateOption())
    .action((name: string, options) => finish(import("./verbs/operate.ts").then(({ release }) => release(terminal, name, options))));
}

function addConfirm(program: Command, terminal: Terminal, finish: Finish): void {
  program
    .command("confirm")
    .usage("HASH")
    .description("let destroys over a pool's budget go on")
    .argument("<hash>", "the hash that `setpoint status` and `setpoint plan` show beside them")
    .addOption(stateOption())
    .action((hash: string, options) => finish(import("./verbs/operate.ts").then(({ confirm }) => confirm(terminal, hash, options))));
}

function addTrash(program: Command, terminal: Terminal, finish: Finish): void {
  const trash = program
    .command("trash")
    .usage("list | restore ID | purge ID [options]")
    .description("list volumes in the trash, bring one back, or destroy one before its time");
  trash
    .command("list")
    .usage("[--set SET] [--host HOST] [options]")
    .description("list what is in the trash, until when, and what waits to be restored")
    .option("--set <set>", "only what this Set left or is to get", someText)
    .option("--host <host>", "only on this host", someText)
    .addOption(outputOption("text", "wide", "json", "yaml"))
    .addOption(stateOption())
    .action((options) => finish(import("./verbs/trash.ts").then(({ listTrash }) => listTrash(terminal, options))));
  const id = ["<id>", "id of an entry as `setpoint trash list` shows it, or its beginning"] as const;
  trash
    .command("restore")
    .usage("ID [--to SET/INDEX[/VOLUME]] [--replace] [--why TEXT] | --cancel ID")
    .description("bring a volume back into its slot or another one, on the host whose trash has it")
    .argument(...id)
    .option("--to <slot>", "slot that gets it, and the volume's name there (default: where it was)", someText)
    .option("--replace", "what the slot has now goes to the trash for it")
    .option("--cancel", "end a restore that was asked for")
    .option(...WHY, "")
    .addOption(stateOption())
    .action((name: string, options) =>
      finish(import("./verbs/trash.ts").then(({ restoreTrash }) => restoreTrash(terminal, name, options))),
    );
  trash
    .command("purge")
    .usage("ID [--yes] [--why TEXT]")
    .description("destroy an entry of the trash before it expires")
    .argument(...id)
    .option("--yes", "do not ask")
    .option(...WHY, "")
    .addOption(stateOption())
    .action((name: string, options) => finish(import("./verbs/trash.ts").then(({ purgeTrash }) => purgeTrash(terminal, name, options))));
}

const HOST_VERBS = [
  ["cordon", "place no new slots on a host"],
  ["uncordon", "end a cordon or a drain: the manifest decides again"],
  ["drain", "move all slots of a host elsewhere"],
  ["confirm-dead", "swear that a machine is off or wiped, so that its slots may start elsewhere at once"],
] as const;

function addHost(program: Command, terminal: Terminal, finish: Finish): void {
  const host = program
    .command("host")
    .usage("cordon | uncordon | drain | confirm-dead NAME --why TEXT")
    .description("take a host out of use, back into it, or declare it dead");
  for (const [verb, description] of HOST_VERBS) {
    const command = host
      .command(verb)
      .usage("NAME --why TEXT")
      .description(description)
      .argument("<name>", "name of the host")
      .addOption(stateOption());
    if (verb === "uncordon") command.option(...WHY, "");
    else command.requiredOption(...WHY, someText);
    command.action((name: string, options) =>
      finish(import("./verbs/operate.ts").then(({ setHost }) => setHost(terminal, verb, name, options))),
    );
  }
}

const FAULTS = ["off", "on", "hang", "cut"] as const;

function addSim(program: Command, terminal: Terminal, finish: Finish): void {
  program
    .command("sim")
    .usage("HOST off | on | hang | cut")
    .description("switch a simulated host off or on, let its Docker hang, or cut its network")
    .argument("<host>", "name of a simulated host")
    .addArgument(wordArgument("fault", "what to do to it", FAULTS))
    .addOption(stateOption())
    .action((host: string, fault: (typeof FAULTS)[number], options) =>
      finish(import("./verbs/operate.ts").then(({ simulate }) => simulate(terminal, host, fault, options))),
    );
}

const SHELLS = ["bash", "zsh", "fish"] as const;

function addCompletion(program: Command, terminal: Terminal, finish: Finish): void {
  program
    .command("completion")
    .usage("bash | zsh | fish")
    .description("print a script that completes verbs and options in your shell")
    .addArgument(wordArgument("shell", "your shell", SHELLS))
    .action((shell: (typeof SHELLS)[number]) =>
      finish(import("./completion.ts").then(({ printCompletion }) => printCompletion(terminal, shell))),
    );
}
