import type { Capability } from "../core/desired.ts";

/** What can go wrong with one simulated host, now. Durations in milliseconds. */
export type Fault =
  /** Power cut; the disk stays. */
  | { readonly kind: "crash" }
  | { readonly kind: "boot" }
  /** The container engine takes requests and carries them out only afterwards. */
  | { readonly kind: "hang"; readonly forMs: number }
  | { readonly kind: "partition"; readonly direction: "both" | "toHost" | "fromHost"; readonly forMs: number }
  /** The next requests are carried out but their results never arrive. */
  | { readonly kind: "loseReply"; readonly count: number }
  | { readonly kind: "delayReply"; readonly count: number; readonly byMs: number }
  /** The next requests are carried out a second time, some seconds later. */
  | { readonly kind: "deliverTwice"; readonly count: number }
  /** The host's wall clock jumps: no part of the protocol may notice. */
  | { readonly kind: "clockJump"; readonly byMs: number }
  | { readonly kind: "slow"; readonly factor: number; readonly forMs: number }
  /** `restarts`: the container engine starts it again by itself. */
  | { readonly kind: "crashInstance"; readonly set: string; readonly index: number; readonly restarts: boolean }
  | { readonly kind: "diskFull"; readonly forMs: number }
  | { readonly kind: "loseCapability"; readonly capability: Capability; readonly forMs: number }
  /** Docker there does not know a runtime, or a secret is not on the host; else every simulated host has all that a Set asks for. */
  | { readonly kind: "loseRuntime"; readonly runtime: string; readonly forMs: number }
  | { readonly kind: "loseSecret"; readonly secret: string; readonly forMs: number }
  | { readonly kind: "restartAgent" };
