/** One thing a host has or lacks. */
export interface Finding {
  readonly part: string;
  readonly state: "present" | "lacking" | "advice";
  /** What was found, or what is not possible without it. */
  readonly found: string;
  /** The command or setting that mends it; empty when nothing is to do. */
  readonly fix: string;
}
