import type { Desired } from "../../reconciler/core/desired.ts";
import type { HostPool, Set as SetManifest } from "../../reconciler/core/manifest-types.ts";
import type { Loaded, ManifestProblem, Manifests } from "../../reconciler/core/manifests.ts";
import { createDesiredBuilder } from "../../reconciler/plan/desired/builder.ts";
import type { Clock, Source, SourceReading } from "../../reconciler/run/ports.ts";
import type { Random } from "../../reconciler/sim/random.ts";

/** What stands in the simulated repository; edited by replacing entries. */
export interface Tree {
  readonly pools: ReadonlyMap<string, HostPool>;
  readonly sets: ReadonlyMap<string, SetManifest>;
}

/** A repository with commits, of which the newest is read; what can go wrong with a fetch does, when told to. */
export class Repository implements Source {
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #builder = createDesiredBuilder();
  readonly #loaded = new WeakMap<object, Loaded<unknown>>();
  readonly #old = new Map<string, Manifests>();
  #onChange: () => void = () => undefined;
  #commits = 0;
  #reading: SourceReading = { kind: "failed", code: "git-empty", why: "the repository has no commit yet" };
  #trouble: SourceReading | "hangs" | null = null;
  tree: Tree = { pools: new Map(), sets: new Map() };
  /** What the newest valid commit asks for. */
  desired: Desired | null = null;

  constructor(clock: Clock, random: Random) {
    this.#clock = clock;
    this.#random = random;
  }

  /** Commits a tree if it is valid; says whether it was. */
  commit(tree: Tree): boolean {
    const manifests = this.#manifests(tree, `c${this.#commits + 1}`);
    const { desired } = this.#builder.build(manifests);
    if (desired === null) return false;
    this.#commits++;
    this.tree = tree;
    this.desired = desired;
    this.#old.set(manifests.revision.commit, manifests);
    this.#become({ kind: "loaded", manifests });
    return true;
  }

  /** A commit in which a manifest does not load. */
  commitInvalid(): void {
    this.#commits++;
    const problem: ManifestProblem = { code: "x", severity: "error", position: null, message: "broken on purpose", hint: "", frame: "" };
    this.#become({ kind: "invalid", commit: `c${this.#commits}`, problems: [problem] });
  }

  /** From now on reads fail, or hang; null: they work again. */
  trouble(trouble: "fails" | "hangs" | null): void {
    this.#trouble = trouble === "fails" ? { kind: "failed", code: "git-unreachable", why: "the remote is down" } : trouble;
  }

  get good(): boolean {
    return this.#trouble === null && this.#reading.kind === "loaded";
  }

  async read(signal: AbortSignal): Promise<SourceReading> {
    await this.#clock.sleep(this.#trouble === "hangs" ? 1e9 : this.#random.between(5, 50), signal);
    return this.#trouble === null || this.#trouble === "hangs" ? this.#reading : this.#trouble;
  }

  async readCommit(commit: string, signal: AbortSignal): Promise<SourceReading> {
    await this.#clock.sleep(this.#random.between(5, 50), signal);
    const manifests = this.#old.get(commit);
    return manifests === undefined
      ? { kind: "failed", code: "git-commit-missing", why: `no commit ${commit}` }
      : { kind: "loaded", manifests };
  }

  watch(onChange: () => void): void {
    this.#onChange = onChange;
  }

  close(): Promise<void> {
    return Promise.resolve();
  }

  /** A notice may get lost: then the next poll finds the commit. */
  #become(reading: SourceReading): void {
    this.#reading = reading;
    if (this.#random.chance(0.8)) this.#onChange();
  }

  #manifests(tree: Tree, commit: string): Manifests {
    const pools = [...tree.pools.values()].map((manifest) => this.#load(manifest));
    return { revision: { commit }, pools, sets: [...tree.sets.values()].map((manifest) => this.#load(manifest)), policies: [] };
  }

  #load<Manifest extends object>(manifest: Manifest): Loaded<Manifest> {
    let loaded = this.#loaded.get(manifest) as Loaded<Manifest> | undefined;
    if (loaded === undefined) {
      const position = { file: "simulated.yaml", line: 1, column: 1 };
      loaded = { manifest, position, at: () => position, frame: () => "" };
      this.#loaded.set(manifest, loaded);
    }
    return loaded;
  }
}
