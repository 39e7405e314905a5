import type { Revision, SourcePosition } from "./desired.ts";
import type { HostPool, Policy, Set as SetManifest } from "./manifest-types.ts";

/** All manifests of one Revision, each valid by its schema; cross-file checks are plan/desired's. */
export interface Manifests {
  readonly revision: Revision;
  readonly pools: readonly Loaded<HostPool>[];
  readonly sets: readonly Loaded<SetManifest>[];
  readonly policies: readonly Loaded<Policy>[];
}

/** One document. An unchanged file yields the same object in the next Revision. */
export interface Loaded<Manifest> {
  readonly manifest: Manifest;
  readonly position: SourcePosition;
  /** Position of a nested key or value, e.g. `["spec", "pools", 0]`; the nearest parent that is written. */
  at(path: readonly (string | number)[]): SourcePosition;
  /** The two or three source lines around a position, with a caret; for error messages. */
  frame(position: SourcePosition): string;
}

/** A mistake in what a user wrote, ready to print. */
export interface ManifestProblem {
  readonly code: string;
  readonly severity: "error" | "warning";
  readonly position: SourcePosition | null;
  /** What is wrong and what is allowed. */
  readonly message: string;
  /** What to do; empty when the message says it all. */
  readonly hint: string;
  /** Code frame; empty when there is no text to show. */
  readonly frame: string;
}
