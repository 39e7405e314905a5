import type { LiveEvent } from "../api/types.ts";
import { paint, type Channel, type Style } from "./terminal.ts";

const STYLES: Readonly<Record<LiveEvent["type"], Style | null>> = {
  revision: "cyan",
  rejected: "red",
  plan: "bold",
  progress: "dim",
  settled: "green",
  problem: "yellow",
  operator: null,
};

/** `19:45:03  converged after 12.3 s: ...`. */
function liveLine(channel: Channel, event: LiveEvent): string {
  const style = STYLES[event.type];
  const time = new Date(event.atMs).toTimeString().slice(0, 8);
  return `${paint(channel, "dim", time)}  ${style === null ? event.text : paint(channel, style, event.text)}`;
}

/** Prints live events; on a terminal a line of progress is overwritten by what follows it. */
export interface LivePrinter {
  print(event: LiveEvent): void;
  /** To be called before anything else is written. */
  end(): void;
}

export function createLivePrinter(channel: Channel): LivePrinter {
  let open = false;
  const end = (): void => {
    if (open) channel.write("\r\u001b[K");
    open = false;
  };
  return {
    end,
    print(event) {
      end();
      open = event.type === "progress" && channel.isTerminal;
      channel.write(liveLine(channel, event) + (open ? "" : "\n"));
    },
  };
}
