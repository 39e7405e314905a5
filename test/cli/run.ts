import { mkdtempSync, realpathSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { runCli } from "../../reconciler/cli/program.ts";
import type { Channel, Terminal } from "../../reconciler/cli/terminal.ts";

/** What a command line printed, and its exit code. */
export interface CliResult {
  readonly exitCode: number;
  readonly stdout: string;
  readonly stderr: string;
}

export interface CliOptions {
  readonly cwd: string;
  readonly env?: Readonly<Record<string, string>>;
  /** Characters per line of a pretended terminal; default: no terminal. */
  readonly columns?: number;
  readonly interrupted?: AbortSignal;
  /** What a person answers; default: nobody is there. */
  readonly answers?: (question: string) => string;
  /** Hears stdout as it comes. */
  readonly onOut?: (text: string) => void;
}

/** Runs one command line in this process. */
export async function cli(options: CliOptions, ...args: readonly string[]): Promise<CliResult> {
  const out = recorder(options.columns, options.onOut);
  const err = recorder(undefined);
  const terminal: Terminal = {
    out: out.channel,
    err: err.channel,
    env: { PATH: process.env["PATH"]!, HOME: options.cwd, ...options.env },
    cwd: options.cwd,
    user: "ann",
    interrupted: () => options.interrupted ?? new AbortController().signal,
    ask: (question) => Promise.resolve(options.answers?.(question) ?? null),
    onHangup: () => {},
  };
  const exitCode = await runCli(args, terminal, "0.1.0");
  return { exitCode, stdout: out.text(), stderr: err.text() };
}

function recorder(columns: number | undefined, listener: (text: string) => void = () => {}): { channel: Channel; text: () => string } {
  const texts: string[] = [];
  const write = (text: string): void => {
    texts.push(text);
    listener(text);
  };
  return {
    channel: { write, isTerminal: columns !== undefined, columns: () => columns ?? Infinity, colour: false },
    text: () => texts.join(""),
  };
}

/** A new folder with a short path (sockets need that), and how to remove it. */
export function scratch(): { readonly dir: string; readonly remove: () => void } {
  const dir = realpathSync(mkdtempSync(join(tmpdir(), "sp-")));
  return { dir, remove: () => rmSync(dir, { recursive: true, force: true }) };
}
