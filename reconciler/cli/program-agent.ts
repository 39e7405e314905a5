import { InvalidArgumentError, Option, type Command } from "commander";
import { parseRate, UNIT_FORMS } from "../core/units.ts";
import type { Finish } from "./finish.ts";
import { outputOption } from "./options.ts";
import { definedOnly, type Terminal } from "./terminal.ts";

/** Verbs that run on a host: agent, agent dial, agent check. */
export function addAgentVerbs(program: Command, terminal: Terminal, finish: Finish): void {
  const agent = program
    .command("agent")
    .usage("[options]")
    .description("serve this host: the half of Setpoint that runs beside Docker (unit files: reconciler/agent/systemd)")
    .option("--state <dir>", "the agent's own folder", "/var/lib/setpoint")
    .addOption(socketOption())
    .addOption(dockerOption())
    .addOption(dockerRootOption())
    .option(
      "--plugin <path>",
      "socket on which Docker finds the network plugin; that of the volume plugin, setpoint-lvm.sock, lies beside it",
      "/run/docker/plugins/setpoint.sock",
    )
    .addOption(new Option("--bandwidth <rate>", "of the network card, where it does not tell (`10gbit`)").argParser(rateBps))
    .addOption(secretsOption())
    .option("--infra-image <image>", "image of infra containers (default: made from this host's busybox)")
    .action((options) => finish(import("./verbs/agent.ts").then((verb) => verb.agent(terminal, options))));
  agent
    .command("dial")
    .usage("[--socket PATH]")
    .description("join stdin and stdout to the agent's socket; what a reconciler runs through ssh")
    .addOption(socketOption())
    .action((_options, command: Command) =>
      finish(
        import("./verbs/agent-dial.ts").then(({ dialAsMayBe }) =>
          dialAsMayBe(command.optsWithGlobals()["socket"] as string, definedOnly(terminal.env)),
        ),
      ),
    );
  agent
    .command("check")
    .usage("[options]")
    .description("tell what this host has and lacks, and how to get it; exit 0: Docker works, 1: it does not")
    .addOption(dockerOption())
    .addOption(dockerRootOption())
    .addOption(secretsOption())
    .addOption(outputOption("text", "json"))
    .action((_options, command: Command) =>
      finish(import("./verbs/agent-check.ts").then(({ check }) => check(terminal, command.optsWithGlobals()))),
    );
}

function socketOption(): Option {
  return new Option("--socket <path>", "the agent's socket").default("/run/setpoint/agent.sock");
}

function dockerOption(): Option {
  return new Option("--docker <path>", "Docker's socket").default("/var/run/docker.sock");
}

function dockerRootOption(): Option {
  return new Option("--docker-root <dir>", "Docker's data folder").default("/var/lib/docker");
}

function secretsOption(): Option {
  return new Option("--secrets <dir>", "the host's secrets, as files NAME/KEY; only its owner may enter (mode 700)").default(
    "/etc/setpoint/secrets",
  );
}

function rateBps(written: string): number {
  const rate = parseRate(written);
  if (rate === null || rate === 0) throw new InvalidArgumentError(`Allowed: ${UNIT_FORMS.rate}.`);
  return rate;
}
