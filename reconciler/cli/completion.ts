import { script } from "@bomb.sh/tab";
import tab from "@bomb.sh/tab/commander";
import type { Command } from "commander";
import type { Terminal } from "./terminal.ts";

/** `setpoint completion SHELL`: the script that makes a shell ask `setpoint complete -- WORDS`. */
export function printCompletion(_terminal: Terminal, shell: "bash" | "zsh" | "fish"): number {
  script(shell, "setpoint", "setpoint");
  return 0;
}

/** Answers the shell's question: what may come next on a command line. The words are those after `complete --`. */
export function completeWords(program: Command, words: readonly string[]): number {
  tab(program).parse([...words]);
  return 0;
}
