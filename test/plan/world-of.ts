import type { Manifest } from "../../reconciler/core/manifest-types.ts";
import { createDesiredBuilder } from "../../reconciler/plan/desired/builder.ts";
import { container, manifestsOf } from "../desired/documents.ts";
import { PureWorld } from "./pure-world.ts";

/** A world in which these documents were committed, and a function that commits others. */
export function worldOf(...documents: Manifest[]): { world: PureWorld; commit: (...next: Manifest[]) => void } {
  const builder = createDesiredBuilder();
  const world = new PureWorld();
  function commit(...next: Manifest[]): void {
    const { desired, problems } = builder.build(manifestsOf(...next));
    if (desired === null) throw new Error(JSON.stringify(problems));
    world.commit(desired);
  }
  commit(...documents);
  return { world, commit };
}

/** A template with one volume on disk. */
export const LVM = {
  volumes: [{ name: "data", lvm: { size: "1Gi" } }],
  containers: [container("app", { mounts: [{ volume: "data", path: "/data" }] })],
};
