import { UserError } from "../../core/errors/user-error.ts";
import type { RemoteResult } from "./remote.ts";
import type { Architecture } from "./release.ts";

/** What the scripts on a host say: values by name, in the order they came. */
export type Answers = ReadonlyMap<string, readonly string[]>;

/** The lines `setpoint NAME VALUE` of an output; a login's own greetings are passed over. */
export function answersOf({ stdout }: RemoteResult): Answers {
  const answers = new Map<string, string[]>();
  for (const [, name, value] of stdout.matchAll(/^setpoint ([a-z]+)(?: (.*?))?\r?$/gm)) {
    const values = answers.get(name!) ?? [];
    values.push(value ?? "");
    answers.set(name!, values);
  }
  return answers;
}

/** The last value of a name. */
export function answer(answers: Answers, name: string): string | null {
  return answers.get(name)?.at(-1) ?? null;
}

/** Who we are on a machine, and for which processor its Node must be. */
export interface Login {
  readonly hostname: string;
  readonly architecture: Architecture;
  /** Words that come before a command so that it runs as root. */
  readonly asRoot: readonly string[];
}

/** Reads the probe's answers. Throws a UserError when the machine can't be a host of ours, or the login may do too little. */
export function judgeLogin(host: string, result: RemoteResult): Login {
  const answers = answersOf(result);
  const system = answer(answers, "system");
  if (system === null) {
    const said = (result.stderr === "" ? result.stdout : result.stderr).trim().split("\n").at(-1)!.trim();
    const message = `the login on ${host} runs no commands${said === "" ? "" : `: ${said}`}`;
    throw new UserError("host-add-shell", message, `It needs a shell there; \`ssh ${host} sh -c true\` must work.`);
  }
  if (system !== "Linux") {
    throw new UserError("host-add-system", `${host} runs ${system}`, "A host of Setpoint is a Linux with Docker and systemd.");
  }
  const machine = answer(answers, "machine") ?? "";
  const architecture = ARCHITECTURES[machine];
  if (architecture === undefined) {
    const known = Object.keys(ARCHITECTURES).join(", ");
    throw new UserError(
      "host-add-processor",
      `${host} has a ${machine} processor; allowed are ${known}`,
      "There is no Node of ours for it.",
    );
  }
  const isRoot = answer(answers, "user") === "0";
  if (!isRoot && answer(answers, "sudo") !== "yes") {
    throw new UserError(
      "host-add-rights",
      `the login on ${host} is not root and may not use sudo without a password`,
      "Log in as root (ssh://root@HOST), or let the user: echo 'USER ALL=(root) NOPASSWD: ALL' > /etc/sudoers.d/setpoint",
    );
  }
  return { hostname: answer(answers, "hostname") ?? "", architecture, asRoot: isRoot ? [] : ["sudo", "-n"] };
}

const ARCHITECTURES: Readonly<Record<string, Architecture>> = { x86_64: "x64", amd64: "x64", aarch64: "arm64", arm64: "arm64" };

/** What a host offers, as it was measured. */
export interface Offer {
  /** As `debian-12`. */
  readonly system: string;
  readonly cpus: number;
  readonly memoryBytes: number;
  /** Of the card of the default route; null: it does not say. */
  readonly bandwidthBps: number | null;
  /** The volume group with the most free room; null: there is none. */
  readonly volumeGroup: { readonly name: string; readonly freeBytes: number } | null;
}

/** What is there of Setpoint on a host. */
export interface Present {
  /** Ids of releases. */
  readonly releases: readonly string[];
  /** SHA-256 of the Node programs in them. */
  readonly nodes: readonly string[];
  /** The release in use; null: none. */
  readonly current: string | null;
  readonly agentRuns: boolean;
}

/** What stands between a Release and a host. */
export interface Obstacles {
  /** Programs that the scripts need and that are missing. */
  readonly lacks: readonly string[];
  readonly hasSystemd: boolean;
  /** Where the releases would lie: the mount point, its options, and its free room. */
  readonly mount: string;
  readonly options: readonly string[];
  readonly freeBytes: number;
  /** A file in the place of our program; null: none. */
  readonly foreign: string | null;
}

export interface Inspection {
  readonly offer: Offer;
  readonly present: Present;
  readonly obstacles: Obstacles;
}

/** Reads the inspection's answers. */
export function readInspection(answers: Answers): Inspection {
  const number = (name: string): number => Number(answer(answers, name) ?? "0");
  const speedMbps = number("speed");
  return {
    offer: {
      system: answer(answers, "os") ?? "linux",
      cpus: number("cpus"),
      memoryBytes: number("memory"),
      bandwidthBps: speedMbps > 0 ? speedMbps * 1_000_000 : null,
      volumeGroup: roomiest(answers.get("group") ?? []),
    },
    present: {
      releases: answers.get("release") ?? [],
      nodes: answers.get("node") ?? [],
      current: answer(answers, "current"),
      agentRuns: answer(answers, "agent") === "active",
    },
    obstacles: {
      lacks: answers.get("lacks") ?? [],
      hasSystemd: answers.has("systemd"),
      mount: answer(answers, "mount") ?? "",
      options: (answer(answers, "options") ?? "").split(","),
      freeBytes: number("free"),
      foreign: answer(answers, "foreign"),
    },
  };
}

function roomiest(groups: readonly string[]): Offer["volumeGroup"] {
  const read = groups.map((group) => {
    const [name = "", freeBytes = "0"] = group.split(" ");
    return { name, freeBytes: Number(freeBytes) };
  });
  return read.sort((one, other) => other.freeBytes - one.freeBytes || (one.name < other.name ? -1 : 1))[0] ?? null;
}
