import type { Command } from "commander";
import type { Terminal } from "./terminal.ts";

/** What a verb's action does with its exit code, once it has one. */
export type Finish = (verb: Promise<number>) => Promise<void>;

/** Adds one verb, or a group of them, to the tree. */
export type AddVerb = (program: Command, terminal: Terminal, finish: Finish) => void;
