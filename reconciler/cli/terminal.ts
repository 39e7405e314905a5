import { styleText } from "node:util";
import { userInfo } from "node:os";

/** Where a verb reads its surroundings and writes its words; the tests pass one that records. */
export interface Terminal {
  readonly out: Channel;
  readonly err: Channel;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly cwd: string;
  /** Login name, for `who` on holds and confirmations. */
  readonly user: string;
  /** Aborted on Ctrl-C or SIGTERM, which kill the process until this is first called; a second one always does. */
  interrupted(): AbortSignal;
  /** The answer to a question, without white space around it; null where nobody is there to answer. */
  ask(question: string): Promise<string | null>;
  /** Calls back on SIGHUP. */
  onHangup(listener: () => void): void;
}

export interface Channel {
  write(text: string): void;
  readonly isTerminal: boolean;
  /** Characters per line; Infinity when nobody looks at it directly. */
  columns(): number;
  /** True where colour may be used: a terminal, without NO_COLOR. */
  readonly colour: boolean;
}

export type Style = "bold" | "dim" | "red" | "green" | "yellow" | "cyan";

/** The text in a style, or as it is where colour is off. */
export function paint(channel: Channel, style: Style, text: string): string {
  return channel.colour ? styleText(style, text, { validateStream: false }) : text;
}

/** How this program was called, for commands that people copy. */
export function commandWord({ env }: Terminal): string {
  return env["npm_command"] === undefined ? "setpoint" : "npx setpoint";
}

/** The Terminal of this process. A reader that closes the pipe early (`| head`) ends the process quietly. */
export function processTerminal(): Terminal {
  const interrupt = new AbortController();
  let signals = 0;
  let listening = false;
  function stop(): void {
    signals += 1;
    if (signals > 1) process.exit(130);
    interrupt.abort(new Error("interrupted"));
  }
  process.stdout.on("error", quietOnClosedPipe);
  process.stderr.on("error", quietOnClosedPipe);
  return {
    out: processChannel(process.stdout),
    err: processChannel(process.stderr),
    env: process.env,
    cwd: process.cwd(),
    user: loginName(),
    // Signals keep their default effect until a verb asks: a short verb just dies on Ctrl-C.
    interrupted() {
      if (!listening) {
        listening = true;
        process.on("SIGINT", stop);
        process.on("SIGTERM", stop);
      }
      return interrupt.signal;
    },
    ask: askOnTerminal,
    onHangup: (listener) => void process.on("SIGHUP", listener),
  };
}

/** On stderr, so that stdout is only what was asked for. Ctrl-D is no answer. */
async function askOnTerminal(question: string): Promise<string | null> {
  if (!process.stdin.isTTY || !process.stderr.isTTY) return null;
  const { createInterface } = await import("node:readline/promises");
  const lines = createInterface({ input: process.stdin, output: process.stderr });
  const closed = new Promise<string>((resolve) => void lines.once("close", () => resolve("")));
  const answer = await Promise.race([lines.question(question), closed]);
  lines.close();
  return answer.trim();
}

function processChannel(stream: NodeJS.WriteStream): Channel {
  const isTerminal = stream.isTTY;
  return {
    write: (text) => void stream.write(text),
    isTerminal,
    columns: () => (stream.isTTY ? (stream.columns ?? 80) : Infinity),
    colour: isTerminal && !process.env["NO_COLOR"] && process.env["TERM"] !== "dumb",
  };
}

function quietOnClosedPipe(error: NodeJS.ErrnoException): void {
  if (error.code === "EPIPE") process.exit(0);
  throw error;
}

/** A user without a passwd entry (containers) has no name. */
function loginName(): string {
  try {
    return userInfo().username;
  } catch {
    return `uid ${process.getuid?.() ?? "?"}`;
  }
}
