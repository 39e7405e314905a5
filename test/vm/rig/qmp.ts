import { createConnection, type Socket } from "node:net";
import { Hopeless, waitFor, waitUntil } from "../../hosts/rig/wait.ts";

const SAVE_WITHIN_MS = 120_000;

/** The control connection of one QEMU: its JSON protocol, one command at a time. */
export interface Qmp {
  /** Rejects with what QEMU said was wrong. */
  command(name: string, args?: unknown): Promise<unknown>;
  /** A command of the monitor for people; resolves to what it prints. */
  monitor(line: string): Promise<string>;
  /** Saves or loads the state of all devices; RAM stays in its file. */
  migrate(verb: "migrate" | "migrate-incoming", program: string): Promise<void>;
  close(): void;
}

interface Answer {
  readonly return?: unknown;
  readonly error?: { readonly desc: string };
}

export async function openQmp(path: string, evidence: () => string): Promise<Qmp> {
  const socket = await waitFor(`QEMU to listen on ${path}`, () => connect(path), { evidence });
  const waiting: ((answer: Answer | null) => void)[] = [];
  socket.on("error", () => {}); // Its end is told by close.
  socket.on("close", () => waiting.splice(0).forEach((settle) => settle(null)));
  readLines(socket, (line) => {
    const answer = JSON.parse(line) as Answer;
    // Greetings and events are not answers.
    if ("return" in answer || "error" in answer) waiting.shift()?.(answer);
  });
  const command = (name: string, args?: unknown): Promise<unknown> =>
    new Promise((resolve, reject) => {
      const settle = (answer: Answer | null): void => {
        if (answer === null) reject(new Hopeless(`${name}: QEMU ended`));
        else if (answer.error !== undefined) reject(new Error(`${name}: ${answer.error.desc}`));
        else resolve(answer.return);
      };
      if (socket.destroyed) return settle(null);
      waiting.push(settle);
      socket.write(`${JSON.stringify({ execute: name, arguments: args })}\n`);
    });
  await command("qmp_capabilities");
  return {
    command,
    monitor: async (line) => (await command("human-monitor-command", { "command-line": line })) as string,
    async migrate(verb, program) {
      await command("migrate-set-capabilities", { capabilities: [{ capability: "x-ignore-shared", state: true }] });
      await command(verb, { uri: `exec:${program}` });
      const isOver = async (): Promise<boolean> => {
        const { status } = (await command("query-migrate")) as { readonly status: string };
        if (status === "failed") throw new Hopeless(`${verb} failed`);
        return status === "completed";
      };
      await waitUntil(`QEMU to ${verb}`, isOver, { deadlineMs: SAVE_WITHIN_MS, evidence });
    },
    close: () => void socket.destroy(),
  };
}

function connect(path: string): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = createConnection(path, () => resolve(socket));
    socket.once("error", reject);
  });
}

function readLines(socket: Socket, hear: (line: string) => void): void {
  const pending = { text: "" };
  socket.setEncoding("utf8").on("data", (chunk: string) => {
    const lines = (pending.text + chunk).split("\n");
    pending.text = lines.pop()!;
    lines.forEach(hear);
  });
}
